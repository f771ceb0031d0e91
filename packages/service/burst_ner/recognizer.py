"""Entities of texts, by spaCy."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from spacy.language import Language

#: Code points that go through the pipeline together. Memory grows with this, not with the size of the request.
MAX_BATCH_CHARACTERS = 20_000


class Entity(TypedDict):
    """One entity; `start_char` and `end_char` count code points, as spaCy does: `text[start_char:end_char]`."""

    text: str
    label: str
    start_char: int
    end_char: int


class Recognizer:
    """Finds entities with a loaded spaCy pipeline. Not for several threads at once: memory zones do not nest."""

    def __init__(self, nlp: "Language") -> None:
        self._nlp = nlp

    def recognize(self, texts: Iterable[str]) -> list[list[Entity]]:
        """The entities of each text, in the order of the texts; all texts must be well-formed Unicode."""
        found: list[list[Entity]] = []
        # Without the zone every new word stays in spaCy's string store for the life of the environment.
        with self._nlp.memory_zone():
            for batch in batches(texts):
                for doc in self._nlp.pipe(batch, batch_size=len(batch)):
                    found.append(
                        [
                            Entity(text=e.text, label=e.label_, start_char=e.start_char, end_char=e.end_char)
                            for e in doc.ents
                        ]
                    )
        return found


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Cuts a request into batches of at most MAX_BATCH_CHARACTERS; a longer text is a batch of its own."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        if batch and characters + len(text) > MAX_BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
        batch.append(text)
        characters += len(text)
    if batch:
        yield batch
