"""Entities by spaCy itself and by the service, for a program on the other side of a pipe.

Reads lines `{"by": "spacy" or "service", "texts": […]}`; answers each with a line, the array of the texts' entities in
the service's form.
"""

import json
import sys

from burst_ner.imports import import_spacy
from burst_ner.opening import load


def main() -> None:
    """`python recognize.py PIPELINE MODEL`, with packages/service in PYTHONPATH; ends with its input."""
    spacy, (service, _) = import_spacy().load(sys.argv[1]), load(sys.argv[2])

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
            found = service.recognize(request["texts"], 600)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
