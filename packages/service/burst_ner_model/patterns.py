"""Patterns of a tokenizer, from Python's own parse of them to programs of the engine (engine/format.h)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from re import _compiler as sre_compiler  # type: ignore[attr-defined]
from re import _constants as sre
from re import _parser as sre_parser
from typing import Any

from .characters import ANY, Ranges, contains, matched_by, union
from .unsupported import Unsupported

_MATCH, _CHAR, _SET, _SPLIT, _JUMP, _START, _END, _LOOK, _LOOP, _VERY_END = range(10)
FROM_START, TO_END = 1, 2
NO_BOUND = 0xFFFFFFFF

# Words of one program; spaCy's longest has some thousands.
_LONGEST_PROGRAM = 1 << 17
_DEEPEST_LOOK = 8

# In spaCy's pattern of URLs, the name and password before a host, and what matches the same strings without trying each
# colon with each @.
_USER, _SAME_USER = r"(?:\S+(?::\S*)?@)?", r"(?:\S+@)?"


# What a pattern is made of. A sequence is a tuple of these.
_item = dataclass(frozen=True, slots=True)


@_item
class Chars:
    """One character of a set; the number is that of `Sets`."""

    set: int


@_item
class Either:
    branches: tuple["Sequence", ...]


@_item
class Repeat:
    body: "Sequence"
    least: int
    most: int | None
    lazy: bool


@_item
class Look:
    behind: bool
    negated: bool
    body: "Sequence"


@_item
class Place:
    """A place in the string; the number is that of the operation."""

    operation: int


Sequence = tuple[Chars | Either | Repeat | Look | Place, ...]

_PLACES = {
    sre.AT_BEGINNING: _START,
    sre.AT_BEGINNING_STRING: _START,
    sre.AT_END: _END,
    sre.AT_END_STRING: _VERY_END,
}


class Sets:
    """Sets of code points, each once, with a number."""

    def __init__(self) -> None:
        self.all: list[Ranges] = []
        self._numbers: dict[Ranges, int] = {}

    def number(self, ranges: Ranges) -> int:
        if ranges not in self._numbers:
            self._numbers[ranges] = len(self.all)
            self.all.append(ranges)
        return self._numbers[ranges]


@dataclass
class Alternative:
    """What format.h calls so; `first` and `body` are numbers of sets."""

    code: list[int]
    first: int
    flags: int
    most: int
    body: int
    maybe_empty: bool


@dataclass
class Compiler:
    """Compiles patterns; equal sets of all of them share a number."""

    sets: Sets = field(default_factory=Sets)
    _singles: dict[Any, int] = field(default_factory=dict)

    def search(self, pattern: re.Pattern[str] | None) -> list[Alternative]:
        """A pattern that is searched: the first alternative that matches at the leftmost place decides.

        Raises:
            Unsupported: it has an operation that the engine does not have.
        """
        return [self._alternative(sequence) for sequence in _split(self._parse(pattern))] if pattern else []

    def match(self, pattern: re.Pattern[str] | None) -> list[Alternative]:
        """A pattern that only tells whether it matches at the beginning, so the order of its alternatives is free.

        Those of French are 9,500 words; they share beginnings and ends here.

        Raises:
            Unsupported: it has an operation that the engine does not have.
        """
        if not pattern:
            return []
        sequences = tuple(dict.fromkeys(_split(self._parse(pattern))))
        either: Sequence = (Either(sequences),) if len(sequences) > 1 else sequences[0]
        program = _Program(self.sets)
        program.tails(sequences)
        flags = {self._flags(sequence) for sequence in sequences}
        return [self._described(either, program.code, flags.pop() if len(flags) == 1 else 0)]

    # From Python's parse to sequences

    def _parse(self, pattern: re.Pattern[str]) -> Sequence:
        parsed = sre_parser.parse(pattern.pattern.replace(_USER, _SAME_USER), pattern.flags)
        return self._sequence(parsed, parsed.state.flags)

    def _sequence(self, parsed: Any, flags: int) -> Sequence:
        items: list[Any] = []
        for operation, value in parsed:
            if (single := self._single(operation, value, parsed.state, flags)) is not None:
                items.append(Chars(single))
            elif operation is sre.SUBPATTERN:
                _, added, removed, body = value
                items += self._sequence(body, (flags | added) & ~removed)
            elif operation is sre.BRANCH:
                items.append(Either(tuple(self._sequence(branch, flags) for branch in value[1])))
            elif operation in (sre.MAX_REPEAT, sre.MIN_REPEAT):
                items.append(self._repeat(value, flags, lazy=operation is sre.MIN_REPEAT))
            elif operation in (sre.ASSERT, sre.ASSERT_NOT):
                direction, body = value
                items.append(Look(direction < 0, operation is sre.ASSERT_NOT, self._sequence(body, flags)))
            elif operation is sre.AT and value is sre.AT_BOUNDARY:
                items.append(self._boundary(parsed.state, flags))
            elif operation is sre.AT and value in _PLACES and not flags & re.MULTILINE:
                items.append(Place(_PLACES[value]))
            else:
                what = value if operation is sre.AT else operation
                raise Unsupported(f"a pattern of its tokenizer uses {what} of Python's re")
        return tuple(items)

    def _repeat(self, value: Any, flags: int, *, lazy: bool) -> Repeat:
        least, most, body = value
        sequence = self._sequence(body, flags)
        bounded = None if most is sre.MAXREPEAT else int(most)
        # Where nothing can be repeated, Python has rules of its own for when to stop.
        if bounded != 1 and _widths(sequence)[0] == 0:
            raise Unsupported("a pattern of its tokenizer repeats what may be empty")
        return Repeat(sequence, int(least), bounded, lazy)

    def _boundary(self, state: Any, flags: int) -> Either:
        word = (Chars(self._set_of([(sre.IN, [(sre.CATEGORY, sre.CATEGORY_WORD)])], state, flags)),)
        at_end = (Look(True, False, word), Look(False, True, word))
        at_start = (Look(True, True, word), Look(False, False, word))
        return Either((at_end, at_start))

    def _single(self, operation: Any, value: Any, state: Any, flags: int) -> int | None:
        if operation not in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
            return None
        if operation is sre.LITERAL and not flags & re.IGNORECASE:
            return self.sets.number(((value, value),))
        key = (operation, tuple(value) if isinstance(value, list) else value, flags)
        if key not in self._singles:
            self._singles[key] = self._set_of([(operation, value)], state, flags)
        return self._singles[key]

    def _set_of(self, items: list[Any], state: Any, flags: int) -> int:
        """The number of the set that one item matches, as Python's own re does it with these flags."""
        run = (sre.MAX_REPEAT, (1, sre.MAXREPEAT, sre_parser.SubPattern(state, items)))
        alone = sre_parser.SubPattern(sre_parser.State(), [run])
        alone.state.flags = flags
        return self.sets.number(matched_by(sre_compiler.compile(alone, flags)))

    # From sequences to programs

    def _alternative(self, sequence: Sequence) -> Alternative:
        program = _Program(self.sets)
        program.add(sequence)
        program.code.append(_MATCH)
        return self._described(sequence, program.code, self._flags(sequence))

    def _described(self, sequence: Sequence, code: list[int], flags: int) -> Alternative:
        _, most = _widths(sequence)
        first, maybe_empty = self._first(sequence)
        return Alternative(
            code=code,
            first=self.sets.number(ANY if maybe_empty else union(first)),
            flags=flags,
            most=NO_BOUND if most is None else most,
            body=self.sets.number(union(self._body(sequence))),
            maybe_empty=maybe_empty,
        )

    @staticmethod
    def _flags(sequence: Sequence) -> int:
        from_start = sequence[:1] == (Place(_START),)
        return FROM_START * from_start | TO_END * (sequence[-1:] == (Place(_END),))

    def _first(self, sequence: Sequence) -> tuple[list[tuple[int, int]], bool]:
        """The characters that may begin a match, and whether a match may be empty."""
        found: list[tuple[int, int]] = []
        for item in sequence:
            match item:
                case Chars(number):
                    return [*found, *self.sets.all[number]], False
                case Either(branches):
                    firsts = [self._first(branch) for branch in branches]
                    found += [pair for ranges, _ in firsts for pair in ranges]
                    if not any(empty for _, empty in firsts):
                        return found, False
                case Repeat(body, least, _, _):
                    ranges, empty = self._first(body)
                    found += ranges
                    if least and not empty:
                        return found, False
        return found, True

    def _body(self, sequence: Sequence) -> Iterable[tuple[int, int]]:
        """The characters that a match may consist of."""
        for item in sequence:
            match item:
                case Chars(number):
                    yield from self.sets.all[number]
                case Either(branches):
                    for branch in branches:
                        yield from self._body(branch)
                case Repeat(body, _, _, _):
                    yield from self._body(body)


