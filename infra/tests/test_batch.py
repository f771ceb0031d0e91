"""The batch worker's code against a real S3 server (moto) on loopback. PREPARED_MODEL names the model's folder."""

import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import loopback
import pytest
from botocore.exceptions import ClientError, IncompleteReadError

SERVICE = Path(__file__).parents[2] / "packages/service"
sys.path.insert(0, str(SERVICE))
from burst_ner import documents, record, storage  # noqa: E402
from burst_ner.errors import PartError  # noqa: E402
from burst_ner.opening import load  # noqa: E402
from burst_ner.part import Worker  # noqa: E402

MODEL = os.environ["PREPARED_MODEL"]
IN, OUT = "documents", "records"
NAMES = ["Angela Merkel", "Łódź", "Beyoncé", "Ada Lovelace 🎉", "Paris", "東京", "the United Nations"]


@pytest.fixture(scope="module")
def settings():
    server, settings = loopback.start()
    yield settings
    server.stop()


@pytest.fixture(scope="module")
def recognizer():
    return load(MODEL)[0]


@pytest.fixture
def s3(settings, monkeypatch):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    for bucket in (IN, OUT):
        client.create_bucket(Bucket=bucket)
    yield client
    for bucket in (IN, OUT):
        for entry in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
            client.delete_object(Bucket=bucket, Key=entry["Key"])


@pytest.fixture
def worker(s3, recognizer):
    return Worker(storage.open_storage(), recognizer, "en/1/abc")


def put(s3, key, body):
    return s3.put_object(Bucket=IN, Key=key, Body=body)["ETag"]


def events(s3, key, body, *, cuts=None, fields=None, offsets="utf-16"):
    """What the state machine would send for a file, cut at these bytes, or whole."""
    etag = put(s3, key, body)
    ends = [*(cuts or ()), len(body)]
    plain = key.endswith(".jsonl")
    return [
        {
            "part": {
                **{"key": key, "name": key, "etag": etag, "size": len(body), "gzip": key.endswith(".gz")},
                **{"format": key.split(".")[1], "start": start, "end": end if plain else None},
            },
            "work": {
                "in": {"bucket": IN},
                "out": {"bucket": OUT, "prefix": "out/"},
                "fields": fields or {"text": "text", "id": None},
                "offsets": offsets,
            },
        }
        for start, end in zip([0, *ends], ends, strict=False)
    ]


def finish(worker, event, seconds=900):
    answer = {**event, "done": False}
    while not answer["done"]:
        answer = worker.run({"part": answer["part"], "work": answer["work"]}, seconds, pytest.fail)
    return answer


def records(s3):
    found = []
    for entry in s3.list_objects_v2(Bucket=OUT).get("Contents", ()):
        body = s3.get_object(Bucket=OUT, Key=entry["Key"])["Body"].read()
        found += [json.loads(line) for line in body.decode().splitlines()]
    return found


def document(number, chance):
    name = chance.choice(NAMES)
    filling = "x" * chance.choice((0, 0, 5, 300))
    return json.dumps({"id": number, "text": f"{name} went {filling} to {chance.choice(NAMES)}."}, ensure_ascii=False)


def test_a_line_belongs_to_the_part_in_which_it_begins(s3, worker, monkeypatch):
    monkeypatch.setattr(storage, "BLOCK", 397)  # every line and many characters are in two blocks somewhere
    chance = random.Random(1)
    for seed in range(4):
        lines = [document(number, chance) for number in range(40)]
        body = chance.choice(("\n", "\r\n", "\n\n")).join(lines) + chance.choice(("", "\n"))
        body = body.encode()
        # At random, around line breaks, and closer than a line is long.
        breaks = [at for at, byte in enumerate(body) if byte == 10]
        cuts = {chance.choice(breaks) + chance.choice((-1, 0, 1, 2)) for _ in range(4)}
        cuts |= {chance.randrange(1, len(body)) for _ in range(4)}
        key = f"{seed}.jsonl"
        for event in events(s3, key, body, cuts=sorted(cut for cut in cuts if 0 < cut < len(body))):
            finish(worker, event)
        found = [one for one in records(s3) if one["source"] == f"s3://{IN}/{key}"]
        assert [one["id"] for one in found] == list(range(40))
        assert [body[one["byte"] :].startswith(b'{"id": %d,' % one["id"]) for one in found] == [True] * 40
        assert all("entities" in one for one in found)


