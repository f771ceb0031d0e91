"""The same tokens as spaCy's, in less time.

In a memory zone spaCy's tokenizer remembers nothing of the runs of characters that it has seen, and searches each one
for suffixes and infixes again, by its two largest patterns. Here what was found in the last runs is kept.

spaCy's tokenizer takes punctuation off both ends of a run, one piece at a time, and for each piece searches all of the
run: 2,000 `=` take 0.8 s, 20,000 `_` 43 s. The same pieces are found by looking at the ends alone.
docs/decisions/limits.md has the figures.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.tokenizer import Tokenizer

#: Characters of a run from which it is long: a page of runs that are shorter takes spaCy's tokenizer under a second.
LONG_RUN = 256

# Runs that are kept with what each of the two patterns found, 0.2 kB each.
_KEPT_RUNS = 8_192

# Characters at an end of a run that decide which piece comes off. spaCy's own patterns, with what they look ahead and
# behind, are shorter than 10, but for `..+`, any number of dots.
_END = 32

# In spaCy's pattern of URLs, the name and password before a host, and what matches the same strings without trying each
# colon with each @.
_USER, _SAME_USER = r"(?:\S+(?::\S*)?@)?", r"(?:\S+@)?"

Search = Callable[[str], re.Match[str] | None]


def load_tokenizer(tokenizer: "Tokenizer", path: Path) -> None:
    """Loads what `tokenizer.to_disk(path)` wrote; special cases last, for each change of a search builds them anew."""
    import srsly

    content = path.read_bytes()
    tokenizer.from_bytes(content, exclude=["vocab", "exceptions"])
    suffix_search, infix_finditer = tokenizer.suffix_search, tokenizer.infix_finditer
    if suffix_search:
        tokenizer.suffix_search = lru_cache(_KEPT_RUNS)(suffix_search)
    if infix_finditer:
        tokenizer.infix_finditer = lru_cache(_KEPT_RUNS)(lambda run: tuple(infix_finditer(run)))
    tokenizer.rules = srsly.msgpack_loads(content).get("exceptions", {})


def has_long_run(text: str) -> bool:
    return max(map(len, text.split()), default=0) >= LONG_RUN


def long_run_tokenizer(tokenizer: "Tokenizer") -> "Tokenizer":
    """A tokenizer that makes the same tokens of the same vocabulary. Takes 0.1 s; never call it in a memory zone.

    Built beside the given one, because setting a search of a tokenizer builds its special cases again, too.
    """
    return type(tokenizer)(
        tokenizer.vocab,
        rules=tokenizer.rules,
        prefix_search=_at_start(tokenizer.prefix_search),
        suffix_search=_at_end(_that_keeps_nothing(tokenizer.suffix_search)),
        infix_finditer=_that_keeps_nothing(tokenizer.infix_finditer),
        token_match=tokenizer.token_match,
        url_match=_without_square(tokenizer.url_match),
        faster_heuristics=tokenizer.faster_heuristics,
    )


def _that_keeps_nothing(search: Any) -> Any:
    """Long runs, thousands of them, would fill the memory."""
    return getattr(search, "__wrapped__", search)


def _at_start(search: Search | None) -> Search | None:
    def find(run: str) -> re.Match[str] | None:
        match = search(run[:_END])
        # What reaches the last character looked at may go on.
        return search(run) if match and match.end() == _END else match

    return search and find


def _at_end(search: Search | None) -> Search | None:
    def find(run: str) -> re.Match[str] | None:
        match = search(run[-_END:])
        return search(run) if match and match.start() == 0 else match

    return search and find


def _without_square(url_match: Any) -> Any:
    pattern = getattr(url_match, "__self__", None)
    if not isinstance(pattern, re.Pattern):
        return url_match
    return re.compile(pattern.pattern.replace(_USER, _SAME_USER), pattern.flags).match
