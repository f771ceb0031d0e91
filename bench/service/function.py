"""Fresh Python processes with a handler in them, and what the kernel knows of them."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Modules of handlers.
PLAIN, SERVICE = "plain", "burst_ner.handler"

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SERVICE_FOLDER = ROOT / "packages/service"
CACHE = ROOT / ".cache/bench"

#: (start_char, end_char, label)
Span = tuple[int, int, str]


class BenchError(Exception):
    """The benchmark cannot run, or what it measured cannot be compared; one sentence says why."""


@dataclass(frozen=True)
class Answer:
    """One answer; `seconds` is the time in the handler."""

    seconds: float
    headers: dict[str, str]
    body: dict[str, Any]


class Function:
    """One execution environment. A context manager, which ends the process."""

    def __init__(self, module: str, model: Path) -> None:
        """Starts the process and does not wait for it.

        Args:
            module: PLAIN or SERVICE.
            model: the value of SPACY_MODEL_PATH.
        """
        env = _environment() | {"SPACY_MODEL_PATH": str(model), "PYTHONPATH": str(SERVICE_FOLDER)}
        self._module = module
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed in __exit__)
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "invoke.py"), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=env,
        )

    def __enter__(self) -> "Function":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._stderr.close()

    def invoke(self, body: dict[str, Any]) -> Answer:
        """Sends one request; raises BenchError unless it is answered 200."""
        try:
            self._process.stdin.write(json.dumps(body).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and says why below
        line = self._process.stdout.readline()
        if not line:
            self._stderr.seek(0)
            reason = self._stderr.read().decode().strip().splitlines() or ["no message"]
            raise BenchError(f"The handler {self._module} ended without an answer: {reason[-1]}")
        answer = json.loads(line)
        status, body = answer["answer"]["statusCode"], json.loads(answer["answer"]["body"])
        if status != 200:
            raise BenchError(f"The handler {self._module} answered {status} {body}.")
        return Answer(answer["seconds"], answer["answer"]["headers"], body)

    def ask(self, text: str) -> tuple[float, list[Span]]:
        """Seconds in the handler for one text, and its entities."""
        answer = self.invoke({"text": text})
        return answer.seconds, spans(answer.body, text)

    def seconds(self) -> float:
        """Since the process was started."""
        return time.perf_counter() - self._started

    def rss(self) -> float:
        """MB resident now, mapped files included; source: proc(5), /proc/PID/status."""
        return self._status("VmRSS")

    def peak(self) -> float:
        """The most MB that were ever resident; same source."""
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(f"{name}:\\s+([0-9]+) kB", status)[1]) * 1024 / 1e6


def _environment() -> dict[str, str]:
    """Ours, less how many threads someone allows, whether Python keeps bytecode, and what is the function's own."""
    others = re.compile("_NUM_THREADS$|^AWS_|^ORIGIN_|^PYTHON")
    return {name: value for name, value in os.environ.items() if not others.search(name)}


def bare_import() -> float:
    """Seconds from the start of a Python process to the end of `import spacy` in it."""
    started = time.perf_counter()
    code = "import os, spacy; os.write(1, b'.')"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=_environment()) as process:
        process.stdout.read(1)
        seconds = time.perf_counter() - started
    if process.returncode:
        raise BenchError("`import spacy` fails in a fresh process.")
    return seconds


def spans(result: dict[str, Any], text: str) -> list[Span]:
    """The entities of one result.

    Raises:
        BenchError: an error, or an entity that is not what stands there in the text, so that the handler saw another.
    """
    if "error" in result:
        raise BenchError(f"A text got no entities but: {result['error']}")
    for entity in result["entities"]:
        if text[entity["start_char"] : entity["end_char"]] != entity["text"]:
            raise BenchError("A handler answered for another text than it was sent.")
    return [(entity["start_char"], entity["end_char"], entity["label"]) for entity in result["entities"]]


def say(line: str) -> None:
    """Tells on stderr what is being done."""
    print(f"  {line}", file=sys.stderr, flush=True)
