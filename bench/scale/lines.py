"""`python lines.py FILE DOCUMENTS`: JSON Lines of documents of 1 KB, always the same ones."""

import json
import random
import sys
from pathlib import Path

from burst_ner_model.corpus import texts


def main() -> None:
    rng = random.Random(0)
    sentences = [text for place, text in texts("en", []) if place.startswith("sentence")]
    lines = []
    for number in range(int(sys.argv[2])):
        text = ""
        while len(text) < 1_000:
            text += rng.choice(sentences) + " "
        lines.append(json.dumps({"id": number, "text": text[:1_000]}) + "\n")
    Path(sys.argv[1]).write_text("".join(lines))


if __name__ == "__main__":
    main()