def test_a_record_is_that_of_the_clients_command_and_names_its_offsets(s3, worker):
    text = "🎉 Angela Merkel visited Paris."
    for offsets, start in (("utf-16", 3), ("code-points", 2)):
        body = json.dumps({"id": {"$oid": "5"}, "text": text}).encode()
        [event] = events(s3, f"{offsets}.jsonl", body, offsets=offsets)
        finish(worker, event)
        [one] = [one for one in records(s3) if one["source"].endswith(f"{offsets}.jsonl")]
        assert one == {
            "source": f"s3://{IN}/{offsets}.jsonl",
            "byte": 0,
            "id": {"$oid": "5"},
            "entities": [
                {"text": "Angela Merkel", "label": "PERSON", "start": start, "end": start + 13},
                {"text": "Paris", "label": "GPE", "start": start + 22, "end": start + 27},
            ],
            "offsets": offsets,
            "model": "en/1/abc",
            "hash": hashlib.sha256(text.encode()).hexdigest()[:16],
        }


def test_what_cannot_be_read_is_a_record_and_the_rest_goes_on(s3, worker, monkeypatch):
    monkeypatch.setattr(documents, "MAX_LINE", 200)
    monkeypatch.setattr(worker._recognizer, "limits", {"max_text_characters": 100})
    lines = [
        b'\xef\xbb\xbf{"id": 1, "text": "Paris"}',
        b"{",
        b"[1]",
        b'{"id": 4, "body": "x"}',
        b'{"id": 5, "text": 5}',
        b'{"id": 6, "text": "\xff"}',
        b'{"id": NaN, "text": "x"}',
        b'{"id": 8, "text": "' + b"x" * 300 + b'"}',
        b'{"id": 9, "text": "' + b"x" * 120 + b'"}',
        b'{"id": 10, "text": ""}',
        b'{"id": 11, "text": "Paris \\ud83d!"}',
    ]
    [event] = events(s3, "odd.jsonl", b"\n".join(lines))
    finish(worker, event)
    found = records(s3)
    told = [(one.get("id"), one["error"]["message"] if "error" in one else len(one["entities"])) for one in found]
    assert told == [
        (1, 1),
        (None, "The line is not valid JSON."),
        (None, 'The line is not a JSON object, such as {"text": "…"}.'),
        (4, 'The record has no field "text".'),
        (5, 'The record has no string in the field "text".'),
        (None, "The line is not UTF-8."),
        (None, "The line is not valid JSON."),
        (None, "The line is longer than 0 MiB; cut it."),
        (9, "This text has more than 100 characters; cut it."),
        (10, 0),
        (11, 1),
    ]
    codes = [one["error"]["code"] for one in found if "error" in one]
    assert codes == ["unreadable"] * 7 + ["too_large"]
    [entry] = s3.list_objects_v2(Bucket=OUT)["Contents"]
    metadata = s3.head_object(Bucket=OUT, Key=entry["Key"])["Metadata"]
    assert (metadata["documents"], metadata["failed"], metadata["errors"]) == ("11", "8", "too_large:1,unreadable:7")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_whose_cells_hold_line_breaks(s3, worker, delimiter, packed):
    rows = ["id,body", '1,"Angela Merkel said:\n""Paris, too""."', "2,Ada Lovelace\r", "", "3,a,b", '4,"a"b', "5,Łódź"]
    body = "\n".join(rows).replace(",", delimiter).encode()
    if packed:
        body = gzip.compress(body[:20]) + gzip.compress(body[20:])
    key = f"a.{'tsv' if delimiter == chr(9) else 'csv'}{'.gz' if packed else ''}"
    [event] = events(s3, key, body, fields={"text": "body", "id": "id"})
    finish(worker, event)
    told = [(one.get("id"), one["error"]["message"] if "error" in one else None) for one in records(s3)]
    inner = '"Paris, too"'.replace(",", delimiter)
    assert told == [
        ("1", None),
        ("2", None),
        (None, "The row has 3 cells instead of 2."),
        (None, "The row is not valid CSV: its quotes do not match."),
        ("5", None),
    ]
    first = f"Angela Merkel said:\n{inner}."
    assert records(s3)[0]["hash"] == hashlib.sha256(first.encode()).hexdigest()[:16]


