"""The engine under the sanitizers of addresses and of undefined behaviour: damaged model files and odd texts.

A part of the changes, always the same ones; all of them with BURST_NER_FULL=1, and for as long as one wants with
`npm run bench -- fuzz`. What each does: engine/tests/damage.c.
"""

import os
import re
import subprocess
from pathlib import Path

import damage as driver
import pytest

TIMES = 1 if os.environ.get("BURST_NER_FULL") == "1" else 10


@pytest.fixture(scope="module")
def damage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver, compiled with the sanitizers of gcc or clang."""
    try:
        return driver.build(tmp_path_factory.mktemp("damage"))
    except RuntimeError as error:
        missing = re.search(r"No such file|cannot find -l[au]san|unsupported", str(error))
        if os.environ.get("CI") or not missing:
            raise
        pytest.skip(
            "The engine's memory was not checked: it needs gcc with libasan and libubsan (Debian: gcc) on Linux."
        )


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return driver.make_model(tmp_path_factory.mktemp("tiny"), other=request.param)


@pytest.mark.parametrize(
    ("model", "what", "times"),
    [
        # A third: a step that meets every place of an entry, whose bytes are 32.
        (False, "header", 1 if TIMES == 1 else 3),
        (False, "files", 10_000 // TIMES),
        (False, "texts", 2_000 // TIMES),
        (True, "files", 10_000 // TIMES),
        (True, "texts", 1_000 // TIMES),
    ],
    indirect=["model"],
)
def test_answers_or_refuses_and_stays_within_its_memory(damage: Path, model: Path, what: str, times: int) -> None:
    run = subprocess.run([damage, model, what, str(times)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[:4000]
    opened, refused, answered, _ = (int(number) for number in re.findall(r"\d+", run.stdout))
    assert opened
    assert answered
    assert refused or what == "texts"
