"""openapi.json: made by the code that serves, and true. `call` in conftest holds every answer of every test to it."""

import json
import re

import pytest
from conftest import CONTRACT, call, function_url_event, validator
from jsonschema import Draft202012Validator, ValidationError

from burst_ner.errors import STATUS
from burst_ner.openapi import document
from burst_ner.schema import LIMITS, RequestSchema


def get(service, path):
    answer = call(service, function_url_event("", method="GET", path=path))
    assert answer.status == 200
    return answer.json


def test_the_file_is_what_the_code_says():
    # To write it anew: python -m burst_ner.openapi > openapi.json, then npm run format.
    assert json.loads(json.dumps(document(RequestSchema(LIMITS)))) == CONTRACT


def test_the_function_answers_with_the_file(make_service, engine):
    assert get(make_service(recognizer=engine), "/openapi.json") == CONTRACT


def test_where_spacy_runs_the_model_the_contract_says_its_limits(make_service, plain):
    service = make_service(recognizer=plain)
    said = get(service, "/openapi.json")
    assert said["x-limits"] == get(service, "/model")["limits"]
    assert said["components"]["schemas"]["OneText"]["properties"]["text"]["maxLength"] == 40_000
    # Nothing else is another.
    said["x-limits"] = CONTRACT["x-limits"]
    for name in ("OneText", "ManyTexts"):
        said["components"]["schemas"][name] = CONTRACT["components"]["schemas"][name]
    assert said == CONTRACT


def test_schemas_are_schemas_and_references_lead_somewhere():
    schemas = CONTRACT["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    referenced = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(CONTRACT)))
    assert referenced == set(schemas)


def test_every_code_is_announced():
    errors = {name: schema for name, schema in CONTRACT["components"]["schemas"].items() if name.startswith("Error")}
    announced = {code: name for name, schema in errors.items() for code in schema["properties"]["code"]["enum"]}
    assert announced == {code: f"Error{status}" for code, status in STATUS.items()}


def test_limits_are_published_alike(make_service, engine, plain):
    limits = {
        "max_body_bytes": 1_048_576,
        "max_texts": 1_024,
        "max_characters": 1_048_576,
        "max_text_characters": 1_048_576,
        "max_answer_bytes": 5_000_000,
    }
    assert CONTRACT["x-limits"] == limits
    for recognizer, its in (
        (engine, limits),
        (plain, limits | {"max_characters": 250_000, "max_text_characters": 40_000}),
    ):
        service = make_service(recognizer=recognizer)
        assert get(service, "/model")["limits"] == its
        assert call(service, function_url_event({"texts": [""] * 1_025})).json["limits"] == its


def test_model(service, post):
    said = get(service, "/model")
    assert said["model"] == post({"text": "a"}).json["model"]
    assert {"PERSON", "GPE", "DATE"} < set(said["labels"])


def test_health(service, post):
    assert get(service, "/health") == {"status": "ok", "model": post({"text": "a"}).json["model"]}


@pytest.mark.parametrize("path", ["/model", "/health", "/openapi.json"])
def test_a_first_look_is_a_cold_start(make_service, path):
    answers = [call(make_service(), function_url_event("", method="GET", path=path)) for _ in range(2)]
    assert [a.headers["x-ner-cold-start"] for a in answers] == ["1", "1"]
    assert answers[0].headers["cache-control"] == "no-store"


@pytest.mark.parametrize("part", ["start_char", "label", "text", "end_char"])
def test_the_schema_would_notice_a_missing_field(part):
    entity = {"text": "Ada", "label": "PERSON", "start_char": 0, "end_char": 3}
    model = {"name": "n", "version": "1", "digest": "0" * 64}
    check = validator("#/components/schemas/Answer").validate
    check({"entities": [entity], "model": model})
    del entity[part]
    with pytest.raises(ValidationError):
        check({"entities": [entity], "model": model})
