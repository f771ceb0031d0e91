"""Entities by spaCy itself and by the service, for a program on the other side of a pipe.

Reads lines `{"by": "spacy" or "service", "texts": […]}`; answers each with a line, the array of the texts' entities in
the service's form.
"""

import json
import sys
from pathlib import Path

from burst_ner.model import load
from burst_ner.recognizer import Recognizer, batches


def main() -> None:
    """`python recognize.py MODEL`, with packages/service in PYTHONPATH; ends with its input."""
    # Two: the recognizer may change the pipeline that it is given.
    spacy, service = load(Path(sys.argv[1]))[0], Recognizer(load(Path(sys.argv[1]))[0])

    def by_spacy(text: str) -> list[dict[str, str | int]]:
        with spacy.memory_zone():
            return [
                {"text": e.text, "label": e.label_, "start_char": e.start_char, "end_char": e.end_char}
                for e in spacy(text).ents
            ]

    for line in sys.stdin:
        request = json.loads(line)
        if request["by"] == "spacy":
            found = [by_spacy(text) for text in request["texts"]]
        else:
            found = [entities for batch in batches(request["texts"]) for entities in service.recognize(batch)]
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
