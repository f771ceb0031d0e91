"""The wheels: what is in them, and one of them in an environment with nothing else."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from burst_ner.errors import SetupError
from tools import engine, wheel

# Nothing of the function, of its tools, of tests.
MODULES = {"__init__", "engine", "errors", "imports", "model", "ner", "opening", "plain", "prepared", "recognizer"}
MODULES |= {"schema"}

ANSWER = """
import json, pickle, sys
from importlib.metadata import requires
import burst_ner
ner = burst_ner.load(sys.argv[1])
found = pickle.loads(pickle.dumps(ner))(["Angela Merkel visited Paris."])
print(json.dumps([burst_ner.__file__, [(e["text"], e["start"]) for e in found[0]], sorted(sys.modules)]))
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheels")
    return {target: wheel.build(target, out) for target in engine.TARGETS}


def content(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("target", engine.TARGETS)
def test_each_holds_the_library_of_its_platform(wheels, target):
    files = content(wheels[target])
    library = engine.library_name(target)
    assert files[f"burst_ner/{library}"] == engine.library(target).read_bytes()
    told = Parser().parsestr(files["burst_ner-0.1.0.dist-info/WHEEL"].decode())
    assert (told["Tag"], told["Root-Is-Purelib"]) == (f"py3-none-{wheel.PLATFORMS[target]}", "false")
    ours = {name.removeprefix("burst_ner/") for name in files if name.startswith("burst_ner/")}
    assert ours == {f"{name}.py" for name in MODULES} | {"py.typed", "LICENSE.zig", library}
    assert {name.partition("/")[0] for name in files} == {"burst_ner", "burst_ner_model", "burst_ner-0.1.0.dist-info"}
    assert {"burst_ner_model/corpus.json", "burst_ner_model/models.json"} < files.keys()
    assert not [name for name in files if "__pycache__" in name]


def test_it_needs_no_other_package(wheels):
    told = Parser().parsestr(content(wheels["linux-arm64"])["burst_ner-0.1.0.dist-info/METADATA"].decode())
    assert told["Requires-Python"] == ">=3.11"
    assert told.get_all("Requires-Dist") == ["spacy<3.9,>=3.8.18; extra == 'build'"]
    assert told["License-File"] == "LICENSE"
    assert told.get_payload().startswith("# burst-ner\n")


def test_the_same_bytes_every_time(wheels, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("TZ", "UTC+7")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    old = os.umask(0o077)
    try:
        again = wheel.build("macos-arm64", tmp_path)
    finally:
        os.umask(old)
    assert again.name == wheels["macos-arm64"].name
    assert again.read_bytes() == wheels["macos-arm64"].read_bytes()


def test_a_target_that_there_is_none_for(tmp_path):
    with pytest.raises(SetupError, match="There is no engine for plan9-mips; it is built for linux-x86_64, "):
        wheel.build("plan9-mips", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=r"^The wheel for linux-arm64 cannot be built: .*file"):
        wheel.build("linux-arm64", tmp_path / "file")


@pytest.fixture(scope="module")
def empty(wheels, tmp_path_factory):
    """Runs code in an environment that has the wheel and nothing else."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder / "venv")
    python = folder / "venv/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    links = wheels["linux-arm64"].parent
    subprocess.run([*pip, "--no-index", "--find-links", str(links), "burst-ner"], check=True)

    def run(*arguments):
        return subprocess.run([python, "-I", *arguments], cwd=folder, capture_output=True, text=True, check=False)

    return run


def test_it_answers_where_nothing_else_is_installed(empty, prepared_path):
    run = empty("-c", ANSWER, str(prepared_path))
    assert run.stderr == ""
    place, found, modules = json.loads(run.stdout)
    assert "/venv/lib/" in place
    assert found == [["Angela Merkel", 0], ["Paris", 22]]
    assert not {"numpy", "spacy"} & set(modules)


def test_the_command_is_there_and_says_what_it_lacks(empty, prepared_path, model_path, tmp_path):
    assert "is whole: " in empty("-m", "burst_ner_model", "verify", str(prepared_path)).stdout
    run = empty("-m", "burst_ner_model", "build", str(model_path), str(tmp_path / "out"))
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("This needs spaCy, which is not here; install it with: ")


def test_without_a_library_for_the_machine_a_sentence_says_so(empty, prepared_path):
    code = f"from burst_ner import engine, load; engine.LIBRARY = '/none'; load({str(prepared_path)!r})"
    run = empty("-c", code)
    assert "SetupError: The engine cannot be opened (" in run.stderr.splitlines()[-1]
