"""The engine under the sanitizers of addresses and of undefined behaviour: damaged model files and odd texts.

A tenth of the changes, always the same ones; all of them with BURST_NER_FULL=1. What each does: engine/tests/damage.c.
"""

import os
import platform
import re
import subprocess
from pathlib import Path

import pytest
import spacy
import tiny_pipeline

from burst_ner.model import open_pipeline
from burst_ner_model import components
from burst_ner_model.contents import write_engine_file

ENGINE = Path(__file__).parent.parent / "engine"
TIMES = 1 if os.environ.get("BURST_NER_FULL") == "1" else 10
FLAGS = ["-std=c11", "-g", "-O1", "-ffp-contract=fast", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.fixture(scope="module")
def damage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver, compiled with the sanitizers of gcc or clang."""
    folder = tmp_path_factory.mktemp("damage")
    parts: list[str] = []
    if platform.machine() == "x86_64":
        parts = [str(folder / "avx2.o")]
        avx2 = ["-mavx2", "-mfma", "-mf16c", "-DKERNELS=kernels_avx2", "-c", "kernels.c", "-o", *parts]
        compile_(avx2)
    sources = [path.name for path in sorted(ENGINE.glob("*.c"))]
    compile_(["-Wno-psabi", *sources, "tests/damage.c", *parts, "-o", str(folder / "damage"), "-lm"])
    return folder / "damage"


def compile_(arguments: list[str]) -> None:
    try:
        run = subprocess.run(["cc", *FLAGS, *arguments], cwd=ENGINE, capture_output=True, text=True, check=False)
        trouble = run.stderr if run.returncode else ""
    except FileNotFoundError as error:
        trouble = str(error)
    if trouble and not os.environ.get("CI") and re.search(r"No such file|cannot find -l[au]san|unsupported", trouble):
        pytest.skip(
            "The engine's memory was not checked: it needs gcc with libasan and libubsan (Debian: gcc) on Linux."
        )
    assert not trouble


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_pipeline.make(folder / "pipeline")
    sources = components.choose(open_pipeline(folder / "pipeline"), sentences=True)
    write_engine_file(spacy.load(folder / "pipeline"), sources, folder / "model.bin")
    return folder / "model.bin"


@pytest.mark.parametrize(
    ("what", "times"),
    [("header", 0), ("tables", 10_000 // TIMES), ("rest", 10_000 // TIMES), ("texts", 2_000 // TIMES)],
)
def test_answers_or_refuses_and_stays_within_its_memory(damage: Path, model: Path, what: str, times: int) -> None:
    run = subprocess.run([damage, model, what, str(times)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[:4000]
    opened, refused, answered, _ = (int(number) for number in re.findall(r"\d+", run.stdout))
    assert opened
    assert answered
    assert refused or what == "texts"
