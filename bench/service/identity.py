"""Whether the service finds the entities that spaCy finds."""

from collections.abc import Callable
from pathlib import Path

import spacy

from documents import fortunes
from figure import Figure, Must, Row
from function import PLAIN, SERVICE, Function, Span, spans

BATCH = 100


def measure(name: str, pipeline: Path, prepared: dict[str, Path], every: int, say: Callable[[str], None]) -> list[Row]:
    """Compares on every `every`-th of Debian's fortunes.

    Args:
        name: of the pipeline, for the table.
        pipeline: its folder.
        prepared: the folders of the models made of it, by the mode of their vectors.
    """
    documents = fortunes()[::every]
    say(f"entities of {name} in {len(documents):,} documents …")
    alone = ner_alone(pipeline, documents)
    raw = served(pipeline, documents)
    with Function(PLAIN, pipeline) as function:
        full = [function.ask(text)[1] for text in documents]
    alone_name, full_name = "the pipeline's `ner` alone", "the full pipeline"
    rows = [_row(f"{alone_name}, raw vectors", name, raw, alone, Must("=", 100, "%"))]
    for mode, folder in prepared.items():
        ours = served(folder, documents)
        must = Must("≥", 99.9, "%") if mode == "folded-f16" else Must("=", 100, "%")
        rows.append(_row(f"{alone_name}, {mode}", name, ours, alone, must))
        rows.append(_row(f"{full_name}, {mode}", name, ours, full))
    return rows


def ner_alone(pipeline: Path, documents: list[str]) -> list[list[Span]]:
    """What spaCy's own code finds without the pipeline's other components."""
    nlp = spacy.load(pipeline)
    for component in nlp.component_names:
        if component != "ner":
            nlp.remove_pipe(component)
    return [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in nlp.pipe(documents)]


def served(model: Path, documents: list[str]) -> list[list[Span]]:
    """What this service answers."""
    found = []
    with Function(SERVICE, model) as function:
        for at in range(0, len(documents), BATCH):
            texts = documents[at : at + BATCH]
            results = function.invoke({"texts": texts}).body["results"]
            found += [spans(result, text) for result, text in zip(results, texts, strict=True)]
    return found


def _row(what: str, name: str, ours: list[list[Span]], theirs: list[list[Span]], must: Must | None = None) -> Row:
    differ = sum(a != b for a, b in zip(ours, theirs, strict=True))
    same = Figure.exact(100 * (1 - differ / len(theirs)))
    note = f"{differ:,} of {len(theirs):,} differ; {sum(map(len, theirs)):,} entities"
    return Row(f"documents with the entities of {what}", name, "%", None, same, None, must, note)
