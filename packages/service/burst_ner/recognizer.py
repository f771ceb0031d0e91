"""Entities of texts, by spaCy."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypedDict

from .tokenizer import has_long_run, long_run_tokenizer

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokenizer import Tokenizer

#: Code points that go through the pipeline together: memory grows with this, and the clock is looked at between.
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
        self.labels = sorted(nlp.get_pipe("ner").labels)

    def recognize(self, texts: Sequence[str]) -> list[list[Entity]]:
        """The entities of each text, in the order of the texts; all texts must be well-formed Unicode."""
        tokenizers = [self._tokenizer(text) for text in texts]
        # Without the zone every new word stays in spaCy's string store for the life of the environment.
        with self._nlp.memory_zone():
            docs = (tokenizer(text) for tokenizer, text in zip(tokenizers, texts, strict=True))
            return [
                [Entity(text=e.text, label=e.label_, start_char=e.start_char, end_char=e.end_char) for e in doc.ents]
                for doc in self._nlp.pipe(docs, batch_size=max(1, len(texts)))
            ]

    def _tokenizer(self, text: str) -> "Tokenizer":
        return self._long_run_tokenizer if has_long_run(text) else self._nlp.tokenizer

    @cached_property
    def _long_run_tokenizer(self) -> "Tokenizer":
        from spacy.tokenizer import Tokenizer

        # Tokenizers of other kinds (by dictionary, for languages without spaces) do not have this problem.
        own = type(self._nlp.tokenizer) is Tokenizer
        return long_run_tokenizer(self._nlp.tokenizer) if own else self._nlp.tokenizer


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
