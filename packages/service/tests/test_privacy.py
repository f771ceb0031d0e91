"""Texts are personal data: they are in answers and nowhere else."""

import json

import pytest
from conftest import base64_body, call, function_url_event

CANARY = "Zanzibella Quorngate"


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (function_url_event({"text": f"{CANARY} lived in London."}), 200),
        (function_url_event({"texts": [CANARY, f"{CANARY} \ud83d", 3]}), 200),
        (function_url_event({"text": [CANARY]}), 400),
        (function_url_event({CANARY: 1, "texts": []}), 400),
        (function_url_event(f'{{"text": "{CANARY}'), 400),
        (function_url_event(**base64_body(f'{{"text": "{CANARY}\xe9"}}'.encode("latin-1"))), 400),
        (function_url_event({"text": CANARY * 20_000}), 413),
        (function_url_event({"text": "a"}, path=f"/{CANARY}"), 404),
        (function_url_event({"text": "a"}, method=CANARY), 405),
        (function_url_event({"text": "a"}, headers={"x-request-id": CANARY}), 200),
    ],
)
def test_logs_and_errors_never_quote(service, capfd, event, status):
    answer = call(service, event)
    assert answer.status == status
    logged = capfd.readouterr()
    assert logged.err == ""
    assert not any(word in logged.out for word in (*CANARY.split(), "London"))
    if status != 200:
        assert not any(word in json.dumps([answer.json, answer.headers]) for word in CANARY.split())


def test_one_log_line_a_request(service, capfd):
    call(service, function_url_event({"texts": ["Ada Lovelace lived in London.", 3, "😀"]}))
    [line] = capfd.readouterr().out.splitlines()
    log = json.loads(line)
    assert {key: log[key] for key in log if not key.endswith("ms")} == {
        "request_id": "lambda-id",
        "lambda_request_id": "lambda-id",
        "status": 200,
        "code": None,
        "texts": 3,
        "text_errors": 1,
        "characters": 30,
        "entities": 2,
        "cold": True,
        "init_type": "on-demand",
    }
    assert 0 < log["ner_ms"] <= log["ms"]
