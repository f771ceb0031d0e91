"""Events of a Lambda Function URL (payload 2.0) and of Kong's aws-lambda plugin (1.0; since Kong 3.12 2.0, too)."""

import base64
import re
from typing import Any

from .errors import RequestError

#: Where the gateway has the function. Behind a Function URL it takes this away; its plugin may leave it.
_ROUTE = re.compile(r"^.*/nlp/ner(?=/|$)", re.ASCII)


class Event:
    """What one event says. An event of another shape reads as an empty request, never as an exception.

    Source of the fields: AWS Lambda Developer Guide, "Request and response payloads" of Function URLs; Amazon API
    Gateway Developer Guide, "Payload format version"; kong/plugins/aws-lambda/request-util.lua of Kong 3.9.
    """

    def __init__(self, event: Any) -> None:
        self._event = _object(event)
        http = _object(_object(self._event.get("requestContext")).get("http"))
        self.method = str(http.get("method") or self._event.get("httpMethod") or "")
        self.path = _ROUTE.sub("", str(self._event.get("rawPath") or self._event.get("path") or "/")) or "/"
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
