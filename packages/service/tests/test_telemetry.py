"""The one line of JSON that a request leaves, and the metrics in it."""

import json
import time

import pytest
from conftest import call, function_url_event


@pytest.fixture
def line(service, capfd):
    def line(body, **fields):
        call(service, function_url_event(body, **fields))
        [line] = capfd.readouterr().out.splitlines()
        return json.loads(line)

    return line


def metrics_of(line):
    """What CloudWatch would read: its specification wants a number for each name and a string for each dimension."""
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "BurstNer"
    assert directive["Dimensions"] == [["function"]]
    assert isinstance(line["function"], str)
    assert abs(line["_aws"]["Timestamp"] - time.time() * 1000) < 60_000
    assert all(type(line[metric["Name"]]) in (int, float) for metric in directive["Metrics"])
    return {metric["Name"]: (line[metric["Name"]], metric["Unit"]) for metric in directive["Metrics"]}


def test_what_a_line_says(line):
    first = line({"texts": ["Ada Lovelace lived in London.", 3, "😀"]}, headers={"x-request-id": "kong-7"})
    said = {key: first[key] for key in first if key not in ("_aws", "instance", "ner_ms", "ms")}
    assert said == {
        "request_id": "kong-7",
        "lambda_request_id": "lambda-id",
        "function": "spacy-ner-service",
        "init_type": "on-demand",
        "cold_start": 1,
        "init_ms": 1.0,
        "route": "/",
        "texts": 3,
        "characters": 30,
        "entities": 2,
        "text_errors": 1,
        "status": 200,
        "code": None,
        "errors": 0,
    }
    assert 0 < first["ner_ms"] <= first["ms"]


def test_metrics_of_a_cold_and_of_a_warm_request(line):
    body = {"texts": ["Ada Lovelace lived in London.", 3]}
    cold = {
        "cold_start": (1, "Count"),
        "init_ms": (1.0, "Milliseconds"),
        "texts": (2, "Count"),
        "characters": (29, "Count"),
        "entities": (2, "Count"),
        "errors": (0, "Count"),
    }
    assert metrics_of(line(body)) == cold
    warm = cold | {"cold_start": (0, "Count")}
    del warm["init_ms"]
    assert metrics_of(line(body)) == warm


def test_a_refused_request_is_no_error_of_the_function(line):
    refused = line("{")
    assert (refused["status"], refused["code"]) == (400, "invalid_json")
    assert metrics_of(refused)["errors"] == (0, "Count")
    assert "texts" not in metrics_of(refused)


def test_a_failed_request_is_one(line, recognizer, monkeypatch):
    monkeypatch.setattr(recognizer, "recognize", None)
    failed = line({"text": "Ada"})
    assert (failed["status"], failed["exception"]) == (500, "TypeError")
    assert metrics_of(failed)["errors"] == (1, "Count")


def test_an_unknown_path_is_not_repeated(line):
    assert "route" not in line({"text": "a"}, path="/somebody/in/particular")
    assert line(None, path="/model", method="GET")["route"] == "/model"


def test_without_metrics_the_line_says_the_same(make_service, capfd):
    call(make_service(metrics=False), function_url_event({"text": "Ada Lovelace lived in London."}))
    [line] = map(json.loads, capfd.readouterr().out.splitlines())
    assert (line["entities"], line["cold_start"]) == (2, 1)
    assert "_aws" not in line
