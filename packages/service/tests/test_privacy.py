"""Texts are personal data: they are in answers and nowhere else, whatever fails."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import base64_body, call, function_url_event

from burst_ner import results
from burst_ner import service as service_module
from burst_ner.plain import Plain

CANARY = "Zanzibella Quorngate"


def assert_untold(log, *answers):
    told = log.out + log.err + json.dumps([[answer.json, answer.headers] for answer in answers])
    assert not any(word in told for word in (*CANARY.split(), "London"))


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (function_url_event({"text": [CANARY]}), 400),
        (function_url_event({CANARY: 1, "texts": []}), 400),
        (function_url_event(f'{{"text": "{CANARY}'), 400),
        (function_url_event(**base64_body(f'{{"text": "{CANARY}\xe9"}}'.encode("latin-1"))), 400),
        (function_url_event({"text": CANARY * 60_000}), 413),
        (function_url_event({"text": "a"}, path=f"/{CANARY}"), 404),
        (function_url_event({"text": "a"}, method=CANARY), 405),
        (function_url_event({"text": "a"}, headers={"x-request-id": CANARY}), 200),
        (function_url_event({"texts": [f"{CANARY} \ud83d", [CANARY]]}), 200),
    ],
)
def test_errors_never_quote(service, capfd, event, status):
    answer = call(service, event)
    assert answer.status == status
    log = capfd.readouterr()
    assert log.err == ""
    assert_untold(log, answer)


def test_logs_never_quote_what_was_found(service, capfd):
    answer = call(service, function_url_event({"texts": [f"{CANARY} lived in London."]}))
    assert answer.json["results"][0]["entities"]
    assert_untold(capfd.readouterr())


class Failing:
    """Stands in for a part, and raises with all that it was given."""

    def __getattr__(self, name):
        return self

    def __call__(self, *given, **more):
        raise RuntimeError(f"{CANARY}: cannot do {given} {more}")

    __iter__ = __enter__ = __call__


@pytest.mark.parametrize("part", ["tokenizer", "memory_zone", "tok2vec"])
def test_a_part_of_spacy_that_fails(make_service, model_path, monkeypatch, capfd, part):
    recognizer = Plain(model_path)
    nlp = recognizer._nlp
    target, name = (nlp.get_pipe("ner").model.get_ref("tok2vec"), "_func") if part == "tok2vec" else (nlp, part)
    monkeypatch.setattr(target, name, Failing())
    answer = call(make_service(recognizer), function_url_event({"text": f"{CANARY} lived in London."}))
    assert answer.json == {"error": "Internal server error.", "code": "internal", "request_id": "lambda-id"}
    log = capfd.readouterr()
    assert_untold(log, answer)
    [line] = log.out.splitlines()
    assert json.loads(line)["exception"] == "RuntimeError"
    assert json.loads(line)["at"][-1].startswith(__file__)
    monkeypatch.undo()
    [[entity]] = recognizer.recognize(["Ada Lovelace wrote."], 60)
    assert entity["text"] == "Ada Lovelace"


@pytest.mark.parametrize(
    ("module", "name"),
    [(results, "text_error"), (results, "groups"), (results, "serialize"), (service_module, "parse_request")],
)
def test_a_part_of_the_service_that_fails(service, monkeypatch, capfd, module, name):
    monkeypatch.setattr(module, name, Failing())
    answer = call(service, function_url_event({"texts": [f"{CANARY} lived in London."]}))
    assert answer.status == 500
    assert_untold(capfd.readouterr(), answer)


def test_libraries_cannot_write():
    code = f"""
import logging, warnings
from burst_ner.plain import silence_libraries
class Unraisable:
    def __del__(self):
        raise ValueError({CANARY!r})
silence_libraries()
warnings.warn({CANARY!r})
logging.getLogger("spacy").critical({CANARY!r})
Unraisable()
"""
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "burst-ner: unraisable ValueError\n")
