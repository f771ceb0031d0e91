"""The function of validate.mjs: it does nothing, for as long as a run's function took.

``SPACY_MODEL_PATH`` names a JSON file, all times in ms:

- ``init``: of each cold start, from the start of its first process to the first event
- ``first``: of the request that waited for it
- ``warm``: of each other request
- ``limit``: after which an init is cut, to run again in a second process
"""

import json
import os
import random
import time

ON_DEMAND = os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
INSTANCE = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"][-32:]
# Both processes of an environment whose init was cut draw the same.
RANDOM = random.Random(INSTANCE)


def age_ms() -> float:
    """Since the start of this process; since now where the kernel does not tell."""
    try:
        with open("/proc/self/stat") as file:
            ticks = file.read().rpartition(")")[2].split()[19]
        return 1000 * (time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK"))
    except OSError:
        return 0


file_name = os.environ["SPACY_MODEL_PATH"]
with open(file_name) as file:
    TIMES = json.load(file)
init_ms = RANDOM.choice(TIMES["init"])
if ON_DEMAND:
    cut = os.path.exists(f"{file_name}.{INSTANCE}")
    open(f"{file_name}.{INSTANCE}", "w").close()
    time.sleep(max(0, init_ms - TIMES["limit"] * cut - age_ms()) / 1000)
cold = ON_DEMAND


def handler(event: dict, context: object) -> dict:
    """Waits, and says of itself what this project's function does, with the times that it should take."""
    global cold
    was_cold, cold = cold, False
    wait_ms = TIMES["first"] if was_cold else RANDOM.choice(TIMES["warm"])
    time.sleep(wait_ms / 1000)
    headers = {
        "content-type": "application/json",
        "x-ner-instance": INSTANCE,
        "x-ner-cold-start": str(int(was_cold)),
        "x-ner-init-type": "on-demand" if ON_DEMAND else "provisioned",
        "server-timing": f"init;dur={init_ms:.1f}, ner;dur={wait_ms:.1f}",
    }
    return {"statusCode": 200, "headers": headers, "body": '{"entities":[]}'}
