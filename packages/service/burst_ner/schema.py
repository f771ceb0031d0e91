"""The contract's limits and shapes, as JSON Schema: requests are checked against them, and openapi.json shows them."""

from typing import Any

MAX_BODY_BYTES = 1_048_576
MAX_TEXTS = 1_024
#: Unicode code points of all texts of one request together.
MAX_CHARACTERS = 250_000
#: Unicode code points of one text: what one run of the pipeline can bear in time and memory (docs/decisions/limits.md).
MAX_TEXT_CHARACTERS = 40_000
#: Bytes of an answer as Lambda counts them against its own limit of 6 MB: the body as a JSON string within JSON.
MAX_ANSWER_BYTES = 5_000_000

LIMITS = {
    "max_body_bytes": MAX_BODY_BYTES,
    "max_texts": MAX_TEXTS,
    "max_characters": MAX_CHARACTERS,
    "max_text_characters": MAX_TEXT_CHARACTERS,
    "max_answer_bytes": MAX_ANSWER_BYTES,
}

TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_CHARACTERS}
ITEM = {"type": "string", "maxLength": MAX_TEXT_CHARACTERS}
TEXTS = {"type": "array", "maxItems": MAX_TEXTS, "items": ITEM}

ONE_TEXT = {
    "description": "One text. Other fields are ignored, but for `texts`, which makes it the other form.",
    "type": "object",
    "properties": {"text": TEXT},
    "required": ["text"],
    "not": {"required": ["texts"]},
}
MANY_TEXTS = {
    "description": f"Many texts, {MAX_CHARACTERS:,} Unicode code points together at most.",
    "type": "object",
    "properties": {"texts": TEXTS},
    "required": ["texts"],
    "additionalProperties": False,
}

_TYPES: dict[str, type] = {"string": str, "array": list, "object": dict}


def broken_keyword(value: Any, schema: dict[str, Any]) -> str | None:
    """The first keyword of a schema that a value breaks, or None.

    It looks at the value alone and not at what is inside it: an item of `texts` that does not fit is an error of that
    item. The keywords are those that the schemas of this module use.
    """
    if not isinstance(value, _TYPES[schema["type"]]):
        return "type"
    size = len(value)
    if size < schema.get("minLength", 0):
        return "minLength"
    for most in ("maxLength", "maxItems"):
        if size > schema.get(most, size):
            return most
    if any(name not in value for name in schema.get("required", ())):
        return "required"
    if schema.get("additionalProperties") is False and value.keys() - schema["properties"].keys():
        return "additionalProperties"
    return None
