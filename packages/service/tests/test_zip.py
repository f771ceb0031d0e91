"""The deployment zip: built by pip from its index, unpacked, and served by a Python with nothing else on its path."""

import json
import os
import platform
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import function_url_event

from burst_ner.errors import SetupError
from tools import zip as deployment
from tools.wheels import LEFT_OUT, Target, download, requirements

SERVICE = Path(__file__).parent.parent
CI = bool(os.environ.get("CI"))
AARCH64 = 183  # EM_AARCH64, ELF's e_machine

# As Lambda does: the code folder first on the path, then an event for the handler that infra names.
SERVE = """
import json, sys, types
sys.path.insert(0, sys.argv[1])
from burst_ner.handler import handler
context = types.SimpleNamespace(
    aws_request_id="id",
    function_name="spacy-ner-service",
    function_version="1",
    invoked_function_arn="arn:aws:lambda:us-east-1:0:function:spacy-ner-service:live",
    memory_limit_in_mb=1769,
    get_remaining_time_in_millis=lambda: 30_000,
)
answer = handler(json.loads(sys.argv[2]), context)
print(json.dumps([answer["statusCode"], json.loads(answer["body"])]))
"""


def zip_command(*arguments, **options):
    """Runs the command; a machine without the package index skips the test, CI does not."""
    command = [sys.executable, "-m", "tools.zip", *map(str, arguments)]
    run = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, check=False, **options)
    if "check the network" in run.stderr and not CI:
        pytest.skip(run.stderr.splitlines()[-1])
    return run


def build(*arguments):
    run = zip_command(*arguments)
    assert run.returncode == 0, run.stderr
    return run


@pytest.fixture(scope="module")
def arch():
    if sys.platform != "linux":
        pytest.skip("the zip runs on Linux only")
    return {"aarch64": "arm64"}.get(platform.machine(), platform.machine())


@pytest.fixture(scope="module")
def python():
    found = [version for version in ("3.14", "3.13", "3.12") if deployment.interpreter(version)]
    if not found and not CI:
        pytest.skip("needs the package python3.13, or 3.12 or 3.14, to run what it builds")
    assert found
    return found[0]


@pytest.fixture(scope="module")
def on_engine(tmp_path_factory, prepared_path, arch, python):
    """A zip for this machine with the default model inside, run by the engine, and what the command printed."""
    out = tmp_path_factory.mktemp("zip") / "build" / "function.zip"
    return out, build(out, "--arch", arch, "--python", python, "--with-model", prepared_path)


@pytest.fixture(scope="module")
def on_spacy(tmp_path_factory, model_path, arch, python):
    """The same, but run by spaCy."""
    out = tmp_path_factory.mktemp("zip") / "function.zip"
    return out, build(out, "--arch", arch, "--python", python, "--with-model", model_path)


@pytest.mark.parametrize("zipped", ["on_engine", "on_spacy"])
def test_serves_a_request_with_nothing_else_on_the_path(request, zipped, tmp_path, python):
    zipfile.ZipFile(request.getfixturevalue(zipped)[0]).extractall(tmp_path)
    files = sorted(tmp_path.rglob("*"))
    event = function_url_event({"text": "Angela Merkel met Tim Cook in Berlin."})
    # -I and -S: neither the user's environment nor the interpreter's site-packages.
    command = [*deployment.interpreter(python), "-S", "-c", SERVE, str(tmp_path), json.dumps(event)]
    environment = {"PATH": os.environ["PATH"], "SPACY_MODEL_PATH": str(tmp_path / "model")}
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    status, body = json.loads(run.stdout.splitlines()[-1])
    assert status == 200
    assert [(e["text"], e["label"]) for e in body["entities"]] == [
        ("Angela Merkel", "PERSON"),
        ("Tim Cook", "PERSON"),
        ("Berlin", "GPE"),
    ]
    # Python writes bytecode for each source whose bytecode is missing or looks stale.
    assert sorted(tmp_path.rglob("*")) == files


