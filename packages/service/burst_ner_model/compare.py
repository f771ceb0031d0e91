"""Counts how the entities that the function answers differ from those of a pipeline."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from burst_ner.errors import SetupError
from burst_ner.recognizer import Recognizer

from .proof import Span, compared

if TYPE_CHECKING:
    from spacy.language import Language


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
        entities: how many the function answered for them.
        difference: from the pipeline.
    """

    documents: int = 0
    entities: int = 0
    difference: Difference = field(default_factory=Difference)


def compare(nlp: "Language", recognizer: Recognizer, texts: Iterable[tuple[int, str]]) -> Comparison:
    """Counts the documents for which the function would answer other entities than a pipeline has.

    Args:
        texts: each with its line in the file, as `read_texts` gives them.
    """
    result = Comparison()
    for line, theirs, ours in compared(nlp, recognizer, texts):
        result.documents += 1
        result.entities += len(ours)
        result.difference.add(line, set(theirs), set(ours))
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


def _kind(span: Span, others: list[Span], alone: str) -> str:
    start, end, _ = span
    if any(other[:2] == (start, end) for other in others):
        return "label"
    return "bounds" if any(other[0] < end and start < other[1] for other in others) else alone
