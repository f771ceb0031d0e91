"""Compares the entities of a prepared model with those of the pipeline that it was made from."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from burst_ner.errors import SetupError
from burst_ner.imports import import_spacy
from burst_ner.model import Pipeline, load_plain
from burst_ner.prepared import PreparedModel

if TYPE_CHECKING:
    from spacy.language import Language

#: Documents that go through each pipeline before the next ones are read.
_BATCH = 64
#: (start_char, end_char, label), code points.
Span = tuple[int, int, str]


@dataclass
class Difference:
    """How the entities of many documents differ from those of a prepared model.

    Attributes:
        documents: how many differ.
        kinds: how many entities are `missing` in the prepared model, are `added` by it, have another `label`, or other
            `bounds` (they overlap one of the other side).
        examples: for the first documents that differ: the line in the file, what only the pipeline has, and what only
            the prepared model has. Places and labels, not the text.
    """

    documents: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[int, list[Span], list[Span]]] = field(default_factory=list)

    def add(self, line: int, theirs: set[Span], ours: set[Span]) -> None:
        """Takes in the entities of one document; `ours` are the prepared model's."""
        if theirs == ours:
            return
        self.documents += 1
        only_theirs, only_ours = sorted(theirs - ours), sorted(ours - theirs)
        self.kinds.update(_kind(span, only_ours, "missing") for span in only_theirs)
        self.kinds["added"] += sum(_kind(span, only_theirs, "added") == "added" for span in only_ours)
        if len(self.examples) < 10:
            self.examples.append((line, only_theirs, only_ours))


@dataclass
class Comparison:
    """What `compare` found.

    Attributes:
        documents: how many were compared.
        entities: how many the prepared model found in them.
        ner_alone: against the pipeline's `ner` by itself, which a prepared model with folded-f32 is to equal.
        full: against the whole pipeline. spaCy's `ner` lets no entity cross a sentence start that a parser set, and
            without the parser there is none, so a few documents differ whatever the prepared model does.
    """

    documents: int = 0
    entities: int = 0
    ner_alone: Difference = field(default_factory=Difference)
    full: Difference = field(default_factory=Difference)


def compare(pipeline: Pipeline, prepared: PreparedModel, texts: Iterator[tuple[int, str]]) -> Comparison:
    """Runs the documents through the prepared model, the pipeline's `ner` and the whole pipeline.

    Args:
        texts: each with its line in the file, as `read_texts` gives them.
    """
    ours, alone = prepared.load(), load_plain(pipeline)
    full = import_spacy().load(pipeline.folder)
    result = Comparison()
    while batch := [line for _, line in zip(range(_BATCH), texts, strict=False)]:
        found = [_entities(nlp, [text for _, text in batch]) for nlp in (ours, alone, full)]
        for (line, _), our_spans, alone_spans, full_spans in zip(batch, *found, strict=True):
            result.documents += 1
            result.entities += len(our_spans)
            result.ner_alone.add(line, alone_spans, our_spans)
            result.full.add(line, full_spans, our_spans)
    return result


def read_texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a file with their line numbers: one a line, or the field `text` of each line of a .jsonl file.

    Raises:
        SetupError: not readable, not UTF-8, or a line without a text.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, _text(path, number, line) if path.suffix == ".jsonl" else line.rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SetupError(f"Cannot read the texts in {path} ({reason}); give a text file, one text a line.") from error


def _text(path: Path, number: int, line: str) -> str:
    with contextlib.suppress(ValueError, TypeError, KeyError):
        text = json.loads(line)["text"]
        if isinstance(text, str):
            return text
    raise SetupError(f"Line {number} of {path} is not a JSON object with a string 'text'; correct it.")


def _entities(nlp: "Language", texts: list[str]) -> list[set[Span]]:
    with nlp.memory_zone():
        return [{(e.start_char, e.end_char, e.label_) for e in doc.ents} for doc in nlp.pipe(texts)]


def _kind(span: Span, others: list[Span], alone: str) -> str:
    start, end, _ = span
    if any(other[:2] == (start, end) for other in others):
        return "label"
    return "bounds" if any(other[0] < end and start < other[1] for other in others) else alone
