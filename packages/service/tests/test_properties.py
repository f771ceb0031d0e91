"""Whatever event comes: no answer of 5xx, and every answer as openapi.json has it (`call` in conftest sees to that).

1,000 events, always the same ones; 10,000 with BURST_NER_FULL=1.
"""

import base64
import contextlib
import json
import os

import pytest
from conftest import call, function_url_event
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from burst_ner.event import ForeignEvent

EVENTS = 10_000 if os.environ.get("BURST_NER_FULL") == "1" else 1_000


def seeded(events):
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    return settings(max_examples=events, derandomize=True, database=None, deadline=None, suppress_health_check=checks)


WORDS = ["Ada Lovelace", "London", "10 July 1843", "€2.42 billion", "the", "\n\n", "😀", "\u2028", "\ufeff", "e\u0301"]
TEXTS = st.one_of(
    st.text(),
    # With lone surrogates, which JSON can escape.
    st.text(st.characters(exclude_categories=())),
    st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join),
    # Runs without a space, and texts about the limit.
    st.builds(str.__mul__, st.text(min_size=1, max_size=3), st.integers(1, 1_000)),
    st.builds(str.__mul__, st.sampled_from(["\n", "x"]), st.sampled_from([20_000, 20_001, 40_000, 40_001])),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["text", "texts", "a"]), inner),
    max_leaves=10,
)
REQUESTS = st.one_of(
    st.fixed_dictionaries({"text": TEXTS}, optional={"language": JSON}),
    st.fixed_dictionaries({"texts": st.lists(TEXTS | JSON, max_size=20)}),
    st.fixed_dictionaries({"texts": st.integers(1_020, 1_030).map(lambda n: [""] * n)}),
    JSON,
)
RAW = st.one_of(
    st.tuples(REQUESTS, st.booleans()).map(lambda made: json.dumps(made[0], ensure_ascii=made[1])),
    # Cut off or spoilt.
    st.tuples(REQUESTS, st.integers(0, 60), TEXTS).map(lambda made: json.dumps(made[0])[: made[1]] + made[2]),
    TEXTS,
)
BODIES = st.one_of(
    st.fixed_dictionaries({"body": RAW}),
    st.fixed_dictionaries({"body": RAW.map(lambda raw: base64.b64encode(raw.encode(errors="ignore")).decode())}),
    st.fixed_dictionaries({"body": st.binary().map(lambda raw: base64.b64encode(raw).decode())}),
    st.fixed_dictionaries({"body": JSON}),
).flatmap(lambda fields: st.booleans().map(lambda flag: fields | {"isBase64Encoded": flag}))
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "Content-Encoding", "x-request-id", "Authorization"]) | st.text(), TEXTS | JSON
)
EVENTS_OF_ANY_KIND = st.one_of(
    BODIES.map(lambda fields: function_url_event(**fields)),
    st.builds(
        lambda fields, headers, method, path: function_url_event(
            method=method, path=path, **fields, **({} if headers is None else {"headers": headers})
        ),
        BODIES,
        st.none() | HEADERS,
        st.sampled_from(["POST", "GET", "HEAD", "PUT"]) | TEXTS,
        st.sampled_from(["/", "/model", "/health", "/openapi.json"]) | TEXTS,
    ),
    st.dictionaries(
        st.sampled_from(["rawPath", "path", "httpMethod", "headers", "multiValueHeaders", "requestContext", "body"]),
        JSON,
    ),
    JSON,
)


def is_http(event):
    """Whether AWS could have made it of a request."""
    return isinstance(event, dict) and event.get("version") == "2.0"


def test_no_event_is_a_server_error(service, capfd):
    @seeded(EVENTS)
    @given(EVENTS_OF_ANY_KIND)
    def serve(event):
        with contextlib.nullcontext() if is_http(event) else contextlib.suppress(ForeignEvent):
            assert call(service, event).status < 500

    serve()
    log = capfd.readouterr()
    assert log.err == ""
    assert {json.loads(line)["errors"] for line in log.out.splitlines()} == {0}


def test_the_service_takes_what_its_schema_takes(service, post):
    said = call(service, function_url_event("", method="GET", path="/openapi.json")).json
    schema = Draft202012Validator({"$ref": "#/components/schemas/Request", "components": said["components"]})

    @seeded(EVENTS // 10)
    @given(REQUESTS)
    @example({"text": "a", "texts": ["a"]})
    @example({"text": "a" * 40_000, "more": {}})
    @example({"texts": [""] * 1_024})
    @example({"texts": [], "a": 1})
    def compare(request):
        try:
            body = json.dumps(request, allow_nan=False, ensure_ascii=False)
            body.encode()
        except ValueError:
            return  # NaN is in no JSON, and a schema cannot say that surrogates come in pairs
        if len(body) > 250_000:
            return  # nor what all texts have together
        answer = post(body)
        served = answer.status == 200 and not any("error" in each for each in answer.json.get("results", ()))
        assert served == schema.is_valid(request)

    compare()


@pytest.mark.parametrize("text", ["Ada Lovelace lived in London. " * 40, "😀" * 1_000, "=" * 1_000])
def test_an_answer_has_the_text_where_it_says(post, text):
    for entity in post({"text": text}).json["entities"]:
        assert text[entity["start_char"] : entity["end_char"]] == entity["text"]
