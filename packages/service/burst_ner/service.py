"""Answers Function URL events."""

import json
import re
import time
import traceback
from collections.abc import Mapping
from typing import Any

from .environment import Environment
from .errors import RequestError
from .event import Event
from .origin import Origin
from .recognizer import Recognizer
from .request import parse_request, text_error

_REQUEST_ID = re.compile(r"[\w.:=/+-]{1,128}", re.ASCII)


class Service:
    """One callable for Lambda; `POST /` is the one route."""

    def __init__(
        self,
        recognizer: Recognizer,
        environment: Environment,
        *,
        model: Mapping[str, str],
        origin: Origin,
        init_ms: float,
        load_ms: float,
    ) -> None:
        """
        Args:
            recognizer: finds the entities.
            environment: tells cold requests from warm ones.
            model: name, version and digest, for answers.
            origin: knows the gateway by its secret.
            init_ms: milliseconds from the start of `initialise` to readiness.
            load_ms: the part of it that importing spaCy and loading the model took.
        """
        self._recognizer = recognizer
        self._environment = environment
        self._model = dict(model)
        # A name may hold anything, a header may not.
        self._model_header = re.sub(r"[^\x21-\x7e]", "_", f"{model['name']}/{model['version']}/{model['digest'][:12]}")
        self._origin = origin
        self._init_timing = f"init;dur={init_ms:.1f}, load;dur={load_ms:.1f}"

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """The answer to one event, whatever the event is; writes one log line, which quotes nothing of the request."""
        started = time.perf_counter()
        cold = self._environment.begin_request()
        request = Event(event)
        # A gateway's id, when it is one that is safe in a header and in a log.
        given_id = request.header("x-request-id")
        request_id = given_id if _REQUEST_ID.fullmatch(given_id) else context.aws_request_id
        log: dict[str, Any] = {"request_id": request_id, "lambda_request_id": context.aws_request_id}
        headers = {
            "content-type": "application/json",
            "cache-control": "no-store",
            "x-request-id": request_id,
            "x-ner-model": self._model_header,
            "x-ner-instance": self._environment.instance,
            "x-ner-cold-start": str(int(cold)),
            "x-ner-init-type": self._environment.init_type,
        }
        try:
            status, payload = 200, self._answer(request, log)
        except RequestError as error:
            status = error.status
            payload = {"error": error.sentence, "code": error.code, "request_id": request_id, **error.fields}
            if status == 405:
                headers["allow"] = "POST"
        except Exception as error:
            status = 500
            payload = {"error": "Internal server error.", "code": "internal", "request_id": request_id}
            # An exception's own message may quote a text, so only its type and place are logged.
            log["exception"] = type(error).__name__
            log["at"] = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
        headers["server-timing"] = f"{self._init_timing}, ner;dur={log.get('ner_ms', 0.0)}"
        log |= {"status": status, "code": payload.get("code"), "cold": cold, "init_type": self._environment.init_type}
        log["ms"] = round((time.perf_counter() - started) * 1000, 1)
        print(json.dumps(log), flush=True)
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}

    def _answer(self, request: Event, log: dict[str, Any]) -> dict[str, Any]:
        if not self._origin.admits(request.header("x-origin-secret")):
            raise RequestError(403, "forbidden", "This function answers to its gateway only.")
        if request.path != "/":
            raise RequestError(404, "not_found", "There is nothing at this path; send POST to /.")
        if request.method != "POST":
            raise RequestError(405, "method_not_allowed", "This path answers POST only.")
        if request.header("content-encoding"):
            raise RequestError(
                415, "unsupported_encoding", "Send the request body without a Content-Encoding, as plain UTF-8 JSON."
            )
        ner = parse_request(request.body())
        log |= {"texts": len(ner.texts), "characters": ner.characters}
        results = self._results(ner.texts, log)
        return ({"results": results} if ner.many else results[0]) | {"model": self._model}

    def _results(self, texts: list[Any], log: dict[str, Any]) -> list[dict[str, Any]]:
        """One result for each text; a text that cannot be processed gets its error and disturbs no other."""
        started = time.perf_counter()
        errors = [text_error(text) for text in texts]
        found = self._recognizer.recognize(text for text, error in zip(texts, errors, strict=True) if not error)
        log["ner_ms"] = round((time.perf_counter() - started) * 1000, 1)
        log["entities"] = sum(len(entities) for entities in found)
        log["text_errors"] = len(texts) - len(found)
        entities: Any = iter(found)
        return [error or {"entities": next(entities)} for error in errors]
