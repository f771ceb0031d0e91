"""The same entities on arm64 as on this machine: the library of the zip under QEMU's user mode."""

import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pipelines
from debian import unpacked
from documents import documents
from figure import Figure, Must, Row
from function import HERE, SERVICE_FOLDER, BenchError, Span, say
from identity import served


def measure(quick: bool) -> list[Row]:
    from tools.engine import TARGETS, library

    texts = documents("en", 50 if quick else 500)
    model = pipelines.prepared(pipelines.sm())
    ours = served(model, texts)
    root = unpacked("qemu-user-static", "libc6-arm64-cross")
    say(f"entities of sm in {len(texts)} documents on arm64 …")
    with tempfile.TemporaryDirectory() as scratch:
        driver = Path(scratch, "entities")
        built = library("linux-arm64")
        compiler = [sys.executable, "-m", "ziglang", "cc", "-target", TARGETS["linux-arm64"], "-O1"]
        sources = [str(HERE / "entities.c"), str(built), "-I", str(SERVICE_FOLDER / "engine")]
        _run([*compiler, *sources, "-Wl,-rpath," + str(built.parent), "-o", str(driver)])
        emulator = [str(root / "usr/bin/qemu-aarch64-static"), "-L", str(root / "usr/aarch64-linux-gnu")]
        answer = _run([*emulator, str(driver), str(model / "model.bin")], _packed(texts))
    theirs = _entities(answer.stdout, len(texts))
    differing = sum(a != b for a, b in zip(theirs, ours, strict=True))
    note = f"of {len(texts)}; {sum(map(len, ours)):,} entities; ner_simd: {answer.stderr.decode().strip()}"
    what = f"documents with other entities on arm64 than on {os.uname().machine}"
    return [Row(what, "sm, pipeline", "", service=Figure.exact(differing), must=Must("=", 0), note=note)]


def _packed(texts: list[str]) -> bytes:
    numbers = struct.pack(f"<{1 + len(texts)}I", len(texts), *map(len, texts))
    return numbers + "".join(texts).encode("utf-32-le")


def _entities(lines: bytes, texts: int) -> list[list[Span]]:
    found: list[list[Span]] = [[] for _ in range(texts)]
    for line in lines.decode().splitlines():
        text, start, end, label = line.split(" ", 3)
        found[int(text)].append((int(start), int(end), label))
    return found


def _run(command: list[str], given: bytes = b"") -> subprocess.CompletedProcess:
    run = subprocess.run(command, input=given, capture_output=True, check=False)
    if run.returncode:
        raise BenchError(f"{Path(command[0]).name} fails: {run.stderr.decode(errors='replace').strip()[-300:]}")
    return run