def test_gzip_files_one_after_another_and_what_fills_them_up(s3, worker):
    [event] = events(s3, "a.jsonl.gz", gzip.compress(b'{"text": "Paris"}\n') * 2 + bytes(512))
    finish(worker, event)
    assert [len(one["entities"]) for one in records(s3)] == [1, 1]


def test_gzip_that_ends_too_early(s3, worker):
    lines = "\n".join(document(number, random.Random(number)) for number in range(500)).encode()
    [event] = events(s3, "a.jsonl.gz", gzip.compress(lines)[:-2000])
    finish(worker, event)
    *good, last = records(s3)
    assert 0 < len(good) < 500
    assert [one["id"] for one in good] == list(range(len(good)))
    assert last["error"] == {
        "code": "unreadable",
        "message": "The line ends too early; the rest of it is not done.",
    }


@pytest.mark.parametrize("times", [2, 3])
def test_an_answer_that_ends_early_is_asked_for_again(s3, worker, monkeypatch, times):
    client = worker._storage._client
    get_object, torn = client.get_object, []

    class Torn:
        def read(self):
            raise IncompleteReadError(actual_bytes=1, expected_bytes=2)

    def some(**asked):
        if len(torn) == times:
            return get_object(**asked)
        torn.append(asked["Range"])
        return {"Body": Torn()}

    monkeypatch.setattr(client, "get_object", some)
    [event] = events(s3, "a.jsonl", b'{"text": "Paris"}\n')
    if times == 2:
        finish(worker, event)
        assert [len(one["entities"]) for one in records(s3)] == [1]
    else:
        with pytest.raises(IncompleteReadError):
            finish(worker, event)


class Clock:
    """Seconds that pass by being asked for."""

    now = 0.0

    def __call__(self):
        self.now += 1
        return self.now


@pytest.mark.parametrize("key", ["a.jsonl", "a.jsonl.gz", "a.csv"])
def test_a_part_that_does_not_fit_goes_on_where_it_was(s3, recognizer, monkeypatch, key):
    monkeypatch.setattr("burst_ner.recognizer.MAX_GROUP_CHARACTERS", 200)
    texts = [f"Angela Merkel went on {number}" for number in range(60)]
    lines = [json.dumps({"text": text}) for text in texts] if "jsonl" in key else ["text", *texts]
    body = "\n".join(lines).encode()
    [event] = events(s3, key, gzip.compress(body) if key.endswith(".gz") else body)
    worker = Worker(storage.open_storage(), recognizer, "en/1/abc", now=Clock())
    finish(worker, event, 12)
    assert len(s3.list_objects_v2(Bucket=OUT)["Contents"]) > 1
    hashes = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts]
    assert [one["hash"] for one in records(s3)] == hashes
    # Nor does one whose records need more room than there is.
    for entry in s3.list_objects_v2(Bucket=OUT)["Contents"]:
        s3.delete_object(Bucket=OUT, Key=entry["Key"])
    finish(Worker(storage.open_storage(), recognizer, "en/1/abc", max_output=1000), event)
    assert len(s3.list_objects_v2(Bucket=OUT)["Contents"]) > 1
    assert [one["hash"] for one in records(s3)] == hashes


def test_parts_that_end_where_a_line_does_and_do_not_fit(s3, recognizer, monkeypatch):
    monkeypatch.setattr("burst_ner.recognizer.MAX_GROUP_CHARACTERS", 1)
    lines = [json.dumps({"id": number, "text": "Paris"}) + "\n" for number in range(12)]
    cuts = [len("".join(lines[:number])) for number in (4, 8)]
    for event in events(s3, "a.jsonl", "".join(lines).encode(), cuts=cuts):
        finish(Worker(storage.open_storage(), recognizer, "en/1/abc", max_output=1), event)
    assert [one["id"] for one in records(s3)] == list(range(12))


def test_what_no_repetition_would_mend(s3, worker, recognizer):
    [event] = events(s3, "a.jsonl", b'{"text": "Paris"}\n')

    def refused(sentence, worker=worker, **part):
        with pytest.raises(PartError, match=sentence):
            finish(worker, {**event, "part": event["part"] | part})

    refused("is not what it was", etag='"other"')
    refused("is gone; plan again", key="b.jsonl")
    put(s3, "a.jsonl", gzip.compress(b"{}"))
    etag = s3.head_object(Bucket=IN, Key="a.jsonl")["ETag"]
    refused("is compressed by gzip and not called .gz", etag=etag, size=20, end=20)
    [event] = events(s3, "a.csv", b"Paris\n")
    refused('has no column "text"')
    [event] = events(s3, "b.csv", b"id,text\r1,Paris\r")
    refused("its lines end with CR alone; mend it")
    [event] = events(s3, "a.jsonl", b'{"text": "Paris"}\n')
    finish(worker, event)
    other = Worker(storage.open_storage(), recognizer, "en/2/def")
    refused("is by en/1/abc, and this is en/2/def; give this run another --out", worker=other)
    s3.put_object(Bucket=OUT, Key="out/a.jsonl/000000000000000.jsonl", Body=b"{}")  # somebody else's, or a copy
    refused("has not the metadata of a batch; give this run another --out")


