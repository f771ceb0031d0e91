"""The sizes of the deployment zip."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pipelines
from figure import Figure, Must, Row
from function import SERVICE_FOLDER, BenchError, say

MB, MIB = 1e6, 1024 * 1024


def measure(quick: bool) -> list[Row]:
    """For both architectures: code alone, and with models inside; Python as the tool chooses it."""
    sm, lg = pipelines.sm(), pipelines.lg_shaped(quick)
    lambda_takes = Must("≤", 250, "MiB")
    # With the parser, lg has two tables of vectors, which fit as f16; f32 fits with --sentences none.
    models = [
        ("code alone", None, "MB", Must("≤", 3, "MB")),
        ("sm, pipeline, f32", (sm,), "MB", Must("≤", 32, "MB")),
        ("lg-shaped, none, f32", (lg, "--sentences", "none"), "MiB", lambda_takes),
        ("lg-shaped, pipeline, f16", (lg, "--vectors", "f16"), "MiB", lambda_takes),
        ("lg-shaped, pipeline, f32", (lg,), "MiB", None),
    ]
    rows = []
    for name, source, unit, must in models:
        model = pipelines.prepared(*source) if source else None
        for arch in ("arm64", "x86_64"):
            say(f"zip for {arch}, {name} …")
            rows.append(_row(name, arch, model, unit, must))
    return rows


def _row(name: str, arch: str, model: Path | None, unit: str, must: Must | None) -> Row:
    what, bytes_of = f"zip for {arch}, unzipped", MIB if unit == "MiB" else MB
    try:
        unzipped, zipped = _sizes(arch, *(["--with-model", str(model)] if model else []))
    except BenchError as error:
        return Row(what, name, unit, note=str(error), must=must)
    note = f"zipped {zipped / bytes_of:.1f} {unit}"
    return Row(what, name, unit, service=Figure.exact(unzipped / bytes_of), must=must, note=note)


def _sizes(arch: str, *options: str) -> tuple[int, int]:
    """Bytes unzipped and zipped.

    Raises:
        BenchError: what the tool says; or there is no bytecode in the zip, which would be smaller for it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "function.zip")
        command = [sys.executable, "-m", "tools.zip", str(out), "--arch", arch, *options]
        run = subprocess.run(command, cwd=SERVICE_FOLDER, capture_output=True, text=True, check=False)
        lines = run.stderr.strip().splitlines() or ["no message"]
        if run.returncode:
            raise BenchError(lines[-1])
        with zipfile.ZipFile(out) as archive:
            entries = archive.infolist()
        if not any(entry.filename.endswith(".pyc") for entry in entries):
            raise BenchError(f"There is no bytecode in it: {lines[-1]}")
        return sum(entry.file_size for entry in entries), out.stat().st_size
