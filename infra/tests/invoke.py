"""Calls a function's handler once, as Lambda would: `python invoke.py MODULE.HANDLER`, the event on standard input.

Prints what Lambda answers as one line of JSON: `{"payload": …}`, or `{"error": …}` when the handler raised.
"""

import contextlib
import importlib
import json
import sys
import traceback


class Context:
    function_name = "test"
    function_version = "1"
    memory_limit_in_mb = "1769"
    aws_request_id = "00000000-0000-4000-8000-000000000000"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:test"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


module, _, name = sys.argv[1].rpartition(".")
with contextlib.redirect_stdout(sys.stderr):  # the function's own prints are its log
    try:
        handler = getattr(importlib.import_module(module), name)
        answer = {"payload": handler(json.load(sys.stdin), Context())}
    except Exception as error:
        stack = traceback.format_tb(error.__traceback__)
        answer = {"error": {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": stack}}
print(json.dumps(answer))