@pytest.mark.parametrize(("zipped", "least"), [("on_engine", 15), ("on_spacy", 1_000)])
def test_bytecode_is_never_checked_against_its_source(request, zipped, least):
    with zipfile.ZipFile(request.getfixturevalue(zipped)[0]) as archive:
        flags = [archive.read(name)[4:8] for name in archive.namelist() if name.endswith(".pyc")]
    assert len(flags) >= least
    assert set(flags) == {b"\x01\0\0\0"}  # PEP 552: by hash, unchecked


def test_the_same_input_gives_the_same_bytes(on_engine, tmp_path, prepared_path, arch, python):
    again = tmp_path / "again.zip"
    build(again, "--arch", arch, "--python", python, "--with-model", prepared_path)
    sums = [{e.filename: e.CRC for e in zipfile.ZipFile(path).infolist()} for path in (again, on_engine[0])]
    assert [name for name in sums[0].keys() | sums[1].keys() if sums[0].get(name) != sums[1].get(name)] == []
    assert again.read_bytes() == on_engine[0].read_bytes()


@pytest.mark.parametrize(
    ("zipped", "parts"),
    [
        ("on_engine", {"burst_ner", "model", "total"}),
        ("on_spacy", {"spacy", "numpy", "numpy.libs", "burst_ner", "model", "others", "total"}),
    ],
)
def test_prints_what_takes_the_room(request, zipped, parts):
    path, run = request.getfixturevalue(zipped)
    rows = {name: sizes for name, *sizes in (line.split() for line in run.stdout.splitlines()[:-1])}
    assert parts <= set(rows)
    with zipfile.ZipFile(path) as archive:
        assert rows["total"][0] == f"{sum(entry.file_size for entry in archive.infolist()) / 1e6:.1f}"


@pytest.mark.parametrize("python", ["3.11", "3.14"])
@pytest.mark.parametrize("built_for", ["arm64", "x86_64"])
def test_the_code_alone_is_small_and_for_the_architecture(built_for, python, tmp_path):
    out = tmp_path / "function.zip"
    build(out, "--arch", built_for, "--python", python)
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        assert sum(entry.file_size for entry in archive.infolist()) <= 3_000_000
        licences = [archive.read(f"burst_ner/{name}") for name in ("LICENSE", "LICENSE.zig")]
        engine = archive.read("burst_ner/libburst_ner.so")
    assert [b"MIT License" in text for text in licences] == [True, True]
    assert (struct.unpack_from("<H", engine, 18)[0] == AARCH64) == (built_for == "arm64")
    assert {name.split("/")[0] for name in names} == {"burst_ner"}
    assert [name for name in names if name.endswith((".c", ".h", ".dylib"))] == []


def test_a_zip_with_a_model_of_the_engine_has_no_wheel_in_it(on_engine):
    with zipfile.ZipFile(on_engine[0]) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"burst_ner", "model"}
        assert sum(entry.file_size for entry in archive.infolist()) <= 32_000_000


@pytest.mark.parametrize("built_for", ["arm64", "x86_64"])
def test_a_zip_with_spacy_fits_either_architecture_on_any_host(built_for, arch, on_spacy, tmp_path):
    out, model = on_spacy[0], True
    if built_for != arch:
        out, model = tmp_path / "function.zip", False
        build(out, "--arch", built_for, "--with-spacy")
    unzipped = 0
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        for entry in archive.infolist():
            content = archive.read(entry)
            unzipped += len(content)
            if content[:4] == b"\x7fELF":
                assert (struct.unpack_from("<H", content, 18)[0] == AARCH64) == (built_for == "arm64"), entry.filename
                assert segments_end(content) <= len(content), entry.filename
                if not entry.filename.startswith("burst_ner/"):
                    assert struct.unpack_from("<H", content, 60) == (0,), "sections"
    room = 15_000_000 if model else 0
    assert unzipped <= 150_000_000 + room
    assert out.stat().st_size <= 55_000_000 + room
    assert "burst_ner/handler.py" in names
    assert [name for name in names if name.endswith(".cu")]  # thinc reads them at import
    assert [name for name in names if re.fullmatch(r"spacy_legacy-.*\.dist-info/entry_points\.txt", name)]
    tops = {name.split("/")[0] for name in names}
    assert not tops & {
        "tools",
        "burst_ner_model",
        "awslambdaric",
        "typer",
        "weasel",
        "requests",
        "jinja2",
        "spacy_loggers",
    }
    assert not [name for name in names if "/tests/" in name or name.endswith((".pyx", ".pxd", ".pyi", ".c", ".h"))]


