"""spaCy itself: the whole pipeline as it is, for models that the engine cannot run and for pipelines not prepared."""

import logging
import os
import re
import sys
import warnings
from typing import Any

from .errors import SetupError
from .imports import import_spacy
from .recognizer import OutOfTime, Recognizer
from .schema import SPACY_LIMITS

# Its tokenizer takes punctuation off both ends of a run one piece at a time, and searches all of the run for each: 20 s
# for 10,000 `=` (docs/decisions/limits.md).
_SECONDS_A_PIECE_AND_CHARACTER = 1e-7
# Strings of texts (words, and their beginnings, ends and shapes), 8 MB.
_MOST_FORGOTTEN = 100_000
_PUNCTUATION = re.compile(r"[\W_]*")


class Plain(Recognizer):
    """A loaded pipeline. Not for several threads at once: memory zones do not nest."""

    limits = SPACY_LIMITS

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Imports spaCy and loads the folder.

        Raises:
            SetupError: spaCy cannot load it, or nothing in it sets entities; one sentence says why.
        """
        silence_libraries()
        spacy = import_spacy()
        try:
            self._nlp = spacy.load(folder)
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise SetupError(
                f"spaCy {spacy.__version__} cannot load the pipeline in {folder} ({type(error).__name__}: {reason}); "
                "copy it there again, or give another one."
            ) from error
        setters = [name for name in self._nlp.pipe_names if "doc.ents" in self._nlp.get_pipe_meta(name).assigns]
        if not setters:
            raise SetupError(
                f"No component of the pipeline in {folder} that is switched on sets entities; "
                "take 'ner' out of `disabled` in its config.cfg, or give another pipeline."
            )
        # Tokenizers by dictionary, of languages without spaces, are of other types.
        self._by_runs = type(self._nlp.tokenizer) is spacy.tokenizer.Tokenizer
        self._strings, self._forgotten = len(self._nlp.vocab.strings), 0
        labels = (getattr(self._nlp.get_pipe(name), "labels", ()) for name in setters)
        self.labels = sorted({label for each in labels for label in each})

    def recognize(self, texts: list[str], seconds: float) -> list[list[dict[str, Any]]]:
        if self._by_runs and sum(map(_tokenizing_seconds, texts)) > seconds:
            raise OutOfTime  # nothing could stop it half-way
        # What is new to spaCy in these texts, it forgets behind them; outside of a zone every word would stay.
        with self._nlp.memory_zone():
            found = [
                [
                    {"text": e.text, "label": e.label_, "start_char": e.start_char, "end_char": e.end_char}
                    for e in doc.ents
                ]
                for doc in self._nlp.pipe(texts, batch_size=max(1, len(texts)))
            ]
            self._forgotten += len(self._nlp.vocab.strings) - self._strings
        if self._forgotten > max(self._strings, _MOST_FORGOTTEN):
            _renew(self._nlp.vocab)
            self._forgotten = 0
        return found


def _renew(vocab: Any) -> None:
    """Makes the hash maps of a vocabulary anew, with what it had before any text.

    What a zone takes out leaves its place in them taken, and a map that is full doubles.
    """
    from spacy.attrs import NORM

    vocab.strings.from_bytes(b"[]")  # loading keeps the strings that were there
    norm = vocab.lex_attr_getters.get(NORM)
    everything = ["strings", "vectors", "lookups"]
    vocab.from_bytes(vocab.to_bytes(exclude=everything), exclude=everything)
    if norm:
        vocab.lex_attr_getters[NORM] = norm  # each loading wraps it once more


def _tokenizing_seconds(text: str) -> float:
    """What runs of punctuation alone take, roughly; 0 for other text."""
    pieces = (len(run) * (_PUNCTUATION.match(run).end() + _PUNCTUATION.match(run[::-1]).end()) for run in text.split())
    return sum(pieces) * _SECONDS_A_PIECE_AND_CHARACTER


def silence_libraries() -> None:
    """Keeps libraries from writing: what a process writes is a log, and their messages may quote a text."""
    warnings.simplefilter("ignore")
    logging.disable()
    # Where compiled code cannot raise an exception, Python prints it with its message.
    sys.unraisablehook = lambda unraisable: print(
        f"burst-ner: unraisable {unraisable.exc_type.__name__}", file=sys.stderr, flush=True
    )
