"""The two ways to fail: a request that cannot be served, and an environment that cannot serve."""

from typing import Any


class RequestError(Exception):
    """A request that gets an answer other than 200.

    Neither the sentence nor the code ever quotes the request: texts are personal data.

    Attributes:
        status: the HTTP status, 4xx.
        code: the machine-readable code of the contract.
        sentence: one sentence for people.
        fields: further top-level fields of the answer, such as `limits` with 413.
    """

    def __init__(self, status: int, code: str, sentence: str, **fields: Any) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence
        self.fields = fields


class SetupError(Exception):
    """A model or a setting that the service cannot start with; one sentence says which, and what to do."""
