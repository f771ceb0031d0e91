"""Requests that are refused: statuses, codes, sentences, limits."""

import hashlib
import json

import pytest
from conftest import Through, base64_body, call, function_url_event

from burst_ner.errors import SetupError
from burst_ner.event import ForeignEvent
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
        ({"text": "a", "x": "x" * (2**20 - 22)}, {"text": "a", "x": "x" * (2**20 - 21)}),
    ],
    ids=["texts", "bytes"],
)
def test_limits(post, within, beyond):
    assert post(within).status == 200
    refused(post(beyond), 413, "too_large")


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        ({"text": " " * 40_000}, {"text": " " * 39_999 + "é "}),
        ({"texts": [" " * 25_000] * 10}, {"texts": [" " * 25_000] * 10 + ["é"]}),
    ],
    ids=["characters", "characters together"],
)
def test_limits_of_spacy(make_service, plain, within, beyond):
    service = make_service(recognizer=plain)
    assert call(service, function_url_event(within)).status == 200
    refused(call(service, function_url_event(beyond)), 413, "too_large")


class Patient(Through):
    """Has all the time in the world, for machines that are busy."""

    def recognize(self, texts, seconds):
        return self.recognizer.recognize(texts, 600)


def test_the_engine_takes_as_much_as_a_body_holds(make_service, engine):
    text = "Ada Lovelace lived in London, and nobody knew why she had gone away from there so early in the year. "
    text *= (2**20 - 100) // len(text)
    answer = call(make_service(Patient(engine)), function_url_event({"text": text}))
    assert answer.status == 200
    assert len(answer.json["entities"]) > 15_000
    assert all(text[e["start_char"] : e["end_char"]] == e["text"] for e in answer.json["entities"])


def test_the_body_limit_counts_bytes_after_base64(post):
    def padded(size):
        return base64_body(b'{"text": "a"}' + b" " * (size - 13))

    assert post(**padded(2**20)).status == 200
    refused(post(**padded(2**20 + 1)), 413, "too_large")


@pytest.mark.parametrize("name", ["content-encoding", "Content-Encoding"])
def test_content_encoding(post, name):
    refused(post({"text": "a"}, headers={name: "gzip"}), 415, "unsupported_encoding")


@pytest.mark.parametrize("name", ["content-encoding", "Content-Encoding"])
@pytest.mark.parametrize("value", ["identity", "Identity ", ""])
def test_no_content_encoding(post, name, value):
    assert post({"text": "a"}, headers={name: value}).status == 200


@pytest.mark.parametrize("path", ["/x", "//", "/nlp", "/nlp/nermodel", "/nlp/ner/x", "/nlp/ner/nlp/ner", "nlp/ner"])
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


SQS = {"Records": [{"messageId": "1", "body": '{"text": "Zanzibella Quorngate"}', "eventSource": "aws:sqs"}]}


@pytest.mark.parametrize(
    "event",
    [
        *[None, [], "x", 3, {}, {"requestContext": []}, {"requestContext": {"http": 1}, "headers": [], "rawPath": {}}],
        *[{"text": "Zanzibella Quorngate"}, SQS, {"httpMethod": None}, {"detail-type": "Scheduled Event"}],
    ],
)
def test_an_event_that_is_no_http_request_fails_so_that_its_sender_sees_it(service, event, capfd):
    with pytest.raises(ForeignEvent) as error:
        call(service, event)
    assert "answers HTTP requests and nothing else" in str(error.value)
    assert "Quorngate" not in str(error.value) + "".join(capfd.readouterr())
    assert call(service, function_url_event({"text": "a"})).status == 200


@pytest.mark.parametrize("fields", [{"headers": 1, "body": 1}, {"headers": [], "rawPath": {}}, {"headers": {"a": 1}}])
def test_an_http_event_with_odd_fields_is_never_a_server_error(service, fields):
    assert 400 <= call(service, function_url_event("{", **fields)).status < 500


class TestOriginSecret:
    DIGESTS = ",".join(hashlib.sha256(secret).hexdigest() for secret in (b"old", b"new"))

    @pytest.mark.parametrize(("sent", "status"), [("old", 200), ("new", 200), ("other", 403), ("", 403)])
    def test_any_listed_secret_opens(self, make_service, sent, status):
        service = make_service(origin=Origin(self.DIGESTS.upper() + ", "))
        event = function_url_event({"text": "a"}, headers={"Authorization": f"Bearer {sent}"})
        assert call(service, event).status == status

    def test_a_stranger_learns_nothing_else(self, make_service):
        service = make_service(origin=Origin(self.DIGESTS))
        events = [function_url_event("{", path="/x"), function_url_event(method="GET")]
        events += [function_url_event(method="GET", path=path) for path in ("/model", "/health", "/openapi.json")]
        for event in events:
            refused(call(service, event), 403, "forbidden")

    def test_none_configured_is_no_check(self, make_service):
        service = make_service(origin=Origin(""))
        assert call(service, function_url_event({"text": "a"})).status == 200

    def test_what_is_no_digest_is_refused_at_the_start(self):
        with pytest.raises(SetupError, match="ORIGIN_SECRET_SHA256"):
            Origin("the secret itself")


def test_what_fails_leaves_no_trace(recognizer):
    texts = ["Ada Lovelace lived in Zanzibella.", "Quorngate wrote to Charles Babbage."]
    expected = recognizer.recognize(texts, 60)
    for spoilt in ("\ud83d", 7, None):
        with pytest.raises((UnicodeEncodeError, TypeError, AttributeError)):
            recognizer.recognize([*texts, spoilt], 60)
        assert recognizer.recognize(texts, 60) == expected


class FailsOn(Through):
    def __init__(self, recognizer, word):
        super().__init__(recognizer)
        self._word = word

    def recognize(self, texts, seconds):
        if any(self._word in text for text in texts):
            raise RuntimeError(f"cannot do {texts}")
        return self.recognizer.recognize(texts, seconds)


def test_a_text_that_fails_costs_its_neighbours_nothing(make_service, recognizer, capfd):
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
