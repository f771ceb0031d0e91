"""Both forms of the request, and what an answer holds."""

import json

import pytest
from conftest import base64_body, call, function_url_event

ADA = "Ada Lovelace lived in London."
ADA_ENTITIES = [
    {"text": "Ada Lovelace", "label": "PERSON", "start_char": 0, "end_char": 12},
    {"text": "London", "label": "GPE", "start_char": 22, "end_char": 28},
]


def test_one_text(post):
    answer = post({"text": ADA})
    assert answer.status == 200
    assert answer.json == {
        "entities": ADA_ENTITIES,
        "model": {"name": "en_test", "version": "1.0.0", "digest": "0123456789abcdef" * 4},
    }


def test_one_text_ignores_other_fields(post):
    assert post({"text": ADA, "language": "en", "n": [1]}).json["entities"] == ADA_ENTITIES


def test_many_texts_keep_length_and_order(post):
    texts = ["Nothing here.", ADA, "", "Angela Merkel visited Paris."]
    results = post({"texts": texts}).json["results"]
    assert [[e["text"] for e in r["entities"]] for r in results] == [
        [],
        ["Ada Lovelace", "London"],
        [],
        ["Angela Merkel", "Paris"],
    ]


def test_no_texts(post):
    answer = post({"texts": []})
    assert (answer.status, answer.json["results"]) == (200, [])


def test_a_bad_text_never_fails_its_neighbours(post):
    answer = post({"texts": [ADA, 7, None, ["x"], "a\ud83db", ADA]})
    assert answer.status == 200
    results = answer.json["results"]
    assert [r.get("code") for r in results] == [None, *["invalid_text"] * 3, "ill_formed_text", None]
    assert results[0] == results[5] == {"entities": ADA_ENTITIES}
    assert set(results[1]) == {"error", "code"}
    assert "character 1" in results[4]["error"]


def test_a_text_that_is_too_long_for_spacy_never_fails_its_neighbours(make_service, plain):
    answer = call(make_service(recognizer=plain), function_url_event({"texts": [ADA, "x" * 40_001, ADA]}))
    assert [r.get("code") for r in answer.json["results"]] == [None, "too_large", None]


@pytest.mark.parametrize(
    "text",
    [
        "😀 Angela Merkel 👩🏽‍💻 visited Paris 🇫🇷 with Barack Obama.",
        "Łukasz Żółć and Björk Guðmundsdóttir met 山田太郎 in München on 5 May 2020.",
        "\ufeffAngela Merkel visited Paris.\r\n\tBarack Obama\u2028stayed in São Paulo.",
    ],
)
def test_offsets_are_code_points(post, text):
    entities = post({"text": text}).json["entities"]
    assert entities
    assert all(text[e["start_char"] : e["end_char"]] == e["text"] for e in entities)


def test_escaped_surrogate_pairs_are_one_character(post):
    [first, *_] = post('{"text": "\\ud83d\\ude00 Angela Merkel visited Paris."}').json["entities"]
    assert (first["text"], first["start_char"]) == ("Angela Merkel", 2)


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_base64_body_of_any_content_type(post, bom):
    raw = bom + json.dumps({"text": ADA}, ensure_ascii=False).encode()
    answer = post(headers={"Content-Type": "application/octet-stream"}, **base64_body(raw))
    assert answer.json["entities"] == ADA_ENTITIES


@pytest.mark.parametrize("flag", [False, None, 0, "", "false", "False"])
def test_a_body_that_is_no_base64(post, flag):
    assert post({"text": ADA}, isBase64Encoded=flag).json["entities"] == ADA_ENTITIES


@pytest.mark.parametrize("flag", [True, "true", "True"])
def test_a_body_that_is_base64(post, flag):
    fields = base64_body(json.dumps({"text": ADA}).encode())
    assert post(**fields | {"isBase64Encoded": flag}).json["entities"] == ADA_ENTITIES


def rest_api_event(body, *, method="POST", path="/", **fields):
    """Payload 1.0, as API Gateway's REST APIs, load balancers and Kong's plugin aws-lambda make it."""
    return {
        "resource": "/nlp/ner",
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json", "X-Request-ID": "kong-7"},
        "queryStringParameters": None,
        "requestContext": {"path": path, "httpMethod": method, "requestId": "r"},
        "body": body,
        "isBase64Encoded": False,
    } | fields


@pytest.mark.parametrize("path", ["/", "/nlp/ner"])
def test_payload_1_0(service, path):
    answer = call(service, rest_api_event(json.dumps({"text": ADA}), path=path))
    assert (answer.status, answer.json["entities"], answer.headers["x-request-id"]) == (200, ADA_ENTITIES, "kong-7")
    kong = rest_api_event(None, path=path, version="1.0") | base64_body(json.dumps({"text": ADA}).encode())
    assert call(service, kong).json["entities"] == ADA_ENTITIES
    assert call(service, rest_api_event("{", path=path)).json["code"] == "invalid_json"


@pytest.mark.parametrize("path", ["/health", "/nlp/ner/health"])
def test_payload_1_0_without_a_body(service, path):
    for nothing in ({"body": None}, {"body": "", "isBase64Encoded": True}):
        assert call(service, rest_api_event(None, path=path, method="GET") | nothing).json["status"] == "ok"


def test_a_load_balancer_that_sends_and_reads_headers_of_many_values(service):
    event = rest_api_event(json.dumps({"text": ADA}), multiValueHeaders={"x-request-id": ["first", "last"]})
    del event["headers"]
    answer = call(service, event)
    assert answer.headers["x-request-id"] == "last"
    assert answer.multi_value_headers == {name: [value] for name, value in answer.headers.items()}
    assert call(service, rest_api_event(json.dumps({"text": ADA}))).multi_value_headers is None


@pytest.mark.parametrize("path", ["/nlp/ner", "/nlp/ner/model", "/nlp/ner/openapi.json"])
def test_a_gateway_that_leaves_its_prefix(post, path):
    method = "POST" if path == "/nlp/ner" else "GET"
    assert post({"text": ADA}, method=method, path=path).status == 200


def test_texts_beyond_one_batch_give_the_same_entities(post):
    texts = [ADA * (n % 50) for n in range(100)]
    assert sum(map(len, texts)) > 3 * 20_000
    together = post({"texts": texts}).json["results"]
    assert together[::7] == [{"entities": post({"text": t}).json["entities"] if t else []} for t in texts[::7]]


def test_headers(post):
    headers = post({"text": ADA}, headers={"X-Request-ID": "kong-7"}).headers
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"] == "kong-7"
    assert headers["x-ner-model"] == "en_test/1.0.0/0123456789ab"
    assert len(headers["x-ner-instance"]) == 32
    timings = dict(part.strip().split(";dur=") for part in headers["server-timing"].split(","))
    assert list(timings) == ["init", "load", "ner"]
    assert float(timings["ner"]) > 0


@pytest.mark.parametrize("given", ["", "a\nb", "x" * 129, 'q"'])
def test_a_request_id_that_is_not_safe_is_replaced(post, given):
    assert post({"text": ADA}, headers={"x-request-id": given}).headers["x-request-id"] == "lambda-id"


def test_a_model_name_that_no_header_can_hold(make_service):
    service = make_service(model={"name": "zh_模型 a", "version": "1", "digest": "f" * 64})
    assert call(service, function_url_event({"text": ADA})).headers["x-ner-model"] == "zh____a/1/ffffffffffff"
