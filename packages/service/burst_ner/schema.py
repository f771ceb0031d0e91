"""The contract's limits and shapes, as JSON Schema: requests are checked against them, and openapi.json shows them."""

#: Of a request, where the engine runs the model: a body of any texts, as far as the clock allows.
LIMITS = {
    "max_body_bytes": 1_048_576,
    "max_texts": 1_024,
    # Unicode code points of all texts together, and of one: a body cannot hold more.
    "max_characters": 1_048_576,
    "max_text_characters": 1_048_576,
    # Bytes of an answer as Lambda counts them against its own limit of 6 MB: the body as a JSON string within JSON.
    "max_answer_bytes": 5_000_000,
}
#: Where spaCy runs it: what it can bear in time and memory (docs/decisions/limits.md).
SPACY_LIMITS = LIMITS | {"max_characters": 250_000, "max_text_characters": 40_000}

_TYPES = {"string": str, "array": list, "object": dict}


class RequestSchema:
    """The schemas of a request within some limits.

    Attributes:
        limits: LIMITS or SPACY_LIMITS.
        text, item: one text, alone or among many.
        texts: many.
        one_text, many_texts: the two forms of a request.
    """

    def __init__(self, limits: dict[str, int]) -> None:
        self.limits = limits
        self.item = {"type": "string", "maxLength": limits["max_text_characters"]}
        self.text = self.item | {"minLength": 1}
        self.texts = {"type": "array", "maxItems": limits["max_texts"], "items": self.item}
        self.one_text = {
            "description": "One text. Other fields are ignored, but for `texts`, which makes it the other form.",
            "type": "object",
            "properties": {"text": self.text},
            "required": ["text"],
            "not": {"required": ["texts"]},
        }
        self.many_texts = {
            "description": f"Many texts, {limits['max_characters']:,} Unicode code points together at most.",
            "type": "object",
            "properties": {"texts": self.texts},
            "required": ["texts"],
            "additionalProperties": False,
        }


def broken_keyword(value: object, schema: dict) -> str | None:
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