def _split(sequence: Sequence) -> list[Sequence]:
    """The alternatives of a pattern; what is before them goes into each, where it can match in one way only."""
    if sequence and isinstance(sequence[-1], Either):
        *before, either = sequence
        if all(isinstance(item, Chars | Look | Place) for item in before):
            return [(*before, *one) for branch in either.branches for one in _split(branch)]
    return [sequence]


def _widths(sequence: Sequence) -> tuple[int, int | None]:
    """The fewest and the most characters of a match; None: no bound."""
    least, most = 0, 0
    bounded = True
    for item in sequence:
        match item:
            case Chars(_):
                low, high = 1, 1
            case Either(branches):
                lows, highs = zip(*map(_widths, branches), strict=True)
                low, high = min(lows), None if None in highs else max(highs)
            case Repeat(body, fewest, times, _):
                low, high = _widths(body)
                low *= fewest
                high = 0 if high == 0 else None if high is None or times is None else high * times
            case _:
                low, high = 0, 0
        least += low
        bounded = bounded and high is not None
        most += high or 0
    return least, most if bounded and most < NO_BOUND else None


class _Program:
    def __init__(self, sets: Sets) -> None:
        self.code: list[int] = []
        self._sets = sets
        self._looks = 0
        self._known: dict[frozenset[Sequence], int] = {}

    def add(self, sequence: Sequence) -> None:
        for item in sequence:
            if len(self.code) > _LONGEST_PROGRAM:
                raise Unsupported("a pattern of its tokenizer is too long")
            match item:
                case Chars(number):
                    ranges = self._sets.all[number]
                    one = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
                    self.code += [_CHAR, ranges[0][0]] if one else [_SET, number]
                case Place(operation):
                    self.code.append(operation)
                case Either(branches):
                    self._either(branches)
                case Repeat():
                    self._repeat(item)
                case Look():
                    self._look(item)

    def tails(self, sequences: tuple[Sequence, ...]) -> None:
        """Matches where one of the sequences does, in any order; a tail that many have is there once."""
        # A sequence that is at its end matches, whatever the others would do.
        if () in sequences:
            self.code.append(_MATCH)
            return
        self._known[frozenset(sequences)] = len(self.code)
        groups: dict[Any, dict[Sequence, None]] = {}
        for item, *rest in sequences:
            groups.setdefault(item, {})[tuple(rest)] = None
        for index, (item, rests) in enumerate(groups.items()):
            split = len(self.code)
            if index < len(groups) - 1:
                self.code += [_SPLIT, split + 3, 0]
            self.add((item,))
            if (known := self._known.get(frozenset(rests))) is None:
                self.tails(tuple(rests))
            else:
                self.code += [_JUMP, known]
            if index < len(groups) - 1:
                self.code[split + 2] = len(self.code)

    def _either(self, branches: tuple[Sequence, ...]) -> None:
        jumps = []
        for branch in branches[:-1]:
            split = len(self.code)
            self.code += [_SPLIT, split + 3, 0]
            self.add(branch)
            jumps.append(len(self.code) + 1)
            self.code += [_JUMP, 0]
            self.code[split + 2] = len(self.code)
        self.add(branches[-1])
        for jump in jumps:
            self.code[jump] = len(self.code)

    def _repeat(self, repeat: Repeat) -> None:
        body, least, most, lazy = repeat.body, repeat.least, repeat.most, repeat.lazy
        if len(body) == 1 and isinstance(body[0], Chars) and not lazy:
            self.code += [_LOOP, body[0].set, least, NO_BOUND if most is None else most]
            return
        for _ in range(least):
            self.add(body)
        ways = []
        for _ in range(1 if most is None else most - least):
            ways.append(len(self.code))
            self.code += [_SPLIT, 0, 0]
            self.add(body)
        if most is None:
            self.code += [_JUMP, ways[0]]
        for way in ways:
            inside, behind = way + 3, len(self.code)
            self.code[way + 1 : way + 3] = [behind, inside] if lazy else [inside, behind]

    def _look(self, look: Look) -> None:
        if self._looks == _DEEPEST_LOOK:
            raise Unsupported(f"a pattern of its tokenizer looks ahead or behind more than {_DEEPEST_LOOK} deep")
        at = len(self.code)
        self.code += [_LOOK, look.negated + 2 * look.behind, _widths(look.body)[0] if look.behind else 0, 0]
        self._looks += 1
        self.add(look.body)
        self._looks -= 1
        self.code.append(_MATCH)
        self.code[at + 3] = len(self.code)


def dispatch(alternatives: list[Alternative], sets: Sets) -> list[list[int]]:
    """Which alternatives are worth trying, by the next character: 0 to 127, another one, none at all."""
    firsts = [sets.all[alternative.first] for alternative in alternatives]
    by_char = [[i for i, first in enumerate(firsts) if contains(first, char)] for char in range(128)]
    others = [i for i, first in enumerate(firsts) if first and first[-1][1] >= 128]
    return [*by_char, others, [i for i, alternative in enumerate(alternatives) if alternative.maybe_empty]]
