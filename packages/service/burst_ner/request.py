"""The JSON request: `{"text": str}` or `{"texts": [str, …]}`, its limits and its errors."""

import json
from dataclasses import dataclass
from typing import Any

from .errors import RequestError

MAX_BODY_BYTES = 1_048_576
MAX_TEXTS = 1_024
#: Unicode code points of all texts of one request together.
MAX_CHARACTERS = 250_000

LIMITS = {"max_body_bytes": MAX_BODY_BYTES, "max_texts": MAX_TEXTS, "max_characters": MAX_CHARACTERS}


@dataclass(frozen=True)
class NerRequest:
    """A request within the limits.

    Attributes:
        texts: the texts in order. With the `text` form one well-formed string; with `texts` any JSON values, each of
            which `text_error` may refuse.
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
        raise _too_large(f"The request body has more than {MAX_BODY_BYTES:,} bytes; send less text in a request.")
    fields = _parse_object(body)
    many = "texts" in fields
    if not many:
        # The sentence and the status that callers of the one-text form know; its other keys are ignored, as ever.
        text = fields.get("text")
        if not text or text_error(text):
            raise RequestError(400, "invalid_text", "Missing or invalid 'text' field in request body.")
        texts = [text]
    elif "text" in fields:
        raise _invalid("Send either 'text' or 'texts' in the request body, not both.")
    elif len(fields) > 1:
        raise _invalid("'texts' must be the only field of the request body; remove the others.")
    else:
        texts = fields["texts"]
        if not isinstance(texts, list):
            raise _invalid("'texts' must be an array of strings.")
        if len(texts) > MAX_TEXTS:
            raise _too_large(f"'texts' has more than {MAX_TEXTS:,} texts; send fewer in a request.")
    characters = sum(len(text) for text in texts if isinstance(text, str))
    if characters > MAX_CHARACTERS:
        raise _too_large(f"The request has more than {MAX_CHARACTERS:,} characters of text; send less in a request.")
    return NerRequest(texts, many, characters)


def text_error(text: Any) -> dict[str, str] | None:
    """The `{error, code}` of one item of `texts` that cannot be processed, or None for a well-formed string."""
    if not isinstance(text, str):
        return {"error": "This item of 'texts' is not a string.", "code": "invalid_text"}
    try:
        text.encode()
    except UnicodeEncodeError as error:
        # JSON can escape half of a UTF-16 pair, which is no character: spaCy cannot encode it.
        sentence = f"This text has a lone surrogate at character {error.start}; send well-formed Unicode."
        return {"error": sentence, "code": "ill_formed_text"}
    return None


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        # Numbers are never used: as floats, thousands of digits neither cost time nor meet Python's limit for int.
        fields = json.loads(body.decode("utf-8-sig"), parse_int=float, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise RequestError(400, "invalid_json", "Invalid JSON in request body.") from None
    if not isinstance(fields, dict):
        raise _invalid("The request body must be a JSON object with 'text' or 'texts'.")
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity, which Python reads and JSON does not have


def _invalid(sentence: str) -> RequestError:
    return RequestError(400, "invalid_request", sentence)


def _too_large(sentence: str) -> RequestError:
    return RequestError(413, "too_large", sentence, limits=LIMITS)
