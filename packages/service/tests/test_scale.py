"""The same text has the same entities by every way: function, client through Kong, batch worker, wheel, Ray, Spark."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import call, function_url_event

from burst_ner import load
from burst_ner.part import Worker
from burst_ner_model.corpus import texts

ROOT = Path(__file__).parents[3]
#: Made by the bench, since ray and pyspark take longer to install than the whole function to test.
PYTHON = ROOT / ".cache/scale/bin/python"

Spans = list[tuple[int, int, str, str]]

_FILES = """
import json, sys
import pyarrow as pa, pyarrow.parquet as pq
texts, folder = json.load(sys.stdin), sys.argv[1]
half = len(texts) // 2
for name, first, some in (("a", 0, texts[:half]), ("b", half, texts[half:])):
    ids = list(range(first, first + len(some)))
    pq.write_table(pa.table({"id": ids, "text": pa.array(some, pa.string())}), f"{folder}/{name}.parquet")
"""
_ROWS = """
import json, sys
import pyarrow.parquet as pq
print(json.dumps(pq.read_table(sys.argv[1]).to_pylist()))
"""


@pytest.fixture(scope="module")
def corpus() -> list[str]:
    """Sentences of many languages, strings made to be hard, an empty text and a long one; always the same."""
    own = [text for _, text in texts("en", ["don't", "U.S.", "e.g."])]
    return [*own, "", "Angela Merkel 🎉 visited Paris. " * 1_000]


@pytest.fixture(scope="module")
def expected(engine, corpus) -> list[Spans]:
    """Of the engine itself, which other tests hold to spaCy."""
    found = engine.recognize(corpus, 1e9)
    return [[(e["start_char"], e["end_char"], e["label"], e["text"]) for e in entities] for entities in found]


def spans(found: list) -> list[Spans]:
    return [[(e["start"], e["end"], e["label"], e["text"]) for e in entities] for entities in found]


def from_utf16(text: str, entities: list) -> Spans:
    """With offsets in code points, of entities whose offsets are in UTF-16 code units, as JavaScript counts."""
    units = text.encode("utf-16-le")

    def points(offset: int) -> int:
        return len(units[: 2 * offset].decode("utf-16-le"))

    return [(points(e["start"]), points(e["end"]), e["label"], e["text"]) for e in entities]


def test_by_the_function(make_service, corpus, expected):
    answer = call(make_service(), function_url_event({"texts": corpus})).json
    found = [result["entities"] for result in answer["results"]]
    assert [[(e["start_char"], e["end_char"], e["label"], e["text"]) for e in some] for some in found] == expected
    assert sum(map(len, expected)) > 2_000


@pytest.fixture(scope="module")
def kong(prepared_path):
    """The emulator: this function behind the same kong.yaml. Its address for the client, and a key."""
    command = ROOT / "packages/emulator/dist/cli.js"
    if not command.exists() and not os.environ.get("CI"):
        pytest.skip("Not run by the client through Kong: `npm test` builds the packages that it needs.")
    key = secrets.token_hex(16)
    arguments = ["up", "--model", prepared_path, "--python", sys.executable, "--port", "0", "--no-page", "--json"]
    environment = os.environ | {"DECK_BATCH_PROCESSOR_KEY": key}
    emulator = subprocess.Popen(
        ["node", command, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        yield {"NER_URL": json.loads(emulator.stdout.readline())["endpoint"], "NER_API_KEY": key}
    finally:
        emulator.terminate()
        emulator.communicate()


def test_by_the_client_through_kong(kong, corpus, expected, tmp_path):
    source = tmp_path / "corpus.jsonl"
    source.write_text("".join(json.dumps({"id": place, "text": text}) + "\n" for place, text in enumerate(corpus)))
    command = ["node", ROOT / "packages/client/dist/cli/main.js", "extract", source]
    result = subprocess.run(command, env=os.environ | kong, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-4_000:]
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["id"] for record in records] == list(range(len(corpus)))
    for text, record, entities in zip(corpus, records, expected, strict=True):
        assert from_utf16(text, record["entities"]) == entities


class Memory:
    """In the place of S3, which infra/tests/test_batch.py has."""

    written = b""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def blocks(self, bucket, key, etag, start, size):
        yield self._content[start:size]

    def find(self, bucket, key):
        return None

    def write(self, bucket, key, body, metadata):
        self.written = body.read()
        return True


@pytest.mark.parametrize("offsets", ["code-points", "utf-16"])
def test_by_the_batch_worker(engine, corpus, expected, offsets):
    content = "\n".join(json.dumps({"id": place, "text": text}) for place, text in enumerate(corpus)).encode()
    part = {"key": "a", "name": "a", "etag": "", "format": "jsonl", "gzip": False, "start": 0}
    work = {"in": {"bucket": "in"}, "out": {"bucket": "out", "prefix": ""}, "fields": {"text": "text", "id": None}}
    memory = Memory(content)
    event = {"part": part | {"size": len(content), "end": len(content)}, "work": work | {"offsets": offsets}}
    assert Worker(memory, engine, "model").run(event, 900, pytest.fail)["done"]
    records = [json.loads(line) for line in memory.written.splitlines()]
    assert [record["id"] for record in records] == list(range(len(corpus)))
    if offsets == "code-points":
        assert spans([record["entities"] for record in records]) == expected
    else:
        for text, record, entities in zip(corpus, records, expected, strict=True):
            assert from_utf16(text, record["entities"]) == entities


def test_by_the_wheel(prepared_path, corpus, expected):
    assert spans(load(prepared_path)(corpus)) == expected


def run(code: str | Path, *arguments: str | Path, given: str = "") -> str:
    """In the environment that has Ray and Spark, with the package of this checkout."""
    command = [PYTHON, *(["-c", code] if isinstance(code, str) else [code]), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "packages/service")}
    result = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-4_000:]
    return result.stdout


@pytest.fixture(scope="module")
def source(corpus, tmp_path_factory) -> Path:
    """The corpus in Parquet files, and behind it a text that is null, which has no entities."""
    if not (PYTHON.exists() and shutil.which("java")):
        pytest.skip("Not run on Ray and Spark: they need Java and the packages that `npm run bench -- scale` installs.")
    folder = tmp_path_factory.mktemp("source")
    run(_FILES, folder, given=json.dumps([*corpus, None]))
    return folder


@pytest.mark.parametrize("cluster", ["ray", "spark"])
def test_by_a_recipe(cluster, source, prepared_path, tmp_path, expected):
    run(ROOT / "bench/scale/run.py", cluster, "0,1", prepared_path, source, tmp_path / "out")
    rows = sorted(json.loads(run(_ROWS, tmp_path / "out")), key=lambda row: row["id"])
    assert [row["id"] for row in rows] == list(range(len(expected) + 1))
    assert spans([row["entities"] for row in rows]) == [*expected, []]
