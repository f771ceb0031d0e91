"""The two ways to fail: a request that cannot be served, and an environment that cannot serve."""

from collections.abc import Mapping

#: The contract's codes of a whole request, and the HTTP status of each.
STATUS = {
    "invalid_json": 400,
    "invalid_text": 400,
    "invalid_request": 400,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "too_large": 413,
    "unsupported_encoding": 415,
    "internal": 500,
    "model_unavailable": 503,
}

#: The contract's codes of one text among many.
ITEM_CODES = ("invalid_text", "ill_formed_text", "too_large", "deadline_exceeded", "response_too_large", "internal")


class RequestError(Exception):
    """A request that gets an answer other than 200.

    Neither the sentence nor the code ever quotes the request: texts are personal data.

    Attributes:
        status: the HTTP status.
        code: the machine-readable code, of STATUS.
        sentence: one sentence for people.
        headers: further response headers, such as `allow` with 405.
        fields: further top-level fields of the answer, such as `limits` with 413.
    """

    def __init__(self, code: str, sentence: str, *, headers: Mapping[str, str] | None = None, **fields: object) -> None:
        super().__init__(sentence)
        self.status = STATUS[code]
        self.code = code
        self.sentence = sentence
        self.headers = dict(headers or {})
        self.fields = fields


class SetupError(Exception):
    """A model or a setting that the service cannot start with; one sentence says which, and what to do."""


class PartError(Exception):
    """A part of a batch that no repetition would mend; one sentence says what is wrong, and what to do."""
