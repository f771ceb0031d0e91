"""Answers HTTP events."""

import re
import time
from collections.abc import Callable, Mapping

from . import telemetry
from .deadline import Deadline
from .environment import Environment
from .errors import RequestError
from .event import Event
from .origin import Origin
from .recognizer import Recognizer
from .request import parse_request, too_large
from .results import results_of, serialize
from .schema import RequestSchema

_REQUEST_ID = re.compile(r"[\w.:=/+-]{1,128}", re.ASCII)


class Service:
    """One callable for Lambda: `POST /` finds entities; `GET` of /model, /health and /openapi.json tells about it."""

    def __init__(
        self,
        recognizer: Recognizer,
        environment: Environment,
        *,
        model: Mapping[str, str],
        origin: Origin,
        init_ms: float,
        load_ms: float,
        metrics: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            recognizer: finds the entities.
            environment: tells cold requests from warm ones.
            model: name, version and digest, for answers.
            origin: knows the gateway by its secret.
            init_ms: milliseconds from the start of `initialise` to readiness.
            load_ms: the part of it that opening the model took.
            metrics: whether CloudWatch makes metrics of the log.
            now: gives seconds, for the clock of a request.
        """
        self._recognizer = recognizer
        self._schema = RequestSchema(recognizer.limits)
        self._environment = environment
        self._model = dict(model)
        # A name may hold anything, a header may not.
        self._model_header = re.sub(r"[^\x21-\x7e]", "_", f"{model['name']}/{model['version']}/{model['digest'][:12]}")
        self._origin = origin
        self._init_ms = init_ms
        self._init_timing = f"init;dur={init_ms:.1f}, load;dur={load_ms:.1f}"
        self._metrics = metrics
        self._now = now
        self._routes: dict[str, tuple[str, Callable[[Event, Deadline, dict], dict]]] = {
            "/": ("POST", self._entities),
            "/model": ("GET", self._description),
            "/health": ("GET", lambda *_: {"status": "ok", "model": self._model}),
            "/openapi.json": ("GET", self._contract),
        }

    def __call__(self, event: object, context: object) -> dict:
        """The answer to one HTTP event, whatever is in it; writes one log line, which quotes nothing of the request.

        Raises:
            ForeignEvent: the event is no HTTP request.
        """
        started = time.perf_counter()
        deadline = Deadline(context.get_remaining_time_in_millis() / 1000, self._now)
        cold = self._environment.begin_request()
        request = Event(event)
        # A gateway's id, when it is one that is safe in a header and in a log.
        given_id = request.header("x-request-id")
        request_id = given_id if _REQUEST_ID.fullmatch(given_id) else context.aws_request_id
        log = {
            "request_id": request_id,
            "lambda_request_id": context.aws_request_id,
            "function": context.function_name,
            "instance": self._environment.instance,
            "init_type": self._environment.init_type,
            "cold_start": int(cold),
        }
        if self._environment.requests == 1:
            log["init_ms"] = round(self._init_ms, 1)
        headers = {
            "content-type": "application/json",
            "cache-control": "no-store",
            "x-request-id": request_id,
            "x-ner-model": self._model_header,
            "x-ner-instance": self._environment.instance,
            "x-ner-cold-start": str(int(cold)),
            "x-ner-init-type": self._environment.init_type,
        }
        code = None
        try:
            status, body = 200, serialize(self._answer(request, deadline, log))
        except Exception as error:
            if not isinstance(error, RequestError):
                log |= told(error)
                error = RequestError("internal", "Internal server error.")
            status, code = error.status, error.code
            body = serialize({"error": error.sentence, "code": code, "request_id": request_id, **error.fields})
            headers |= error.headers
        headers["server-timing"] = f"{self._init_timing}, ner;dur={log.get('ner_ms', 0.0)}"
        log |= {"status": status, "code": code, "errors": int(status >= 500)}
        log["ms"] = round((time.perf_counter() - started) * 1000, 1)
        telemetry.write(log, metrics=self._metrics)
        answer = {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}
        if request.multi_value:
            answer["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
        return answer

    def _answer(self, request: Event, deadline: Deadline, log: dict) -> dict:
        if not self._origin.admits(request.header("authorization").removeprefix("Bearer ")):
            raise RequestError("forbidden", "This function answers to its gateway only.")
        if request.path not in self._routes:
            raise RequestError("not_found", "There is nothing at this path; send POST to /.")
        method, answer = self._routes[request.path]
        log["route"] = request.path
        if request.method != method:
            raise RequestError("method_not_allowed", f"This path answers {method} only.", headers={"allow": method})
        return answer(request, deadline, log)

    def _entities(self, request: Event, deadline: Deadline, log: dict) -> dict:
        if request.header("content-encoding").strip().lower() not in ("", "identity"):
            raise RequestError(
                "unsupported_encoding", "Send the request body without a Content-Encoding, as plain UTF-8 JSON."
            )
        ner = parse_request(request.body(), self._schema)
        log |= {"texts": len(ner.texts), "characters": ner.characters}
        started = time.perf_counter()
        results = results_of(ner.texts, self._recognizer, self._schema, deadline, lambda error: log.update(told(error)))
        log["ner_ms"] = round((time.perf_counter() - started) * 1000, 1)
        log["entities"] = sum(len(result.get("entities", ())) for result in results)
        log["text_errors"] = sum("error" in result for result in results)
        if results and all(result.get("code") == "deadline_exceeded" for result in results):
            # Lambda counts an initialisation that it had to repeat within the first request's time.
            raise RequestError(
                "model_unavailable",
                "The model was ready too late for this request; send it again.",
                headers={"retry-after": "1"},
            )
        if ner.many:
            return {"results": results, "model": self._model}
        [result] = results
        if result.get("code") == "internal":
            raise RequestError("internal", "Internal server error.")
        if result.get("code") == "response_too_large":
            raise too_large("The answer to this text would be too long; send the text in parts.", self._schema)
        if "error" in result:
            raise too_large(result["error"], self._schema)
        return {**result, "model": self._model}

    def _description(self, *_: object) -> dict:
        return {"model": self._model, "labels": self._recognizer.labels, "limits": self._schema.limits}

    def _contract(self, *_: object) -> dict:
        from .openapi import document  # hardly ever asked for

        return document(self._schema)


def told(error: Exception) -> dict:
    """What a log may say of an exception: its type and places. Its own message may quote a text."""
    import traceback  # hardly ever needed

    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return {"exception": type(error).__name__, "at": places}