def segments_end(elf):
    """The end of the last segment; sizes and offsets of ELF-64."""
    (table,) = struct.unpack_from("<Q", elf, 32)
    headers = [elf[table + 56 * i : table + 56 * (i + 1)] for i in range(*struct.unpack_from("<H", elf, 56))]
    return max(struct.unpack_from("<Q", h, 8)[0] + struct.unpack_from("<Q", h, 32)[0] for h in headers)


def test_a_lambda_whose_glibc_is_older_than_the_wheels(tmp_path):
    run = zip_command(tmp_path / "a.zip", "--python", "3.11", "--with-spacy")
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1].startswith("There is no wheel of numpy==")
    assert "glibc 2.26" in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_package_index(tmp_path):
    environment = {"PATH": os.environ["PATH"], "PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0"}
    command = [sys.executable, "-m", "tools.zip", str(tmp_path / "a.zip"), "--with-spacy"]
    run = subprocess.run(command, cwd=SERVICE, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "check the network" in run.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_wheel_that_is_not_the_locked_one(tmp_path):
    try:
        with pytest.raises(SetupError, match="DO NOT MATCH THE HASHES"):
            download([f"wasabi==1.1.3 --hash=sha256:{'0' * 64}"], Target("arm64", "3.13"), tmp_path)
    except AssertionError as error:
        if "check the network" in str(error) and not CI:
            pytest.skip("needs the package index")
        raise
    assert list(tmp_path.glob("*.whl")) == []


def test_larger_than_lambda_takes(tmp_path):
    out = tmp_path / "function.zip"
    out.write_bytes(b"the one before")
    with pytest.raises(SetupError, match=r"would unpack to [\d,]+ bytes and Lambda takes 1,000;"):
        deployment.build(out, Target("arm64", "3.13"), max_unzipped=1_000)
    assert [path.name for path in tmp_path.iterdir()] == ["function.zip"]
    assert out.read_bytes() == b"the one before"


def test_a_python_that_is_not_here(tmp_path, monkeypatch):
    monkeypatch.setattr(deployment, "interpreter", lambda version: None)
    said = []
    deployment.build(tmp_path / "function.zip", Target("arm64", "3.14"), say=said.append)
    assert [line for line in said if line.startswith("Warning: there is no python3.14 on this machine")]
    assert deployment.interpreter("3.99") is None


def test_nowhere_to_write(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=r"function\.zip cannot be written \(.*/file\)"):
        deployment.build(tmp_path / "file" / "function.zip", Target("arm64", "3.13"))
    with pytest.raises(SetupError, match="is a folder; give the name of the zip"):
        deployment.build(tmp_path, Target("arm64", "3.13"))


def test_not_a_model(tmp_path):
    with pytest.raises(SetupError, match="is not the folder of a spaCy pipeline"):
        deployment.build(tmp_path / "function.zip", Target("arm64", "3.13"), model=tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(SetupError, match="is not the manifest of a prepared model"):
        deployment.build(tmp_path / "function.zip", Target("arm64", "3.13"), model=tmp_path)


def test_locked_versions_are_those_of_the_target_and_not_of_this_python():
    lock = (SERVICE / "requirements.lock").read_text()
    numpy = [
        [pin.split(" ")[0] for pin in requirements(lock, Target("arm64", version)) if pin.startswith("numpy==")]
        for version in ("3.11", "3.14")
    ]
    assert [len(pins) for pins in numpy] == [1, 1]
    assert numpy[0] != numpy[1]
    assert "colorama" not in "".join(requirements(lock, Target("x86_64", "3.13")))


def test_every_distribution_that_is_left_out_is_locked():
    locked = {line.split("==")[0] for line in (SERVICE / "requirements.lock").read_text().splitlines() if "==" in line}
    assert set(LEFT_OUT) <= locked
