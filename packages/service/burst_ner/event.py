"""HTTP requests as Lambda gets them.

Payload 2.0 comes from a Function URL or an HTTP API; payload 1.0 from a REST API, a load balancer, or Kong's plugin
aws-lambda.
"""

import base64

from .errors import RequestError

#: Where the function is at the gateway. A gateway may leave this in the path or take it off.
PREFIX = "/nlp/ner"


class ForeignEvent(Exception):
    """An event that is no HTTP request. Whoever sent it reads no answer: only an error tells that nothing was done."""


class Event:
    """What one HTTP event says. A field that is missing or of another type reads as empty.

    Sources of the fields: AWS Lambda Developer Guide, "Request and response payloads" of Function URLs; Amazon API
    Gateway Developer Guide, "Input format of a Lambda function for proxy integration"; Elastic Load Balancing, "Lambda
    functions as targets"; Kong's aws-lambda plugin with `awsgateway_compatible`.
    """

    def __init__(self, event: object) -> None:
        """
        Raises:
            ForeignEvent: for example a message of a queue, or a test from the console.
        """
        self._event = _object(event)
        http = _object(_object(self._event.get("requestContext")).get("http"))
        method = self._event.get("httpMethod", http.get("method"))
        if not isinstance(method, str):
            raise ForeignEvent(
                "This function answers HTTP requests and nothing else: send it an event of payload 1.0 or 2.0, as a "
                "Function URL or API Gateway makes it. Nothing was done with this event."
            )
        self.method = method
        # A load balancer that is set to "multi-value headers" sends, and reads, no others.
        self.multi_value = "headers" not in self._event and "multiValueHeaders" in self._event
        headers = _object(self._event.get("multiValueHeaders" if self.multi_value else "headers"))
        self._headers = {name.lower(): _last(value) for name, value in headers.items()}
        self.path = self._path()

    def header(self, name: str) -> str:
        """The header's value, or an empty string; `name` in lower case."""
        return self._headers.get(name, "")

    def body(self) -> bytes:
        """The bytes that the caller sent.

        AWS sends bodies of any content type that it does not take for text as base64.

        Raises:
            RequestError: invalid_json when the event's body is neither UTF-8 text nor base64, so no JSON either.
        """
        body = self._event.get("body")
        if not isinstance(body, str):
            return b""
        # Events made by hand have it as text, too.
        encoded = str(self._event.get("isBase64Encoded")).lower() == "true"
        try:
            return base64.b64decode(body, validate=True) if encoded else body.encode()
        except ValueError:
            raise RequestError("invalid_json", "Invalid JSON in request body.") from None

    def _path(self) -> str:
        """The path behind PREFIX, before which a stage may be; "/" for PREFIX itself; else the whole path."""
        path = str(self._event.get("rawPath") or self._event.get("path") or "/")
        _, found, rest = path.partition(PREFIX)
        return (rest or "/") if found and rest[:1] in ("", "/") else path


def _object(value: object) -> dict:
    return value if isinstance(value, dict) else {}


def _last(value: object) -> str:
    if isinstance(value, list) and value:
        value = value[-1]
    return value if isinstance(value, str) else ""
