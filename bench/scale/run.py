"""`python run.py ENGINE CORES MODEL SOURCE TARGET [SOURCE TARGET ...]`: runs the text of a recipe, a job for each pair.

ENGINE is `ray` or `spark`: the recipe of docs/scale.md that imports it. Or `bare`: one process without an engine round
it. CORES are the numbers of those that everything here may use: `0`, or `0,1` for the first two. Each job reads the
Parquet files of SOURCE and writes TARGET; a line of stdout has its seconds, without the start of the engine.
"""

import os
import re
import runpy
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs/scale.md"


def recipe(engine: str) -> str:
    """The block of code in docs/scale.md that imports an engine."""
    blocks = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    [text] = [block for block in blocks if re.search(rf"^(import|from) (py)?{engine}\b", block, re.MULTILINE)]
    return text


def start(engine: str, cores: int, model: str, folder: str) -> Callable[[str, str], object]:
    """Starts an engine on this machine; gives what runs a job on it."""
    if engine == "bare":
        return bare(model)
    if engine == "ray":
        import ray

        # One more for reading and writing, as the recipe leaves.
        ray.init(num_cpus=cores + 1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    else:
        os.environ["PYSPARK_PYTHON"] = sys.executable
        os.environ["PYSPARK_SUBMIT_ARGS"] = f"--master local[{cores}] --conf spark.ui.enabled=false pyspark-shell"
        model = shutil.make_archive(f"{folder}/model", "gztar", model)
    file = Path(folder, "recipe.py")
    file.write_text(recipe(engine), encoding="utf-8")

    def run(source: str, target: str) -> None:
        sys.argv = ["recipe.py", model, source, target]
        runpy.run_path(str(file), run_name="__main__")

    return run


def bare(model: str) -> Callable[[str, str], object]:
    """What one process does by itself."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from burst_ner import load

    ner = load(model)

    def run(source: str, target: str) -> None:
        table = pq.read_table(source)
        Path(target).mkdir()
        found = pa.table({"id": table["id"], "entities": pa.array(ner(table["text"].to_pylist()))})
        pq.write_table(found, Path(target, "entities.parquet"))

    return run


def main() -> None:
    engine, cores, model, *jobs = sys.argv[1:]
    numbers = [int(core) for core in cores.split(",")]
    # The engine's own processes, too: they inherit it. Else the run on one core has the other one free for them.
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[number % len(allowed)] for number in numbers})
    with tempfile.TemporaryDirectory() as folder:
        run = start(engine, len(numbers), model, folder)
        for source, target in zip(jobs[::2], jobs[1::2], strict=True):
            started = time.perf_counter()
            run(source, target)
            print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
