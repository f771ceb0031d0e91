"""Damaged input for each parser in Python and C: it gives a value or its own error, in time.

`python fuzz.py PARSER SEED SECONDS` prints one JSON object: how many inputs, and what was found, null or text.
"""

import contextlib
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import damage
from conftest import call, function_url_event
from fuzz_documents import check_documents
from mutation import changed, damaged

from burst_ner.engine import Engine
from burst_ner.environment import Environment
from burst_ner.errors import SetupError
from burst_ner.event import ForeignEvent
from burst_ner.origin import Origin
from burst_ner.prepared import FORMAT, verify
from burst_ner.service import Service

#: CPU seconds that one input may take.
SLOWEST_S = 5.0

Check = Callable[[random.Random], object]

# ---- The function's events


def event_check(folder: Path) -> Check:
    engine = Engine(damage.make_model(folder))
    model = {"name": "en_tiny", "version": "1.0.0", "digest": "0123456789abcdef" * 4}
    service = Service(engine, Environment(), model=model, origin=Origin(), init_ms=1.0, load_ms=0.5)
    old = {"httpMethod": "POST", "path": "/nlp/ner", "headers": {"Content-Type": "application/json"}}
    old |= {"multiValueHeaders": {"Content-Type": ["application/json"]}, "body": '{"text": "Paris"}'}
    events = [
        function_url_event({"text": "Ada Lovelace lived in London."}),
        function_url_event({"texts": ["Angela Merkel", "", "\ud83d", 5, "Paris. " * 20]}),
        function_url_event("", method="GET", path="/model"),
        function_url_event(body="eyJ0ZXh0IjogIlBhcmlzIn0=", isBase64Encoded=True),
        old,
        {name: value for name, value in old.items() if name != "headers"},
    ]

    def check(rng: random.Random) -> None:
        event = rng.choice(events)
        for _ in range(rng.choice((1, 1, 2, 3))):
            event = changed(rng, event)
        body = event.get("body") if isinstance(event, dict) else None
        if isinstance(body, str) and rng.random() < 0.5:
            event["body"] = damaged(rng, body.encode(errors="replace"), [b"{}"]).decode(errors="replace")
        with contextlib.suppress(ForeignEvent):
            assert call(service, event).status < 500

    return check


# ---- A prepared model's manifest


def prepared_check(folder: Path) -> Check:
    damage.make_model(folder)
    model = (folder / "model.bin").read_bytes()
    manifest = {"format": FORMAT, "runs_on": "engine", "name": "en_tiny", "version": "1.0.0", "labels": ["GPE"]}
    manifest["files"] = {"model.bin": {"sha256": hashlib.sha256(model).hexdigest(), "bytes": len(model)}}
    good = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(good)
    assert verify(folder).on_engine

    def check(rng: random.Random) -> None:
        made = json.dumps(changed(rng, manifest)).encode() if rng.random() < 0.5 else damaged(rng, good, [good])
        (folder / "manifest.json").write_bytes(made)
        try:
            opened = verify(folder)
        except SetupError:
            return
        assert isinstance(opened.name, str)
        assert isinstance(opened.version, str)

    return check


# ----


def run(check: Check, seed: int, seconds: float, most: int = sys.maxsize) -> tuple[int, str | None]:
    """Inputs, one seed each, until the time is over or something is found. Returns how many, and what."""
    until = time.monotonic() + seconds
    count = 0
    while count < most and time.monotonic() < until:
        one = f"{seed}/{count}"
        began = time.process_time()
        try:
            check(random.Random(one))
            took = time.process_time() - began
            assert took < SLOWEST_S, f"it took {took:.1f} s"
        except Exception:
            return count + 1, f"input {one}: {traceback.format_exc(limit=-6)}"
        count += 1
    return count, None


def run_engine(what: str, seed: int, seconds: float, folder: Path) -> tuple[int, str | None]:
    """damage.c, which makes its inputs itself, on both models."""
    driver, inputs = damage.build(folder), 0
    for other in (False, True):
        kept = Path(tempfile.gettempdir()) / f"burst-ner-found-{os.getpid()}.bin"
        (folder / f"{other}").mkdir()
        model = damage.make_model(folder / f"{other}", other=other)
        env = os.environ | {"SEED": str(seed), "FOUND": str(kept)}
        command = [driver, model, what, str(2**62), str(seconds / 2)]
        ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if ended.returncode:
            return inputs, f"seed {seed}, the file is {kept}: {ended.stderr[:4000]}"
        opened, refused, answered, gave_up = (int(number) for number in re.findall(r"\d+", ended.stdout))
        inputs += opened + refused if what == "files" else answered + gave_up
    return inputs, None


CHECKS = {"documents": lambda _: check_documents, "events": event_check, "prepared": prepared_check}


def main() -> None:
    name, seed, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    with tempfile.TemporaryDirectory() as temporary, open(os.devnull, "w") as log, contextlib.redirect_stdout(log):
        if name.startswith("engine-"):
            inputs, found = run_engine(name.removeprefix("engine-"), seed, seconds, Path(temporary))
        else:
            inputs, found = run(CHECKS[name](Path(temporary)), seed, seconds)
    print(json.dumps({"inputs": inputs, "found": found}), file=sys.__stdout__)


if __name__ == "__main__":
    main()
