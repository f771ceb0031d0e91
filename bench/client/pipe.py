"""`nlp.pipe` over many texts, timed: what one process of the service can do at most, without HTTP, JSON or Lambda.

Reads lines, each a JSON array of texts; answers each with a line, the ms that their entities took.
"""

import json
import sys
import time
from pathlib import Path

from burst_ner.model import load


def main() -> None:
    """`python pipe.py MODEL`, with packages/service in PYTHONPATH; ends with its input."""
    nlp, _ = load(Path(sys.argv[1]))
    for line in sys.stdin:
        texts = json.loads(line)
        begun = time.perf_counter()
        with nlp.memory_zone():
            for doc in nlp.pipe(texts):
                [(entity.text, entity.label_, entity.start_char, entity.end_char) for entity in doc.ents]
        print(1000 * (time.perf_counter() - begun), flush=True)


if __name__ == "__main__":
    main()
