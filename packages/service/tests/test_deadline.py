"""Requests that run out of time or of room: what is done is answered, in order."""

import json
import sys

import pytest
from conftest import Through, call, function_url_event

from burst_ner.recognizer import OutOfTime, Recognizer
from burst_ner.schema import LIMITS

ADA = "Ada Lovelace lived in London."
# Each is a group by itself.
TEXTS = [f"{ADA}{' ' * 15_000}" for _ in range(5)]


class Slow(Through):
    """Finds entities, and takes some seconds of a clock for each group."""

    def __init__(self, recognizer, seconds):
        super().__init__(recognizer)
        self._seconds = seconds
        self.now = 1_000.0
        self.groups = 0

    def recognize(self, texts, seconds):
        self.groups += 1
        self.now += self._seconds
        return self.recognizer.recognize(texts, seconds)


class Punctual(Slow):
    """Looks at the clock while it works, as the engine does."""

    def recognize(self, texts, seconds):
        self.now += min(seconds, self._seconds)
        if seconds < self._seconds:
            raise OutOfTime
        return self.recognizer.recognize(texts, 60)


@pytest.fixture
def ask(make_service, recognizer):
    def ask(body, *, seconds, remaining_ms, kind=Slow):
        slow = kind(recognizer, seconds)
        service = make_service(recognizer=slow, now=lambda: slow.now)
        return call(service, function_url_event(body), remaining_ms), slow.groups

    return ask


@pytest.mark.parametrize(
    ("seconds", "remaining_ms", "done"),
    [
        (8, 30_000, 3),  # begun at 0, 8, 16; 24 is over 20
        (10, 900_000, 2),  # 20 is not below 20, however long Lambda would wait
        (2, 10_000, 4),  # begun at 0, 2, 4, 6; 8 is over 10 - 3
        (3.9, 30_000, 5),
    ],
)
def test_work_that_outlives_its_deadline_returns_what_is_done(ask, seconds, remaining_ms, done):
    answer, groups = ask({"texts": TEXTS}, seconds=seconds, remaining_ms=remaining_ms)
    results = answer.json["results"]
    assert [len(r.get("entities", ())) for r in results] == [2] * done + [0] * (5 - done)
    assert [r.get("code") for r in results] == [None] * done + ["deadline_exceeded"] * (5 - done)
    assert (answer.status, groups) == (200, done)


def test_a_text_with_an_error_of_its_own_keeps_it(ask):
    answer, _ = ask({"texts": [1, *TEXTS, "\ud83d"]}, seconds=30, remaining_ms=30_000)
    codes = [r.get("code") for r in answer.json["results"]]
    assert codes == ["invalid_text", None, *["deadline_exceeded"] * 4, "ill_formed_text"]


def test_time_runs_out_within_a_text(ask):
    answer, _ = ask({"texts": TEXTS}, seconds=8, remaining_ms=30_000, kind=Punctual)
    assert [r.get("code") for r in answer.json["results"]] == [None, None, *["deadline_exceeded"] * 3]


@pytest.mark.parametrize("remaining_ms", [23_000, 30_000])
def test_a_text_that_takes_all_the_time_there_ever_is(ask, remaining_ms):
    answer, _ = ask({"texts": TEXTS}, seconds=21, remaining_ms=remaining_ms, kind=Punctual)
    assert [r.get("code") for r in answer.json["results"]] == ["too_large", *["deadline_exceeded"] * 4]
    answer, _ = ask({"text": ADA}, seconds=21, remaining_ms=remaining_ms, kind=Punctual)
    assert (answer.status, answer.json["code"]) == (413, "too_large")
    assert "send it in parts" in answer.json["error"]


def test_a_text_that_had_less_time_than_others_may_come_again(ask):
    answer, _ = ask({"text": ADA}, seconds=21, remaining_ms=22_000, kind=Punctual)
    assert (answer.status, answer.json["code"]) == (503, "model_unavailable")


@pytest.mark.parametrize("text", ["Ada Lovelace lived in London. " * 3_000, "x" * 100_000, "(" * 100_000])
def test_the_engine_looks_at_its_clock(engine, text):
    with pytest.raises(OutOfTime):
        engine.recognize([text], 0.001)
    with pytest.raises(OutOfTime):
        engine.recognize([text], -1)
    [[entity]] = engine.recognize(["Ada Lovelace wrote."], 60)
    assert entity["text"] == "Ada Lovelace"


def test_a_run_of_punctuation_that_would_hold_spacy_for_minutes(make_service, plain):
    answer = call(make_service(plain), function_url_event({"texts": [ADA, "=" * 20_000, "=" * 500]}))
    assert [r.get("code") for r in answer.json["results"]] == [None, "deadline_exceeded", "deadline_exceeded"]
    answer = call(make_service(plain), function_url_event({"text": "=" * 20_000}))
    assert (answer.status, answer.json["code"]) == (413, "too_large")
    assert call(make_service(plain), function_url_event({"text": "= " * 5_000})).status == 200


@pytest.mark.parametrize("body", [{"text": ADA}, {"texts": TEXTS}])
def test_no_time_for_anything(ask, body):
    answer, groups = ask(body, seconds=1, remaining_ms=3_000)
    assert (answer.status, answer.json["code"], groups) == (503, "model_unavailable", 0)
    assert answer.headers["retry-after"] == "1"


def test_nothing_to_do_needs_no_time(ask):
    assert ask({"texts": []}, seconds=1, remaining_ms=0)[0].json["results"] == []


class Talkative(Recognizer):
    """Finds many entities of 12 bytes a character once their characters are escaped twice."""

    labels, limits = ("EMOJI",), LIMITS

    def __init__(self, entities):
        self._entities = entities
        self.texts = 0

    def recognize(self, texts, seconds):
        self.texts += len(texts)
        entity = {"text": "😀" * 100, "label": "EMOJI", "start_char": 0, "end_char": 100}
        return [[entity] * self._entities for _ in texts]


def test_an_answer_fits_lambda(make_service):
    recognizer = Talkative(500)
    service = make_service(recognizer=recognizer)
    texts = [" " * 10_000] * 20
    answer = call(service, function_url_event({"texts": [None, *texts]}))
    codes = [r.get("code") for r in answer.json["results"]]
    done = codes.count(None)
    assert 5 <= done < 10
    assert codes == ["invalid_text"] + [None] * done + ["response_too_large"] * (20 - done)
    assert recognizer.texts <= done + 2  # no work for what has no room
    size = len(json.dumps(json.dumps(answer.json, ensure_ascii=False)))
    assert 4_000_000 < size <= 5_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric has a native client on Linux only")
@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_what_the_runtime_sends_is_no_larger_than_what_was_counted(make_service, monkeypatch, python):
    from awslambdaric.lambda_runtime_marshaller import to_json

    monkeypatch.setenv("AWS_EXECUTION_ENV", f"AWS_Lambda_python{python}")
    service = make_service(recognizer=Talkative(500))
    sent = []
    monkeypatch.setattr(type(service), "__call__", recording(type(service).__call__, sent))
    call(service, function_url_event({"texts": [" " * 10_000] * 20}))
    assert len(to_json(sent[0]).encode()) <= 5_000_000


def recording(function, into):
    def recorded(*given):
        into.append(function(*given))
        return into[-1]

    return recorded


def test_one_text_with_too_long_an_answer(make_service):
    service = make_service(recognizer=Talkative(5_000))
    answer = call(service, function_url_event({"text": ADA}))
    assert (answer.status, answer.json["code"]) == (413, "too_large")
    [result] = call(service, function_url_event({"texts": [ADA]})).json["results"]
    assert result["code"] == "response_too_large"
