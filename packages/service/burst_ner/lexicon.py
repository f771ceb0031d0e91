"""What spaCy knows of the words of texts."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.vocab import Vocab

#: Strings of texts (words, their beginnings, ends and shapes) that are kept, some 2 MB; a batch may go beyond.
MAX_STRINGS = 8_000


class Lexicon:
    """Keeps the words of texts in spaCy's vocabulary, and drops all of them when they are too many.

    Outside of a memory zone spaCy keeps every new word for the life of the environment. With a zone for each request it
    forgets them, and asks some 20 Python functions about every word of the next request again, which takes as long as
    half of the network. So one zone stays open over many requests.
    """

    def __init__(self, nlp: "Language") -> None:
        self._nlp = nlp
        self._zone = ExitStack()
        self._open = False
        self._own_strings = len(nlp.vocab.strings)
        self._dropped_strings = 0

    def open(self) -> None:
        """Call it before texts are tokenized. Now and then it takes a few ms, to drop the words there are."""
        if self._open and len(self._nlp.vocab.strings) - self._own_strings > MAX_STRINGS:
            self.close()
        if not self._open:
            self._own_strings = len(self._nlp.vocab.strings)
            self._zone.enter_context(self._nlp.memory_zone())
            self._open = True

    def close(self) -> None:
        """Drops the words of texts; what is added to the vocabulary from now on stays. No Doc may be in use."""
        if self._open:
            self._dropped_strings += len(self._nlp.vocab.strings) - self._own_strings
            self._zone.close()
            self._open = False
            # A pipeline that is not prepared has so many strings of its own that loading them takes long.
            if self._dropped_strings > self._own_strings:
                _renew(self._nlp.vocab)
                self._dropped_strings = 0


def _renew(vocab: "Vocab") -> None:
    """Makes the hash maps of a vocabulary anew, with the strings that it has.

    When a zone takes its words out again, their places in spaCy's maps stay taken, and a map that is full doubles.
    """
    from spacy.attrs import NORM

    vocab.strings.from_bytes(b"[]")  # loading keeps the strings that were there
    norm = vocab.lex_attr_getters.get(NORM)
    everything = ["strings", "vectors", "lookups"]
    vocab.from_bytes(vocab.to_bytes(exclude=everything), exclude=everything)
    if norm:
        vocab.lex_attr_getters[NORM] = norm  # each loading wraps it once more
