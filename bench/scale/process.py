"""One process, without its start: seconds, characters, and the most memory (MB).

`python process.py engine MODEL FILE DOCUMENTS` is the engine alone over JSON Lines; `python process.py worker MODEL
BUCKET KEY OUT` is the batch worker over one object.
"""

import json
import sys
import time

from burst_ner.opening import load
from burst_ner.recognizer import groups


def engine(model: str, file: str, documents: str) -> int:
    recognizer = load(model)[0]
    with open(file, "rb") as lines:
        texts = [json.loads(line)["text"] for _, line in zip(range(int(documents)), lines, strict=False)]
    started = time.perf_counter()
    for group in groups(texts):
        recognizer.recognize(group, 1e9)
    return report(started, sum(map(len, texts)))


def worker(model: str, bucket: str, key: str, out: str) -> int:
    from burst_ner.part import Worker
    from burst_ner.storage import open_storage

    storage = open_storage()
    told = storage._client.head_object(Bucket=bucket, Key=key)
    size = told["ContentLength"]
    part = {"key": key, "name": key, "etag": told["ETag"], "size": size, "format": "jsonl", "gzip": False}
    fields = {"text": "text", "id": None}
    work = {"in": {"bucket": bucket}, "out": {"bucket": bucket, "prefix": f"bench/{out}/"}, "fields": fields}
    event = {"part": part | {"start": 0, "end": size}, "work": work | {"offsets": "utf-16"}}
    subject = Worker(storage, load(model)[0], "model")
    started = time.perf_counter()
    assert subject.run(event, 900, print)["done"]
    written = storage.find(bucket, f"bench/{out}/{key}/{0:015d}.jsonl")
    return report(started, int(written["characters"]))


def report(started: float, characters: int) -> int:
    seconds = time.perf_counter() - started
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "characters": characters, "mb": peak / 1000}))
    return 0


if __name__ == "__main__":
    sys.exit({"engine": engine, "worker": worker}[sys.argv[1]](*sys.argv[2:]))
