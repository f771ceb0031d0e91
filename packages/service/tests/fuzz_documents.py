"""Damaged files for the batch worker."""

import gzip
import io
import json
import random
import re
from collections.abc import Iterator
from itertools import pairwise
from unittest import mock

from mutation import MOST_BYTES, damaged

from burst_ner import documents
from burst_ner.documents import read_documents
from burst_ner.errors import PartError
from burst_ner.part import Worker

FILES = {
    "jsonl": [
        b'{"id": 1, "text": "Ada Lovelace lived in London."}\n'
        b'{"id": "b", "text": "\xc5\x81\xc3\xb3d\xc5\xba \\ud83d\\ude00"}\n',
        b'\xef\xbb\xbf{"text": ""}\r\n\r\n{"_id": {"$oid": "5f"}, "text": "Paris"}\n'
        b'{"text": 5}\n[1]\n{"id": 1.5, "text": "a\\nb"}',
        b"".join(b'{"id": %d, "text": "Angela Merkel met %d"}\n' % (i, i) for i in range(40)),
    ],
    "csv": [
        b'id,text\n1,"Ada ""the first"" Lovelace,\nin London"\n2,Paris\n\n3,a,b\n4,"a"b\n5,\xc5\x81\xc3\xb3d\xc5\xba\n',
        b'text;id\r\n"Angela; Merkel";1\r\nBob;2\r\n',
        b"id|text\n" + b"7|Rome\n" * 40,
    ],
    "tsv": [b'id\ttext\n1\tAda "the first" Lovelace\n2\t"Paris\tRome"\n', b"text\nOslo\n"],
}  # fmt: skip


class Kept:
    """Storage of one file, and of what is written."""

    def __init__(self, rng: random.Random, data: bytes, packed: bool) -> None:
        self.rng, self.data, self.objects = rng, data, {}
        # Of a block in which gzip is damaged nothing is unpacked, so what comes of it depends on the blocks.
        self.sizes = (MOST_BYTES,) if packed or len(data) > 3_000 else (10, 70, 1_000, MOST_BYTES)

    def blocks(self, bucket: str, key: str, etag: str, start: int, size: int) -> Iterator[bytes]:
        block = self.rng.choice(self.sizes)
        yield from (self.data[at : at + block] for at in range(start, size, block))

    def find(self, bucket: str, key: str) -> dict | None:
        return self.objects.get(key, (None, None))[1]

    def write(self, bucket: str, key: str, body: io.BufferedIOBase, metadata: dict) -> bool:
        self.objects[key] = (body.read(), metadata)
        return True


class Capitals:
    """Finds words with a capital letter."""

    def __init__(self) -> None:
        self.limits = {"max_text_characters": 20_000}

    def recognize(self, texts: list[str], seconds: float) -> list[list[dict]]:
        return [
            [
                {"text": word[0], "label": "X", "start_char": word.start(), "end_char": word.end()}
                for word in re.finditer(r"[A-Z]\w+", text)
            ]
            for text in texts
        ]


@mock.patch.object(documents, "MAX_LINE", 5_000)
def check_documents(rng: random.Random) -> None:
    """Any cuts of a file give the documents of the whole, in any blocks; so does a worker that is ended at any time."""
    kind = rng.choice(list(FILES))
    every = [data for files in FILES.values() for data in files]
    data, packed = damaged(rng, rng.choice(FILES[kind]), every), rng.random() < 0.25
    if packed:
        members = (data[:100], data[100:]) if rng.random() < 0.3 else (data,)
        data = b"".join(gzip.compress(member, mtime=0) for member in members)
        data = damaged(rng, data, every) if rng.random() < 0.5 else data
    cuttable = kind == "jsonl" and not packed
    fields = {"text": rng.choice(("text", "text", "id")), "id": rng.choice((None, "id"))}
    part = {"key": "k", "name": "n", "etag": "e", "format": kind, "gzip": packed, "size": len(data)}

    def read(start: int, end: int | None) -> list[tuple]:
        def blocks(at: int) -> Iterator[bytes]:
            return Kept(rng, data, part["gzip"]).blocks("", "", "", at, len(data))

        some = read_documents({**part, "start": start, "end": end}, fields, blocks, "f")
        return [(one.byte, one.end, repr(one.id), one.text, one.error) for one in some]

    try:
        whole = read(0, len(data) if cuttable else None)
    except PartError:
        return
    at = 0
    for byte, end, _, text, error in whole:
        assert at <= byte < end, (at, byte, end)
        assert text is None or text.encode() is not None
        assert (text is None) == bool(error)
        at = end
    if cuttable:
        cuts = sorted({0, len(data), *(rng.randint(0, len(data)) for _ in range(rng.randint(0, 5)))})
        assert whole == [one for start, end in pairwise(cuts) for one in read(start, end)]
    elif whole:
        place = rng.randrange(len(whole))
        assert whole[place:] == read(whole[place][0], None)
    lines = [_records(rng, data, part, fields, cuttable, most) for most in (10**9, rng.choice((1, 500)))]
    assert lines[0] == lines[1]
    assert [strict(line)["byte"] for line in lines[0].splitlines()] == [byte for byte, *_ in whole]


def _records(rng: random.Random, data: bytes, part: dict, fields: dict, cuttable: bool, most: int) -> bytes:
    storage = Kept(rng, data, part["gzip"])
    worker = Worker(storage, Capitals(), "en/1/abc", now=lambda: 0.0, max_output=most)
    work = {"in": {"bucket": "i"}, "out": {"bucket": "o", "prefix": ""}, "fields": fields, "offsets": "utf-16"}
    event = {"work": work, "part": {**part, "start": 0, "end": len(data) if cuttable else None}}
    for _ in range(2 * len(data) + 10):
        event = worker.run(event, 900, _failed)
        if event["done"]:
            return b"".join(body for _, (body, _) in sorted(storage.objects.items()))
    raise AssertionError("the worker does not come to its end")


def _failed(error: Exception) -> None:
    raise error


def strict(line: bytes | str) -> object:
    """JSON as the standard has it."""
    return json.loads(line, parse_constant=lambda name: 1 / 0)
