"""Lambda Function URL events (payload format 2.0)."""

import base64
from typing import Any

from .errors import RequestError


class Event:
    """What one Function URL event says. An event of another shape reads as an empty request, never as an exception.

    Source of the fields: AWS Lambda Developer Guide, "Request and response payloads" of Function URLs.
    """

    def __init__(self, event: Any) -> None:
        self._event = _object(event)
        http = _object(_object(self._event.get("requestContext")).get("http"))
        self.method = str(http.get("method", ""))
        self.path = str(self._event.get("rawPath") or "/")
        self._headers = {str(name).lower(): value for name, value in _object(self._event.get("headers")).items()}

    def header(self, name: str) -> str:
        """The header's value, or an empty string; `name` in lower case."""
        value = self._headers.get(name)
        return value if isinstance(value, str) else ""

    def body(self) -> bytes:
        """The bytes that the caller sent.

        AWS sends bodies of any content type that it does not take for text as base64.

        Raises:
            RequestError: invalid_json when the event's body is neither UTF-8 text nor base64, so no JSON either.
        """
        body = self._event.get("body")
        if not isinstance(body, str):
            return b""
        try:
            return base64.b64decode(body, validate=True) if self._event.get("isBase64Encoded") else body.encode()
        except ValueError:
            raise RequestError("invalid_json", "Invalid JSON in request body.") from None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
