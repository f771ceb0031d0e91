"""Medians with their spread, and whether they reach what they must."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from function import say

REACHED, UNDECIDED, FALLS_SHORT, NOT_RUN = "reached", "undecided", "falls short", "not run"

Sample = TypeVar("Sample")


@dataclass(frozen=True)
class Figure:
    """The median of `n` values, and the interval from `low` to `high`.

    The interval has the true median with a probability of at least 95 %, whatever the values' distribution: it ends at
    values of exact ranks. With fewer than 6 values there is no such interval, and it is the least and the greatest.
    """

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Figure":
        ordered = sorted(values)
        rank = _rank(len(ordered))
        return cls(statistics.median(ordered), ordered[rank], ordered[-1 - rank], len(ordered))

    @classmethod
    def ratio(cls, over: Sequence[float], under: Sequence[float]) -> "Figure":
        """Of the quotients of values that were measured in one round, so that a slow minute is in both."""
        return cls.of(a / b for a, b in zip(over, under, strict=True))

    @classmethod
    def exact(cls, value: float) -> "Figure":
        """What is counted and not sampled."""
        return cls(value, value, value, 1)


def _rank(n: int) -> int:
    """How many values lie outside the interval on each side."""
    rank, tail = 0, 0.5**n
    while True:
        tail += math.comb(n, rank + 1) * 0.5**n
        if tail > 0.025 or 2 * (rank + 1) >= n:
            return rank
        rank += 1


@dataclass(frozen=True)
class Must:
    """A bound; `sign` is `≥`, `≤` or `=`."""

    sign: str
    bound: float
    unit: str = ""

    def judge(self, figure: Figure) -> str:
        """`undecided` when the bound is inside the figure's interval."""
        good = {self._good(figure.low), self._good(figure.high)}
        return UNDECIDED if len(good) > 1 else REACHED if True in good else FALLS_SHORT

    def _good(self, value: float) -> bool:
        return {"≥": value >= self.bound, "≤": value <= self.bound, "=": value == self.bound}[self.sign]


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        what: what was measured.
        model: of which model.
        unit: of `plain` and `service`.
        plain: the plain handler's figure.
        service: this service's figure; None where it could not be measured.
        ratio: how many times better the service is; a number without unit.
        must: judges `ratio` where there is one, else `service`.
        note: what else a reader must know.
    """

    what: str
    model: str
    unit: str
    plain: Figure | None = None
    service: Figure | None = None
    ratio: Figure | None = None
    must: Must | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """Empty for a figure that must reach nothing."""
        judged = self.ratio or self.service
        if judged is None:
            return NOT_RUN
        return self.must.judge(judged) if self.must else ""


def settle(sample: Callable[[], Sample], rows: Callable[[list[Sample]], list[Row]], rounds: int) -> list[Row]:
    """Runs `rounds` rounds, and, where a verdict is then undecided, once twice as many more."""
    samples = [sample() for _ in range(rounds)]
    undecided = [f"{row.what} ({row.model})" for row in rows(samples) if row.verdict == UNDECIDED]
    if undecided:
        say(f"undecided after {rounds} rounds: {'; '.join(undecided)}. {2 * rounds} more rounds …")
        samples += [sample() for _ in range(2 * rounds)]
    return rows(samples)
