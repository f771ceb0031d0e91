"""What stays of requests in memory, on the engine: a bounded number of bytes, whatever they held."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SERVICE = Path(__file__).parent.parent

GROW = """
import json, random, sys
from burst_ner.opening import load

def megabytes(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name))

recognizer, _ = load(sys.argv[1])
draw = random.Random(1)

def words(count):
    return " ".join("".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 12))) for _ in range(count))

def hostile():
    unit = draw.choice(["(", "=", "a-", "\U0001f600", " ", "\\n", "a b ", "\u0301", "user@:", "1km", "."])
    return (unit * 40_000)[: draw.choice([1_000, 40_000])]

for _ in range(300):
    recognizer.recognize([words(100)], 60)
warm = megabytes("VmRSS")
for _ in range(700):
    recognizer.recognize([words(100)], 60)
later = megabytes("VmRSS")
for _ in range(30):
    recognizer.recognize([hostile()], 60)
print(json.dumps([warm, later, megabytes("VmRSS"), megabytes("VmHWM")]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_where_it_is(prepared_path):
    command = [sys.executable, "-c", GROW, str(prepared_path)]
    run = subprocess.run(command, cwd=SERVICE, capture_output=True, text=True, check=True)
    warm, later, after_hostile, peak = json.loads(run.stdout)
    assert later - warm <= 3
    assert after_hostile <= 80
    assert peak <= 80
