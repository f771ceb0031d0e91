"""The JSON request: `{"text": str}` or `{"texts": [str, …]}`, its limits and its errors."""

import json
from dataclasses import dataclass
from typing import Any

from .errors import RequestError
from .schema import (
    ITEM,
    LIMITS,
    MANY_TEXTS,
    MAX_BODY_BYTES,
    MAX_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    MAX_TEXTS,
    ONE_TEXT,
    TEXT,
    TEXTS,
    broken_keyword,
)


@dataclass(frozen=True)
class NerRequest:
    """A request within the limits.

    Attributes:
        texts: the texts in order. With the `text` form one text that can be processed; with `texts` any JSON values,
            each of which `text_error` may refuse.
        many: whether the caller used `texts`, and so gets `results`.
        characters: code points of all strings in `texts`.
    """

    texts: list[Any]
    many: bool
    characters: int


def parse_request(body: bytes) -> NerRequest:
    """Reads a request body.

    Raises:
        RequestError: 413 too_large; 400 invalid_json, invalid_text (a missing or unusable `text`) or
            invalid_request (any other shape that the contract does not have).
    """
    if len(body) > MAX_BODY_BYTES:
        raise too_large(f"The request body has more than {MAX_BODY_BYTES:,} bytes; send less text in a request.")
    fields = _parse_json(body)
    if broken_keyword(fields, ONE_TEXT) == "type":
        raise _invalid("The request body must be a JSON object with 'text' or 'texts'.")
    many = "texts" in fields
    texts = _many_texts(fields) if many else [_one_text(fields)]
    characters = sum(len(text) for text in texts if isinstance(text, str))
    if characters > MAX_CHARACTERS:
        raise too_large(f"The request has more than {MAX_CHARACTERS:,} characters of text; send less in a request.")
    return NerRequest(texts, many, characters)


def text_error(text: Any) -> dict[str, str] | None:
    """The `{error, code}` of one item of `texts` that cannot be processed, or None."""
    broken = broken_keyword(text, ITEM)
    if broken == "type":
        return {"error": "This item of 'texts' is not a string.", "code": "invalid_text"}
    if broken == "maxLength":
        return {"error": f"This text has more than {MAX_TEXT_CHARACTERS:,} characters; cut it.", "code": "too_large"}
    try:
        text.encode()
    except UnicodeEncodeError as error:
        # JSON can escape half of a UTF-16 pair, which is no character: spaCy cannot encode it.
        sentence = f"This text has a lone surrogate at character {error.start}; send well-formed Unicode."
        return {"error": sentence, "code": "ill_formed_text"}
    return None


def too_large(sentence: str) -> RequestError:
    return RequestError("too_large", sentence, limits=LIMITS)


def _one_text(fields: dict[str, Any]) -> str:
    text = fields.get("text")
    broken = broken_keyword(text, TEXT)
    if broken == "maxLength":
        raise too_large(f"The text has more than {MAX_TEXT_CHARACTERS:,} characters; send it in parts.")
    if broken or text_error(text):
        # The sentence and the status that callers of this form know; its other keys are ignored, as ever.
        raise RequestError("invalid_text", "Missing or invalid 'text' field in request body.")
    return text


def _many_texts(fields: dict[str, Any]) -> list[Any]:
    if "text" in fields:
        raise _invalid("Send either 'text' or 'texts' in the request body, not both.")
    if broken_keyword(fields, MANY_TEXTS):
        raise _invalid("'texts' must be the only field of the request body; remove the others.")
    broken = broken_keyword(fields["texts"], TEXTS)
    if broken == "maxItems":
        raise too_large(f"'texts' has more than {MAX_TEXTS:,} texts; send fewer in a request.")
    if broken:
        raise _invalid("'texts' must be an array of strings.")
    return fields["texts"]


def _parse_json(body: bytes) -> Any:
    try:
        return _JSON.decode(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise RequestError("invalid_json", "Invalid JSON in request body.") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity, which Python reads and JSON does not have


# Numbers are never used: as floats, thousands of digits neither cost time nor meet Python's limit for int.
_JSON = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)


def _invalid(sentence: str) -> RequestError:
    return RequestError("invalid_request", sentence)
