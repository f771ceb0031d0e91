"""The engine's library: built by pip's compiler for every target, the same bytes, once."""

import ctypes
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from burst_ner.errors import SetupError
from tools import engine

SERVICE = Path(__file__).parent.parent
FUNCTIONS = ["ner_close", "ner_find", "ner_label", "ner_labels", "ner_open", "ner_simd", "ner_tokens"]

# ELF's e_machine and Mach-O's cputype.
ELF = {"linux-x86_64": 62, "linux-arm64": 183}
MACH_O = {"macos-x86_64": 0x01000007, "macos-arm64": 0x0100000C}


@pytest.fixture(scope="module")
def libraries():
    """The library of each target, as the commands get it."""
    return {target: engine.library(target).read_bytes() for target in engine.TARGETS}


@pytest.mark.parametrize("target", engine.TARGETS)
def test_a_library_for_each_target_on_any_host(libraries, target):
    content = libraries[target]
    if target in ELF:
        assert content[:6] == b"\x7fELF\x02\x01"
        assert struct.unpack_from("<H", content, 18) == (ELF[target],)
    else:
        assert struct.unpack_from("<II", content) == (0xFEEDFACF, MACH_O[target])
    assert all(name.encode() in content for name in FUNCTIONS)
    assert len(content) < 500_000


@pytest.mark.parametrize("target", ELF)
def test_it_needs_no_newer_glibc_than_the_oldest_lambda_has(libraries, target):
    versions = {
        tuple(int(part) for part in word.removeprefix(b"GLIBC_").split(b"."))
        for word in libraries[target].split(b"\0")
        if word.startswith(b"GLIBC_")
    }
    assert versions
    assert max(versions) <= (2, 26)


@pytest.mark.parametrize("target", MACH_O)
def test_it_runs_on_the_oldest_macos_that_a_wheel_names(libraries, target):
    content, at = libraries[target], 32
    (commands,) = struct.unpack_from("<I", content, 16)
    oldest = []
    for _ in range(commands):
        command, size = struct.unpack_from("<II", content, at)
        if command == 0x32:  # LC_BUILD_VERSION: platform, oldest system
            oldest += struct.unpack_from("<II", content, at + 8)
        at += size
    assert oldest == [1, 11 << 16]


@pytest.mark.parametrize("target", engine.TARGETS)
def test_no_path_of_this_machine_is_in_it(libraries, target):
    places = [SERVICE, SERVICE.parents[1] / ".cache", Path(sys.prefix), Path.home()]
    assert [place for place in places if str(place).encode() in libraries[target]] == []


@pytest.fixture(scope="module")
def empty_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("target", ["linux-x86_64", "linux-arm64", "macos-arm64"])
def test_the_same_bytes_every_time_and_no_warning(libraries, target, empty_cache, tmp_path, monkeypatch):
    said = []
    real = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: said.append(real(*args, **options)) or said[-1])
    monkeypatch.setattr(engine, "_CACHE", empty_cache)
    out = tmp_path / engine.library_name(target)
    engine.build(target, out)
    assert out.read_bytes() == libraries[target]
    assert "".join(run.stdout for run in said) == ""


def test_what_is_built_is_found_again(libraries, monkeypatch):
    monkeypatch.setattr(engine, "_zig", None)
    assert engine.library("linux-x86_64").read_bytes() == libraries["linux-x86_64"]


def test_other_sources_are_another_library(libraries, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_SOURCES", tmp_path)
    (tmp_path / "a.c").write_text("int a(void) { return 1; }")
    one = engine._fingerprint()
    (tmp_path / "a.c").write_text("int a(void) { return 2; }")
    assert engine._fingerprint() != one


def test_a_source_that_does_not_compile_leaves_nothing(tmp_path, monkeypatch):
    sources, cache = tmp_path / "engine", tmp_path / "cache"
    sources.mkdir()
    (sources / "kernels.c").write_text("this is no C")
    monkeypatch.setattr(engine, "_SOURCES", sources)
    monkeypatch.setattr(engine, "_CACHE", cache)
    with pytest.raises(SetupError, match=r"The engine cannot be built for linux-arm64: kernels\.c:1:1: error"):
        engine.library("linux-arm64")
    assert list(cache.rglob("libburst_ner*")) == []


def test_the_one_of_this_machine_is_put_where_the_function_opens_it(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "LIBRARY", str(tmp_path / "libburst_ner.so"))
    assert engine.put(engine.this_machine())
    assert not engine.put(engine.this_machine())
    library = ctypes.CDLL(str(tmp_path / "libburst_ner.so"))
    assert all(hasattr(library, name) for name in FUNCTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["libburst_ner.so"]


def test_a_machine_that_there_is_no_engine_for():
    with pytest.raises(SetupError, match="There is no engine for plan9-mips; it is built for linux-x86_64, "):
        engine.library("plan9-mips")


def test_without_the_compiler_a_sentence_says_how_to_get_it(tmp_path):
    code = "import sys; sys.path[:0] = ['.']; from tools.engine import library; library('linux-arm64')"
    command = [sys.executable, "-S", "-c", code]
    run = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, check=False)
    assert "The compiler of the engine is not here; install it with:" in run.stderr.splitlines()[-1]


def test_without_the_library_a_sentence_says_how_to_build_it(prepared_path, tmp_path, monkeypatch):
    from burst_ner import engine as binding

    monkeypatch.setattr(binding, "LIBRARY", str(tmp_path / "none.so"))
    with pytest.raises(SetupError, match=r"The engine cannot be opened .*; pip brings it .*: python -m tools\.engine"):
        binding.Engine(prepared_path / "model.bin")
