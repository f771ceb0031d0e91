"""Requests that are refused: statuses, codes, sentences, limits."""

import hashlib
import json

import pytest
from conftest import base64_body, call, function_url_event

from burst_ner.errors import SetupError
from burst_ner.origin import Origin


def refused(answer, status, code):
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.json["request_id"] == answer.headers["x-request-id"] == "lambda-id"
    assert set(answer.json) == {"error", "code", "request_id"} | ({"limits"} if status == 413 else set())
    return answer.json["error"]


@pytest.mark.parametrize(
    "body",
    ["{}", '{"text": ""}', '{"text": null}', '{"text": 5}', '{"text": ["a"]}', '{"text": "\\ud83d"}', '{"a": 1}'],
)
def test_missing_or_invalid_text(post, body):
    assert refused(post(body), 400, "invalid_text") == "Missing or invalid 'text' field in request body."


@pytest.mark.parametrize(
    "body",
    [
        *['{"text": "a", "texts": ["b"]}', '{"texts": ["a"], "labels": []}', '{"texts": "a"}', '{"texts": null}'],
        *["null", "[]", '["text"]', '"text"', "1", "true"],
    ],
)
def test_a_shape_that_the_contract_does_not_have(post, body):
    refused(post(body), 400, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        *["", "{", "text=a", '{"text": "a"', "{'text': 'a'}", '{"text": "a"} x', '{"text": "a\nb"}'],
        *['{"text": "a", "n": NaN}', '{"text": "a", "n": -Infinity}', "[" * 1_000_000, '{"text":' * 100_000],
    ],
)
def test_no_json(post, body):
    assert refused(post(body), 400, "invalid_json") == "Invalid JSON in request body."


@pytest.mark.parametrize(
    "fields",
    [
        *[{"body": None}, {"body": {"text": "a"}}, {"body": 7}, {"body": '{"text": "\ud83d"}'}],
        *[{"body": "e30=*", "isBase64Encoded": True}, {"body": "é", "isBase64Encoded": True}],
        *[base64_body(raw) for raw in (b"\xff\xfe", b'{"text": "\xe9"}', '{"text": "a"}'.encode("utf-16"))],
    ],
)
def test_a_body_that_is_not_utf8(post, fields):
    refused(post(**fields), 400, "invalid_json")


def test_missing_body(service):
    event = function_url_event()
    del event["body"]
    refused(call(service, event), 400, "invalid_json")


def test_numbers_of_any_size_are_ignored_like_other_fields(post):
    digits = "9" * 100_000
    assert post(f'{{"text": "a", "n": {digits}, "m": 1e{digits}, "k": -{digits}.5}}').status == 200


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        ({"texts": ["a"] * 1_024}, {"texts": ["a"] * 1_025}),
        ({"text": " " * 40_000}, {"text": " " * 39_999 + "é "}),
        ({"texts": [" " * 25_000] * 10}, {"texts": [" " * 25_000] * 10 + ["é"]}),
        ({"text": "a", "x": "x" * (2**20 - 22)}, {"text": "a", "x": "x" * (2**20 - 21)}),
    ],
    ids=["texts", "characters", "characters together", "bytes"],
)
def test_limits(post, within, beyond):
    assert post(within).status == 200
    refused(post(beyond), 413, "too_large")


def test_the_body_limit_counts_bytes_after_base64(post):
    def padded(size):
        return base64_body(b'{"text": "a"}' + b" " * (size - 13))

    assert post(**padded(2**20)).status == 200
    refused(post(**padded(2**20 + 1)), 413, "too_large")


@pytest.mark.parametrize("name", ["content-encoding", "Content-Encoding"])
def test_content_encoding(post, name):
    refused(post({"text": "a"}, headers={name: "gzip"}), 415, "unsupported_encoding")


@pytest.mark.parametrize("path", ["/ner", "/nlp/nermodel", "/nlp/ner/x", "/x", "//"])
def test_other_paths(post, path):
    refused(post({"text": "a"}, path=path), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        *[("/", method, "POST") for method in ("GET", "PUT", "DELETE", "OPTIONS", "post", "")],
        *[(path, "POST", "GET") for path in ("/model", "/health", "/openapi.json")],
    ],
)
def test_other_methods(post, path, method, allowed):
    answer = post({"text": "a"}, path=path, method=method)
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "event",
    [None, [], "x", 3, {}, {"requestContext": []}, {"requestContext": {"http": 1}, "headers": [], "rawPath": {}}],
)
def test_an_event_of_another_kind_is_never_a_server_error(service, event):
    assert 400 <= call(service, event).status < 500


class TestOriginSecret:
    DIGESTS = ",".join(hashlib.sha256(secret).hexdigest() for secret in (b"old", b"new"))

    @pytest.mark.parametrize(("sent", "status"), [("old", 200), ("new", 200), ("other", 403), ("", 403)])
    def test_any_listed_secret_opens(self, make_service, sent, status):
        service = make_service(origin=Origin(self.DIGESTS.upper() + ", "))
        event = function_url_event({"text": "a"}, headers={"Authorization": f"Bearer {sent}"})
        assert call(service, event).status == status

    def test_a_stranger_learns_nothing_else(self, make_service):
        service = make_service(origin=Origin(self.DIGESTS))
        events = [function_url_event("{", path="/x"), function_url_event(method="GET"), {}]
        events += [function_url_event(method="GET", path=path) for path in ("/model", "/health", "/openapi.json")]
        for event in events:
            refused(call(service, event), 403, "forbidden")

    def test_none_configured_is_no_check(self, make_service):
        service = make_service(origin=Origin(""))
        assert call(service, function_url_event({"text": "a"})).status == 200

    def test_what_is_no_digest_is_refused_at_the_start(self):
        with pytest.raises(SetupError, match="ORIGIN_SECRET_SHA256"):
            Origin("the secret itself")


def test_a_failed_request_leaves_the_pipeline_usable(recognizer):
    with pytest.raises(UnicodeEncodeError):
        recognizer.recognize(["Ada Lovelace", "\ud83d"])
    [[entity]] = recognizer.recognize(["Ada Lovelace wrote."])
    assert entity["text"] == "Ada Lovelace"


class FailsOn:
    def __init__(self, recognizer, word):
        self._recognizer, self._word = recognizer, word

    def recognize(self, texts):
        if any(self._word in text for text in texts):
            raise RuntimeError(f"cannot do {texts}")
        return self._recognizer.recognize(texts)


def test_a_text_on_which_spacy_fails_costs_its_neighbours_nothing(make_service, recognizer, capfd):
    service = make_service(recognizer=FailsOn(recognizer, "Quorngate"))
    texts = ["Ada Lovelace lived in London.", "Zanzibella Quorngate", 5, "Ada Lovelace lived in London."]
    answer = call(service, function_url_event({"texts": texts}))
    assert answer.status == 200
    assert [len(result.get("entities", ())) for result in answer.json["results"]] == [2, 0, 0, 2]
    assert [result.get("code") for result in answer.json["results"]] == [None, "internal", "invalid_text", None]
    log = capfd.readouterr().out
    assert '"exception": "RuntimeError"' in log
    assert "Quorngate" not in log + json.dumps(answer.json)
    refused(call(service, function_url_event({"text": "Zanzibella Quorngate"})), 500, "internal")
