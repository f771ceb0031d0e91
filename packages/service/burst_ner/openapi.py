"""openapi.json: `python -m burst_ner.openapi > openapi.json` writes it, and the function answers with it."""

import json

from .errors import ITEM_CODES, STATUS
from .schema import LIMITS, RequestSchema

_DESCRIPTION = """\
Named entities of one text or many. Offsets count Unicode code points, as spaCy does. Fields are only ever added; ignore
those you do not know. A repeated POST is safe. Paths are those at the gateway; the function itself has them without
/nlp/ner. `x-limits` has the limits of a request."""

_ERRORS = {
    400: "The body is not JSON, or not one of the two forms.",
    403: "The request did not come through the gateway.",
    404: "There is nothing at this path.",
    405: "This path answers another method.",
    413: "Over a limit.",
    415: "The body has a Content-Encoding.",
    500: "A fault of the function.",
    503: "The function was ready too late for this request; send it again after Retry-After.",
}

# What the gateway answers by itself.
_GATEWAY_ERRORS = {401: "The API key is missing or wrong.", 429: "Over the consumer's limit of requests a minute."}


def document(schema: RequestSchema) -> dict:
    """The contract as an OpenAPI 3.1 document, with the limits of one function."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Burst NER", "version": "1.0.0", "description": _DESCRIPTION},
        "servers": [{"url": "/", "description": "The gateway"}],
        "security": [{"apikey": []}],
        "x-limits": schema.limits,
        "paths": {
            "/nlp/ner": {
                "post": {
                    "operationId": "findEntities",
                    "summary": "Entities of one text, or of many.",
                    "requestBody": {"required": True, "content": _json(_ref("Request"))},
                    "responses": _responses("Answer", (400, 403, 404, 405, 413, 415, 500, 503)),
                }
            },
            "/nlp/ner/model": _get(
                "describeModel", "The model, its labels, and the limits of a request.", "Description"
            ),
            "/nlp/ner/health": _get("checkHealth", "Wakes a function up, and says that it can serve.", "Health"),
            "/nlp/ner/openapi.json": _get("getContract", "This document.", "Contract"),
        },
        "components": {
            "securitySchemes": {"apikey": {"type": "apiKey", "in": "header", "name": "apikey"}},
            "schemas": _schemas(schema),
        },
    }


def _schemas(request: RequestSchema) -> dict:
    string, offset = {"type": "string"}, {"type": "integer", "minimum": 0}
    model = _ref("Model")
    return {
        "Request": {"oneOf": [_ref("OneText"), _ref("ManyTexts")]},
        "OneText": request.one_text,
        "ManyTexts": request.many_texts,
        "Answer": {"oneOf": [_ref("OneAnswer"), _ref("ManyAnswers")]},
        "OneAnswer": _object(entities={"type": "array", "items": _ref("Entity")}, model=model),
        "ManyAnswers": {
            "description": "One result for each text, in order.",
            **_object(results={"type": "array", "items": _ref("Result")}, model=model),
        },
        "Result": {"oneOf": [_ref("Entities"), _ref("ItemError")]},
        "Entities": _object(entities={"type": "array", "items": _ref("Entity")}),
        "Entity": _object(text=string, label=string, start_char=offset, end_char=offset),
        "ItemError": {
            "description": "This text has no entities for a reason of its own; the others do.",
            **_object(error=string, code=_codes(ITEM_CODES)),
        },
        "Model": {
            "description": "Two answers with one digest come from the same model.",
            **_object(name=string, version=string, digest={"type": "string", "pattern": "^[0-9a-f]{64}$"}),
        },
        "Description": _object(model=model, labels={"type": "array", "items": string}, limits=_ref("Limits")),
        "Health": _object(status={"const": "ok"}, model=model),
        "Contract": _object(openapi=string, info={"type": "object"}, paths={"type": "object"}),
        "Limits": _object(**{name: {"type": "integer", "minimum": 1} for name in LIMITS}),
        **{
            f"Error{status}": _object(
                error=string,
                code=_codes([code for code, its_status in STATUS.items() if its_status == status]),
                request_id=string,
                **({"limits": _ref("Limits")} if status == 413 else {}),
            )
            for status in _ERRORS
        },
        "GatewayError": _object(message=string),
    }


def _get(operation: str, summary: str, answer: str) -> dict:
    responses = _responses(answer, (403, 404, 405, 500))
    return {"get": {"operationId": operation, "summary": summary, "responses": responses}}


def _responses(answer: str, statuses: tuple[int, ...]) -> dict:
    responses = {200: {"description": "OK", "content": _json(_ref(answer))}}
    for status in statuses:
        responses[status] = {"description": _ERRORS[status], "content": _json(_ref(f"Error{status}"))}
    for status, description in _GATEWAY_ERRORS.items():
        responses[status] = {"description": description, "content": _json(_ref("GatewayError"))}
    return {str(status): responses[status] for status in sorted(responses)}


def _object(**properties: object) -> dict:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _codes(codes: object) -> dict:
    return {"type": "string", "enum": list(codes)}


def _json(schema: dict) -> dict:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> dict:
    return {"$ref": f"#/components/schemas/{name}"}


if __name__ == "__main__":
    print(json.dumps(document(RequestSchema(LIMITS)), indent=2))
