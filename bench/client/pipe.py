"""Many texts in one process, timed, without HTTP or Lambda: by spaCy's `nlp.pipe`, or by the service's recognizer.

Reads lines, each a JSON array of texts; answers each with a line, the ms that their entities took.
"""

import json
import sys
import time

from burst_ner.imports import import_spacy
from burst_ner.opening import load


def main() -> None:
    """`python pipe.py MODEL pipe|recognizer`, with packages/service in PYTHONPATH; ends with its input."""
    recognizer = load(sys.argv[1])[0] if sys.argv[2] == "recognizer" else None
    nlp = None if recognizer else import_spacy().load(sys.argv[1])
    for line in sys.stdin:
        texts = json.loads(line)
        begun = time.perf_counter()
        if recognizer:
            recognizer.recognize(texts, 600)
        else:
            with nlp.memory_zone():
                for doc in nlp.pipe(texts):
                    [(entity.text, entity.label_, entity.start_char, entity.end_char) for entity in doc.ents]
        print(1000 * (time.perf_counter() - begun), flush=True)


if __name__ == "__main__":
    main()
