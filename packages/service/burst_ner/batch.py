"""The entry point of the batch worker, which Step Functions calls: `burst_ner.batch.handler`.

It is the same zip and the same model as handler.py's, which says when the model is opened and what a failure does.
"""

import json
import os
import sys

from .errors import SetupError
from .opening import load
from .part import Worker
from .service import told
from .storage import open_storage


def handler(event: dict, context: object) -> dict:
    """Does a part of a batch; part.py says what of. Prints one line, which quotes nothing of the documents."""
    log: dict = {"part": event["part"]["name"], "start": event["part"]["start"]}
    answer = _worker.run(event, context.get_remaining_time_in_millis() / 1000, lambda error: log.update(told(error)))
    print(json.dumps(log | {"done": answer["done"], "next": answer["part"]["start"]}), flush=True)
    return answer


def _open() -> Worker:
    folder = os.environ.get("SPACY_MODEL_PATH", "")
    recognizer, source = load(folder)
    return Worker(
        open_storage(),
        recognizer,
        f"{source.name}/{source.version}/{source.digest()[:12]}",
        size={"memory": os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ""), "machine": os.uname().machine},
    )


try:
    _worker = _open()
except SetupError as error:
    print(f"burst-ner: SPACY_MODEL_PATH: {error}", file=sys.stderr, flush=True)
    raise
