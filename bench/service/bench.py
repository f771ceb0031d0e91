"""`npm run bench -- service`: the function beside a plain handler, in one run."""

import argparse
import contextlib
import dataclasses
import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import spacy

import archive
import cold
import identity
import lg_shaped
import report
import warm
from burst_ner.errors import SetupError
from burst_ner.model import open_pipeline
from figure import NOT_RUN, REACHED, Row
from function import HERE, PLAIN, SERVICE, SERVICE_FOLDER, BenchError
from tools.sources import find, source

ROOT = HERE.parent.parent
CACHE = ROOT / ".cache/bench"
DOCUMENT = ROOT / "docs/benchmarks.md"
BEGIN, END = "<!-- service: begin -->\n", "<!-- service: end -->\n"
#: Rounds of a sampled figure; three times as many of a short one, and where a verdict is undecided.
ROUNDS = 10


def main() -> int:
    """Exit status 0; 1 when a figure does not reach its must; 2 with one sentence when the benchmark cannot run."""
    parser = argparse.ArgumentParser(
        prog="npm run bench -- service",
        description="Measures the function beside a plain handler. Takes some ten minutes; let nothing else run.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--quick", action="store_true", help="a tenth of the vectors, documents and new words")
    parser.add_argument("--write", action="store_true", help="also put the table into docs/benchmarks.md")
    options = parser.parse_args()
    try:
        if platform.system() != "Linux":
            raise BenchError(f"This benchmark reads Linux's /proc and page cache, and this is {platform.system()}.")
        rows, facts = measure(options.quick)
    except (BenchError, SetupError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(report.as_json(facts, rows) if options.json else report.markdown(facts, rows))
    if options.write:
        head, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)
        table = f"{BEGIN}\n{report.markdown(facts, rows)}\n\n{END}"
        DOCUMENT.write_text(head + table + rest.split(END)[1], encoding="utf-8")
    short = [row for row in rows if row.must and row.verdict not in (REACHED, NOT_RUN)]
    for row in short:
        say(f"{row.verdict}: {row.what} ({row.pipeline})")
    return 1 if short else 0


def measure(quick: bool) -> tuple[list[Row], dict[str, str]]:
    """The rows of the table, and the facts of the machine."""
    vectors = lg_shaped.ROWS // 10 if quick else lg_shaped.ROWS
    every = 30 if quick else 3
    name = f"lg-shaped, random vectors ({vectors:,} rows)"
    lg = cached_lg_shaped(vectors)
    sm = open_pipeline(find(lg_shaped.BASE)[0]).folder
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        prepared = {mode: build(lg, Path(scratch, f"lg-{mode}"), mode) for mode in ("folded-f32", "folded-f16")}
        prepared_sm = {"folded-f32": build(sm, Path(scratch, "sm"), "folded-f32")}
        models = {PLAIN: lg, SERVICE: prepared["folded-f32"]}
        facts = report.machine(lg) | {"command": f"npm run bench -- service{' --quick' if quick else ''}"}
        rows = cold.measure(models, name, ROUNDS, say)
        if quick:
            rows[0] = dataclasses.replace(rows[0], must=None)  # so few vectors load in no time anywhere
        rows += warm.measure(models, name, ROUNDS, 1_000 if quick else 10_000, say)
        rows += identity.measure("en_core_web_sm", sm, prepared_sm, every, say)
        rows += identity.measure(name, lg, prepared, every, say)
        rows += real_lg(Path(scratch), every, quick)
        rows += archive.measure(prepared["folded-f16"], name, say)
    return rows, facts


def cached_lg_shaped(vectors: int) -> Path:
    """The folder of the pipeline of en_core_web_lg's shape, made unless it is there from the same recipe."""
    recipe = hashlib.sha256(Path(lg_shaped.__file__).read_bytes() + spacy.__version__.encode()).hexdigest()[:12]
    folder = CACHE / f"lg-shaped-{vectors}-{recipe}"
    CACHE.mkdir(parents=True, exist_ok=True)
    if not folder.is_dir():
        for stale in CACHE.glob(f"lg-shaped-{vectors}-*"):
            shutil.rmtree(stale)
        say(f"make a pipeline of en_core_web_lg's shape with {vectors:,} random vectors …")
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            lg_shaped.make(Path(scratch, "pipeline"), vectors)
            Path(scratch, "pipeline").rename(folder)
    return folder


def build(pipeline: Path, out: Path, mode: str) -> Path:
    """Makes a prepared model with the tool that users have."""
    say(f"prepare {pipeline.name}, {mode} …")
    command = [sys.executable, "-m", "tools.model", "build", str(pipeline), str(out), "--vectors", mode]
    run = subprocess.run(command, cwd=SERVICE_FOLDER, capture_output=True, text=True, check=False)
    if run.returncode:
        raise BenchError(f"The model cannot be prepared: {run.stderr.strip()}")
    return out


def real_lg(scratch: Path, every: int, quick: bool) -> list[Row]:
    """The published en_core_web_lg, where it can be fetched: cold starts and entities."""
    name = "en_core_web_lg"
    with contextlib.ExitStack() as stack:
        try:
            if quick:
                raise SetupError("--quick fetches no model.")
            say(f"fetch {name} …")
            fetched = stack.enter_context(source(name))
            # Where the models are, too, and not in memory, as /tmp may be.
            pipeline = Path(shutil.copytree(open_pipeline(fetched).folder, scratch / name))
        except SetupError as error:
            return [Row("cold start, memory, entities", name, "s", note=str(error).split("; ")[0])]
        prepared = {mode: build(pipeline, scratch / f"{name}-{mode}", mode) for mode in ("folded-f32", "folded-f16")}
        rows = cold.measure({PLAIN: pipeline, SERVICE: prepared["folded-f32"]}, name, ROUNDS, say)
        return rows + identity.measure(name, pipeline, prepared, every, say)


def say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
