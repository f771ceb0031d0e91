"""Drives a Lambda handler over the Runtime API where awslambdaric has no native client (macOS).

Usage: python compat_runtime.py MODULE.FUNCTION, with AWS_LAMBDA_RUNTIME_API and the variables that Lambda sets.
"""

import http.client
import importlib
import json
import os
import sys
import time
import traceback

PREFIX = "/2018-06-01/runtime"


class Context:
    """What a handler gets as its second argument: the part of Lambda's context object that does not need AWS."""

    def __init__(self, request_id: str, deadline_ms: int, function_arn: str) -> None:
        self.aws_request_id = request_id
        self.invoked_function_arn = function_arn
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = None
        self.identity = None
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function time-out, never below 0."""
        return max(0, self._deadline_ms - int(time.time() * 1000))


def call(api, method, path, body=None):
    """One call to the Runtime API: (headers, body)."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    api.request(method, PREFIX + path, body, headers)
    response = api.getresponse()
    return response.headers, response.read()


def describe(error) -> bytes:
    """The error in the Runtime API's shape, JSON."""
    result = {"errorMessage": str(error), "errorType": type(error).__name__}
    return json.dumps({**result, "stackTrace": traceback.format_tb(error.__traceback__)}).encode()


def main() -> None:
    """Imports the handler, then serves one event after the other until the process is killed."""
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    sys.path.insert(0, os.getcwd())
    sys.stdout.reconfigure(line_buffering=True)
    module, _, function = sys.argv[1].rpartition(".")
    try:
        handler = getattr(importlib.import_module(module), function)
    except Exception as error:
        traceback.print_exc()
        call(api, "POST", "/init/error", describe(error))
        sys.exit(1)
    while True:
        headers, event = call(api, "GET", "/invocation/next")
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])
        context = Context(request_id, deadline_ms, headers["Lambda-Runtime-Invoked-Function-Arn"])
        try:
            result = json.dumps(handler(json.loads(event), context)).encode()
        except Exception as error:
            traceback.print_exc()
            call(api, "POST", f"/invocation/{request_id}/error", describe(error))
        else:
            call(api, "POST", f"/invocation/{request_id}/response", result)


if __name__ == "__main__":
    main()
