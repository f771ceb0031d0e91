"""The driver of engine/tests/damage.c: compiled with the sanitizers, and a small model for it to damage."""

import platform
import subprocess
from pathlib import Path

import spacy
import tiny_pipeline

from burst_ner.model import open_pipeline
from burst_ner_model import components
from burst_ner_model.contents import write_engine_file

ENGINE = Path(__file__).parent.parent / "engine"
_FLAGS = ["-std=c11", "-g", "-O1", "-ffp-contract=fast", "-Wno-psabi"]
_FLAGS += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def build(folder: Path) -> Path:
    """Compiles the driver into a folder.

    Raises:
        RuntimeError: there is no compiler, or it cannot; with what it said.
    """
    traced = ["-fsanitize-coverage=trace-pc", "-I", str(ENGINE), "-c"]
    _cc([*traced, *map(str, sorted(ENGINE.glob("*.c")))], folder)
    if platform.machine() == "x86_64":
        avx2 = ["-mavx2", "-mfma", "-mf16c", "-DKERNELS=kernels_avx2", str(ENGINE / "kernels.c"), "-o", "avx2.o"]
        _cc([*traced, *avx2], folder)
    objects = [path.name for path in folder.glob("*.o")]
    _cc([str(ENGINE / "tests/damage.c"), *objects, "-o", "damage", "-lm"], folder)
    return folder / "damage"


def make_model(folder: Path, *, other: bool = False) -> Path:
    """Writes the model file of a tiny pipeline into a folder; that of the other one has 16 bits a number."""
    make = tiny_pipeline.make_other if other else tiny_pipeline.make
    make(folder / "pipeline")
    sources = components.choose(open_pipeline(folder / "pipeline"), sentences=True)
    write_engine_file(spacy.load(folder / "pipeline"), sources, folder / "model.bin", half=other)
    return folder / "model.bin"


def _cc(arguments: list[str], folder: Path) -> None:
    try:
        run = subprocess.run(["cc", *_FLAGS, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise RuntimeError(str(error)) from error
    if run.returncode:
        raise RuntimeError(run.stderr)
