"""Entities in a program of one's own: `load` opens a prepared model."""

import math
import os
from collections.abc import Iterable, Iterator
from typing import TypedDict

from .engine import Engine
from .errors import SetupError
from .prepared import MANIFEST, MODEL, is_prepared, open_prepared
from .recognizer import groups


class Entity(TypedDict):
    """A named entity: a plain dict, as JSON, pandas, Arrow and Spark take it.

    `start` and `end` count code points, as Python does: `text[start:end] == entity["text"]`.
    """

    text: str
    label: str
    start: int
    end: int


class Ner:
    """A prepared model that is open; made by `load`.

    Threads may share it, and take turns in it. For work side by side give each thread or process one of its own: the
    model file is mapped once for all of them. After a fork the child opens the file for itself. A pickle holds the
    folder's path and the model's digest, and opens that folder where it is loaded.

    Attributes:
        name: language and name of the pipeline that the model was made of: `en_core_web_sm`.
        version: of that pipeline.
        digest: SHA-256, 64 hex digits; other entities mean another digest.
        labels: those that entities may have, sorted.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """See `load`."""
        self._folder = os.path.abspath(folder)
        if not is_prepared(folder):
            what = f"no {MANIFEST} in {folder}" if os.path.isdir(folder) else f"no folder {folder}"
            raise SetupError(
                f"There is {what}; give the folder of a prepared model, which this makes of a spaCy pipeline: "
                "python -m burst_ner_model build PIPELINE OUT"
            )
        model = open_prepared(self._folder)
        if not model.on_engine:
            raise SetupError(
                f"The model in {folder} is run by spaCy and not by the engine; load {folder}/pipeline with spacy.load. "
                f"{model.manifest.get('reason', '')}"
            )
        self.name, self.version, self.digest = model.name, model.version, model.digest()
        self._engine = Engine(os.path.join(self._folder, MODEL))
        self.labels = self._engine.labels

    def __call__(self, texts: Iterable[str]) -> list[list[Entity]]:
        """The entities of each text, in the order of the texts. `pipe` says the rest."""
        return list(self.pipe(texts))

    def pipe(self, texts: Iterable[str]) -> Iterator[list[Entity]]:
        """The entities of one text after the other, in the order of the texts.

        Takes texts as it needs them, up to 20,000 characters or 1,024 texts ahead of what it has given. A text may
        have any length; while the longest one is at work it takes about 100 bytes of memory a character.

        Raises:
            TypeError: `texts` is one string, or one of them is no string.
            ValueError: a text has half of a surrogate pair, which is no character.
            MemoryError: a text is too long for the memory there is.
        """
        if isinstance(texts, str):
            raise TypeError("ner takes many texts, and this is one string; give it in a list: ner([text])")
        return self._found(texts)

    def _found(self, texts: Iterable[str]) -> Iterator[list[Entity]]:
        first = 0
        for group in groups(_strings(texts)):
            try:
                results = self._engine.recognize(group, math.inf)
            except UnicodeEncodeError:
                raise _half_a_pair(group, first) from None  # the error itself has the text
            for entities in results:
                yield [
                    {"text": e["text"], "label": e["label"], "start": e["start_char"], "end": e["end_char"]}
                    for e in entities
                ]
            first += len(group)

    def __repr__(self) -> str:
        return f"<burst_ner.Ner {self.name} {self.version} {self.digest[:12]}>"

    def __reduce__(self) -> "tuple[object, tuple[str, str]]":
        return _load_again, (self._folder, self.digest)


def load(folder: str | os.PathLike[str]) -> Ner:
    """Opens a prepared model, in a millisecond or so; the folder must not change from now on.

    Raises:
        SetupError: no prepared model, one of another format, one that only spaCy can run, or no engine for this
            machine; one sentence says which, and what to do.
    """
    return Ner(folder)


def _load_again(folder: str, digest: str) -> Ner:
    ner = Ner(folder)
    if ner.digest != digest:
        raise SetupError(
            f"The model in {folder} has the digest {ner.digest[:12]} here, and {digest[:12]} where it was pickled; put "
            "the same model there."
        )
    return ner


def _strings(texts: Iterable[str]) -> Iterator[str]:
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"Text {place} (the first is 0) is no string but of type {type(text).__name__}")
        yield text


def _half_a_pair(group: list[str], first: int) -> ValueError:
    [place, at] = next(
        (place, at) for place, text in enumerate(group) for at, char in enumerate(text) if "\ud800" <= char <= "\udfff"
    )
    return ValueError(
        f"Text {first + place} (the first is 0) has half of a surrogate pair at character {at}; replace it with: "
        "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
    )
