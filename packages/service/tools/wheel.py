"""`python -m tools.wheel OUT`: the wheels `burst-ner`, one for each target of the engine, the same bytes every time."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from burst_ner.errors import SetupError

from .engine import TARGETS, library

_SERVICE = Path(__file__).resolve().parent.parent

#: Of wheels, by the engine's target. https://packaging.python.org/en/latest/specifications/platform-compatibility-tags
PLATFORMS = {
    "linux-x86_64": "manylinux_2_26_x86_64",
    "linux-arm64": "manylinux_2_26_aarch64",
    "macos-x86_64": "macosx_11_0_x86_64",
    "macos-arm64": "macosx_11_0_arm64",
}


def build(target: str, out: Path) -> Path:
    """Writes the wheel for a target into a folder, by the backend that pyproject.toml names.

    Raises:
        SetupError: no such target, no compiler, or nowhere to write.
    """
    library(target)  # with a sentence where it cannot be built
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out.absolute())]
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    run = subprocess.run(
        command,
        cwd=_SERVICE,
        env=environment | {"BURST_NER_TARGET": target},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if run.returncode:
        raise SetupError(f"The wheel for {target} cannot be built: {run.stdout.strip().splitlines()[-1]}")
    [wheel] = out.glob(f"burst_ner-*-{PLATFORMS[target]}.whl")
    return wheel


def main() -> int:
    """Exit status 0 with the wheels' paths on stdout, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tools.wheel", description="Build the wheels of burst-ner.")
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder for them")
    out = parser.parse_args().out
    try:
        for target in TARGETS:
            wheel = build(target, out)
            print(f"{wheel}: {wheel.stat().st_size:,} bytes", flush=True)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
