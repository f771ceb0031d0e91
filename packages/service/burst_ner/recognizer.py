"""Entities of texts, by spaCy."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypedDict

from .lexicon import Lexicon
from .tokenizer import has_long_run, long_run_tokenizer

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokenizer import Tokenizer
    from spacy.tokens import Doc

    from .transitions import Span

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
        """Changes the pipeline's `ner`: it works faster from then on, and cannot be trained."""
        from .network import simplify
        from .transitions import Transitions

        self._nlp = nlp
        self.labels = sorted(nlp.get_pipe("ner").labels)
        simplify(nlp.get_pipe("ner").model)
        self._transitions = Transitions.of(nlp)
        self._lexicon = Lexicon(nlp)

    def recognize(self, texts: Sequence[str]) -> list[list[Entity]]:
        """The entities of each text, in the order of the texts; all texts must be well-formed Unicode."""
        tokenizers = [self._tokenizer(text) for text in texts]
        self._lexicon.open()
        docs = [tokenizer(text) for tokenizer, text in zip(tokenizers, texts, strict=True)]
        found = self._transitions.find(docs) if self._transitions else self._by_spacy(docs)
        return [
            [Entity(text=text[start:end], label=label, start_char=start, end_char=end) for start, end, label in spans]
            for text, spans in zip(texts, found, strict=True)
        ]

    def _by_spacy(self, docs: "Sequence[Doc]") -> "list[list[Span]]":
        return [
            [(e.start_char, e.end_char, e.label_) for e in doc.ents]
            for doc in self._nlp.pipe(docs, batch_size=max(1, len(docs)))
        ]

    def _tokenizer(self, text: str) -> "Tokenizer":
        return self._long_run_tokenizer if has_long_run(text) else self._nlp.tokenizer

    @cached_property
    def _long_run_tokenizer(self) -> "Tokenizer":
        from spacy.tokenizer import Tokenizer

        # Tokenizers of other kinds (by dictionary, for languages without spaces) do not have this problem.
        own = type(self._nlp.tokenizer) is Tokenizer
        self._lexicon.close()  # the words of its rules have to stay
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
