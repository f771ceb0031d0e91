"""`python documents.py FOLDER FILES DOCUMENTS`: Parquet files with documents of 1 KB each, always the same ones."""

import random
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from burst_ner_model.corpus import texts


def document(rng: random.Random, sentences: list[str]) -> str:
    text = ""
    while len(text) < 1_000:
        text += rng.choice(sentences) + " "
    return text[:1_000]


def main() -> None:
    folder, files, documents = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder.mkdir()
    rng = random.Random(0)
    sentences = [text for place, text in texts("en", []) if place.startswith("sentence")]
    for file in range(files):
        ids = list(range(file * documents, (file + 1) * documents))
        table = pa.table({"id": ids, "text": [document(rng, sentences) for _ in ids]})
        pq.write_table(table, folder / f"{file}.parquet")


if __name__ == "__main__":
    main()
