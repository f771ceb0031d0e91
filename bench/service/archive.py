"""The sizes of the deployment zip."""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from figure import Figure, Must, Row
from function import SERVICE_FOLDER

MB, MIB = 1e6, 1024 * 1024


def measure(model: Path, pipeline: str, say: Callable[[str], None]) -> list[Row]:
    """For both architectures, without a model and with `model` inside; Python as burst-ner-zip chooses it."""
    rows = []
    for arch in ("arm64", "x86_64"):
        say(f"zip for {arch} …")
        alone, missing = _sizes(arch)
        unzipped, zipped = (Figure.exact(size / MB) for size in alone) if alone else (None, None)
        name = "no model"
        rows.append(Row(f"zip, {arch}, unzipped", name, "MB", None, unzipped, None, Must("≤", 150, "MB"), missing))
        rows.append(Row(f"zip, {arch}, zipped", name, "MB", None, zipped, None, Must("≤", 55, "MB"), missing))
        if alone:
            alone, missing = _sizes(arch, "--with-model", str(model))
        unzipped = Figure.exact(alone[0] / MIB) if alone else None
        what = f"zip, {arch}, with the folded-f16 model inside, unzipped"
        rows.append(Row(what, pipeline, "MiB", None, unzipped, None, Must("≤", 250, "MiB"), missing))
    return rows


def _sizes(arch: str, *options: str) -> tuple[tuple[int, int] | None, str]:
    """Bytes unzipped and zipped, or why there are none."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "function.zip")
        command = [sys.executable, "-m", "tools.zip", str(out), "--arch", arch, *options]
        run = subprocess.run(command, cwd=SERVICE_FOLDER, capture_output=True, text=True, check=False)
        lines = run.stderr.strip().splitlines() or ["no message"]
        if run.returncode:
            return None, lines[-1]
        with zipfile.ZipFile(out) as archive:
            entries = archive.infolist()
        if not any(entry.filename.endswith(".pyc") for entry in entries):
            return None, next((line for line in lines if line.startswith("Warning: ")), "there is no bytecode in it")
        return (sum(entry.file_size for entry in entries), out.stat().st_size), ""
