"""Sets of code points, as sorted ranges, and what Python knows of single characters."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

#: First and last code point of each range; ascending, and apart from each other.
Ranges = tuple[tuple[int, int], ...]

CODE_POINTS = 0x110000
ANY: Ranges = ((0, CODE_POINTS - 1),)

_SIGMA = "\N{GREEK CAPITAL LETTER SIGMA}"
_FINAL_SIGMA = "\N{GREEK SMALL LETTER FINAL SIGMA}"


@cache
def every() -> str:
    """A string of all code points in their order, surrogates too."""
    return "".join(map(chr, range(CODE_POINTS)))


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def contains(ranges: Ranges, code_point: int) -> bool:
    return any(first <= code_point <= last for first, last in ranges)


def matched_by(pattern: re.Pattern[str]) -> Ranges:
    """What a pattern of runs (`[…]+`) matches of all code points."""
    return union((match.start(), match.end() - 1) for match in pattern.finditer(every()))


def where(holds: Callable[[str], bool]) -> Ranges:
    """The characters for which a function holds."""
    return union((code_point, code_point) for code_point, char in enumerate(every()) if holds(char))


@cache
def properties() -> dict[str, Ranges]:
    """The sets that the engine asks for by name, as this Python's Unicode has them."""
    return {
        "space": where(str.isspace),
        "alpha": where(str.isalpha),
        "upper": where(str.isupper),
        "digit": where(str.isdigit),
        "cased": where(_is_cased),
        "case_ignorable": where(_is_case_ignorable),
        "punct": where(lambda char: unicodedata.category(char).startswith("P")),
    }


@cache
def lower_cases() -> dict[int, str]:
    """The characters beyond ASCII that str.lower changes wherever they are, and what they become."""
    return {
        code_point: char.lower()
        for code_point, char in enumerate(every())
        if code_point > 0x7F and char != _SIGMA and char.lower() != char
    }


# What str.lower makes of a capital sigma depends on the characters before and behind it, by two properties that Python
# has no functions for; its own results tell them. Sigma is a final one where a cased character comes before it and none
# behind it; ignorable ones are passed over.
def _is_case_ignorable(char: str) -> bool:
    return _sigma_before(char) == _FINAL_SIGMA and _sigma_before(char + "A") != _FINAL_SIGMA


def _is_cased(char: str) -> bool:
    return _sigma_before(char) != _FINAL_SIGMA


def _sigma_before(rest: str) -> str:
    return f"A{_SIGMA}{rest}".lower()[1]
