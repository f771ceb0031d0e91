"""The JSON request: `{"text": str}` or `{"texts": [str, …]}`, its limits and its errors."""

import json

from .errors import RequestError
from .schema import RequestSchema, broken_keyword


class NerRequest:
    """A request within the limits.

    Attributes:
        texts: the texts in order. With the `text` form one text that can be processed; with `texts` any JSON values,
            each of which `text_error` may refuse.
        many: whether the caller used `texts`, and so gets `results`.
        characters: code points of all strings in `texts`.
    """

    def __init__(self, texts: list, many: bool) -> None:
        self.texts = texts
        self.many = many
        self.characters = sum(len(text) for text in texts if isinstance(text, str))


def parse_request(body: bytes, schema: RequestSchema) -> NerRequest:
    """Reads a request body.

    Raises:
        RequestError: 413 too_large; 400 invalid_json, invalid_text (a missing or unusable `text`) or
            invalid_request (any other shape that the contract does not have).
    """
    most = schema.limits["max_body_bytes"]
    if len(body) > most:
        raise too_large(f"The request body has more than {most:,} bytes; send less text in a request.", schema)
    fields = _parse_json(body)
    if broken_keyword(fields, schema.one_text) == "type":
        raise _invalid("The request body must be a JSON object with 'text' or 'texts'.")
    many = "texts" in fields
    request = NerRequest(_many_texts(fields, schema) if many else [_one_text(fields, schema)], many)
    most = schema.limits["max_characters"]
    if request.characters > most:
        raise too_large(f"The request has more than {most:,} characters of text; send less in a request.", schema)
    return request


def text_error(text: object, schema: RequestSchema) -> dict[str, str] | None:
    """The `{error, code}` of one item of `texts` that cannot be processed, or None."""
    broken = broken_keyword(text, schema.item)
    if broken == "type":
        return {"error": "This item of 'texts' is not a string.", "code": "invalid_text"}
    if broken == "maxLength":
        most = schema.limits["max_text_characters"]
        return {"error": f"This text has more than {most:,} characters; cut it.", "code": "too_large"}
    try:
        text.encode()
    except UnicodeEncodeError as error:
        # JSON can escape half of a UTF-16 pair, which is no character.
        sentence = f"This text has a lone surrogate at character {error.start}; send well-formed Unicode."
        return {"error": sentence, "code": "ill_formed_text"}
    return None


def too_large(sentence: str, schema: RequestSchema) -> RequestError:
    return RequestError("too_large", sentence, limits=schema.limits)


def _one_text(fields: dict, schema: RequestSchema) -> str:
    text = fields.get("text")
    broken = broken_keyword(text, schema.text)
    if broken == "maxLength":
        most = schema.limits["max_text_characters"]
        raise too_large(f"The text has more than {most:,} characters; send it in parts.", schema)
    if broken or text_error(text, schema):
        # The sentence and the status that callers of this form know; its other keys are ignored, as ever.
        raise RequestError("invalid_text", "Missing or invalid 'text' field in request body.")
    return text


def _many_texts(fields: dict, schema: RequestSchema) -> list:
    if "text" in fields:
        raise _invalid("Send either 'text' or 'texts' in the request body, not both.")
    if broken_keyword(fields, schema.many_texts):
        raise _invalid("'texts' must be the only field of the request body; remove the others.")
    broken = broken_keyword(fields["texts"], schema.texts)
    if broken == "maxItems":
        most = schema.limits["max_texts"]
        raise too_large(f"'texts' has more than {most:,} texts; send fewer in a request.", schema)
    if broken:
        raise _invalid("'texts' must be an array of strings.")
    return fields["texts"]


def _parse_json(body: bytes) -> object:
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
