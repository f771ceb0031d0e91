"""The batch worker, as Lambda runs it: each invocation is a process of its own, which may be killed.

Serves on loopback for as long as standard input is open, and prints its URL. A POST is an event; the answer is
`{"payload": …}`, or `{"error": …}` when the handler raised. TROUBLE may hold JSON: `kill`, `lose` and `slow_down` are
the shares of invocations that are killed within `within` s, that end without an answer, and of calls of S3 that get
503 SlowDown; `seed` makes them the same again; `seconds` is the time that an invocation has.
"""

import json
import os
import random
import signal
import socketserver
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler

from botocore.awsrequest import AWSResponse

from burst_ner import batch

TROUBLE = {"kill": 0, "lose": 0, "slow_down": 0, "within": 0.2, "seed": 1, "seconds": 900}
TROUBLE |= json.loads(os.environ.get("TROUBLE", "{}"))
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Raw:
    def stream(self, **_):
        yield SLOW_DOWN


class Context:
    def __init__(self):
        self._until = time.monotonic() + TROUBLE["seconds"]

    def get_remaining_time_in_millis(self):
        return (self._until - time.monotonic()) * 1000


class Invocation(BaseHTTPRequestHandler):
    def do_POST(self):  # in a child process
        chance = random.Random(f"{TROUBLE['seed']} {self.server.invocations}")
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))

        def slow_down(request, **_):
            if chance.random() < TROUBLE["slow_down"]:
                return AWSResponse(request.url, 503, {"content-type": "application/xml"}, Raw())

        batch._worker._storage._client.meta.events.register("before-send.s3", slow_down)
        lost = chance.random() < TROUBLE["lose"]
        if chance.random() < TROUBLE["kill"]:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.001, TROUBLE["within"]))  # ends the process
        try:
            answer = {"payload": batch.handler(event, Context())}
        except Exception as error:
            stack = traceback.format_tb(error.__traceback__)
            answer = {"error": {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": stack}}
        if lost:
            return
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ForkingTCPServer):
    allow_reuse_address = True
    request_queue_size = 200
    max_children = 200
    invocations = 0

    def process_request(self, request, client_address):
        self.invocations += 1
        super().process_request(request, client_address)


signal.signal(signal.SIGALRM, signal.SIG_DFL)
server = Server(("127.0.0.1", 0), Invocation)
print("http://{}:{}".format(*server.server_address), flush=True)
sys.stdout = sys.stderr  # the function's own line is its log


def end_with_standard_input():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_standard_input, daemon=True).start()
server.serve_forever()
