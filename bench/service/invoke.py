"""Drives a handler over pipes: `python invoke.py MODULE`, a body a line in, a line of JSON with the answer out.

What Lambda's runtime does (import the module, then call its handler for one event at a time), without HTTP, so that
what is measured is the handler. Imports nothing that the handlers do not import, too.
"""

import importlib
import json
import os
import sys
import time
from types import SimpleNamespace

answers = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the handler's log
context = SimpleNamespace(
    aws_request_id="bench",
    function_name="spacy-ner-service",
    function_version="$LATEST",
    memory_limit_in_mb="1769",
    get_remaining_time_in_millis=lambda: 30_000,
)
handler = importlib.import_module(sys.argv[1]).handler
for line in sys.stdin:
    event = {
        "version": "2.0",
        "rawPath": "/",
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": "/"}},
        "body": line,
        "isBase64Encoded": False,
    }
    started = time.perf_counter()
    answer = handler(event, context)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "answer": answer}), file=answers, flush=True)