@pytest.mark.parametrize(
    ("code", "call", "sentence"),
    [
        # A question for metadata has an answer without a body, and so the status in the place of a code.
        ("403", "HeadObject", "is not readable or not writable for the worker"),
        ("AccessDenied", "GetObject", "is not readable or not writable for the worker"),
        ("InvalidObjectState", "GetObject", "is archived; restore it"),
    ],
)
def test_what_s3_refuses_for_good_is_a_sentence(s3, worker, monkeypatch, code, call, sentence):
    [event] = events(s3, "a.jsonl", b'{"text": "Paris"}\n')
    finish(worker, event)
    if call == "GetObject":
        s3.delete_object(Bucket=OUT, Key="out/a.jsonl/000000000000000.jsonl")

    def refuse(**_):
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, call)

    monkeypatch.setattr(worker._storage._client, {"HeadObject": "head_object", "GetObject": "get_object"}[call], refuse)
    with pytest.raises(PartError, match=sentence):
        finish(worker, event)


def test_the_first_complete_object_stays(s3, worker, recognizer, monkeypatch):
    """Two attempts at once; the slower one was told to stop earlier."""
    monkeypatch.setattr("burst_ner.recognizer.MAX_GROUP_CHARACTERS", 200)
    texts = [f"Angela Merkel went on {number}" for number in range(60)]
    body = "\n".join(json.dumps({"text": text}) for text in texts).encode()
    [event] = events(s3, "a.jsonl", body)
    slow = Worker(storage.open_storage(), recognizer, "en/1/abc", max_output=1000)
    find, asked = slow._storage.find, []

    def found_nothing(bucket, key):  # at first: the other one has not written yet
        asked.append(key)
        if len(asked) == 1:
            finish(worker, event)
            return None
        return find(bucket, key)

    monkeypatch.setattr(slow._storage, "find", found_nothing)
    assert slow.run(event, 900, pytest.fail)["done"]
    assert len(records(s3)) == 60


def test_killed_unanswered_slowed_down_and_delivered_twice(s3, settings):
    """Real processes, real signals: whatever happens, each document is there once."""
    chance = random.Random(7)
    parts = []
    for number in range(3):
        lines = [document(f"{number}/{line}", chance) for line in range(100)]
        body = "\n".join(lines).encode()
        key = f"{number}.jsonl"
        parts += events(s3, key, body, cuts=[len(body) // 3, len(body) // 2])
    trouble = {"kill": 0.4, "lose": 0.2, "slow_down": 0.1, "within": 0.1}
    environment = {**os.environ, "SPACY_MODEL_PATH": MODEL, "PYTHONPATH": str(SERVICE), "TROUBLE": json.dumps(trouble)}
    command = [sys.executable, str(Path(__file__).parent / "worker.py")]
    host = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ended_early = []
    try:
        url = host.stdout.readline().strip()

        def deliver(event):
            while True:
                request = urllib.request.Request(url, json.dumps(event).encode())
                try:
                    answer = json.load(urllib.request.urlopen(request))
                except (OSError, urllib.error.URLError):
                    ended_early.append(1)
                    continue
                if answer.get("payload", {}).get("done"):
                    return
                assert "error" not in answer, answer

        threads = [threading.Thread(target=deliver, args=[event]) for event in parts * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        host.stdin.close()
        host.wait()
    assert len(ended_early) > 5
    found = sorted(one["id"] for one in records(s3))
    assert found == sorted(f"{number}/{line}" for number in range(3) for line in range(100))


def test_offsets_that_nobody_knows(worker, s3):
    [event] = events(s3, "a.jsonl", b"{}", offsets="bytes")
    with pytest.raises(PartError, match=", ".join(record.OFFSETS)):
        worker.run(event, 900, pytest.fail)
