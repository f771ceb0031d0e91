"""Cold starts: from the start of a process to its first answer."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import page_cache
from documents import PROSE, fortunes
from figure import Figure, Must, Row, settle
from function import PLAIN, SERVICE, Function, bare_import

MB = 1e6


@dataclass(frozen=True)
class Start:
    """One cold start; `read` and `rss` in bytes."""

    seconds: float
    read: int
    rss: int


@dataclass(frozen=True)
class Round:
    """One of each, a few seconds apart; by the module of the handler."""

    bare_import: float
    warm: dict[str, Start]
    evicted: dict[str, Start]

    def read(self, module: str) -> float:
        """MB that the model's files cost: what is read with them evicted, less what is read with them cached."""
        return (self.evicted[module].read - self.warm[module].read) / MB


def measure(models: dict[str, Path], pipeline: str, rounds: int, say: Callable[[str], None]) -> list[Row]:
    """`models` has the folder for each module of a handler."""
    say(f"cold starts of {pipeline} …")
    text = " ".join(" ".join(fortunes(*PROSE)).split()[:100])
    numbers = itertools.count()

    def sample() -> Round:
        # The order changes from round to round, so that neither handler always runs after the other.
        modules = list(models) if next(numbers) % 2 else list(reversed(models))
        warm, evicted = {}, {}
        for module in modules:
            page_cache.fill(models[module])
            warm[module] = start(module, models[module], text)
            page_cache.evict(models[module])
            evicted[module] = start(module, models[module], text)
        return Round(bare_import(), warm, evicted)

    def rows(samples: list[Round]) -> list[Row]:
        def figures(of: Callable[[Round, str], float]) -> dict[str, list[float]]:
            return {module: [of(one, module) for one in samples] for module in models}

        warm = figures(lambda one, module: one.warm[module].seconds)
        cold = figures(lambda one, module: one.evicted[module].seconds)
        read = figures(lambda one, module: one.read(module))
        rss = figures(lambda one, module: one.warm[module].rss / MB)
        bare = [one.bare_import for one in samples]
        return [
            Row("cold start, warm page cache", pipeline, "s", *_pair(warm), _faster(warm), Must("≥", 3, "x")),
            Row(
                "the same, over a bare `import spacy` in a fresh process",
                pipeline,
                "x",
                Figure.ratio(warm[PLAIN], bare),
                Figure.ratio(warm[SERVICE], bare),
                None,
                Must("≤", 1.5, "x"),
                f"`import spacy`: {Figure.of(bare).median:.2f} s",
            ),
            Row("cold start, model evicted from the page cache", pipeline, "s", *_pair(cold), _faster(cold)),
            Row("bytes of model read before the first answer", pipeline, "MB", *_pair(read), None, Must("≤", 20, "MB")),
            Row("RSS after the first answer", pipeline, "MB", *_pair(rss), None, Must("≤", 150, "MB")),
        ]

    for module in models:
        start(module, models[module], text)  # writes bytecode, fills the page cache with what is not the model
    return settle(sample, rows, rounds, say)


def start(module: str, model: Path, text: str) -> Start:
    with Function(module, model) as function:
        function.ask(text)
        return Start(function.seconds(), function.read_bytes(), function.rss())


def _pair(values: dict[str, list[float]]) -> tuple[Figure, Figure]:
    return Figure.of(values[PLAIN]), Figure.of(values[SERVICE])


def _faster(values: dict[str, list[float]]) -> Figure:
    return Figure.ratio(values[PLAIN], values[SERVICE])
