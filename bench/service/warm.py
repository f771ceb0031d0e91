"""Requests to functions that are up: latency and throughput."""

import itertools
import random
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pipelines
from documents import PROSE, fortunes
from figure import Figure, Must, Row, settle
from function import PLAIN, SERVICE, Function, say, spans

BATCH = 100
WORDS, LONG, MANY = "100 words", "10,000 characters", f"{BATCH} texts a request (plain: one)"
#: What each must reach, by the sentence starts of the model.
MUST = {"pipeline": {WORDS: 8, LONG: 10, MANY: 10}, "none": {WORDS: 12, LONG: 16, MANY: 16}}

Sample = dict[tuple[str, str], float]


def measure(quick: bool) -> list[Row]:
    rounds = 3 if quick else 10
    pairs = [("sm", pipelines.sm()), ("lg-shaped", pipelines.lg_shaped(quick))]
    return [row for name, folder in pairs for row in _pipeline(name, folder, rounds)]


def _pipeline(name: str, folder: Path, rounds: int) -> list[Row]:
    models = {"pipeline": pipelines.prepared(folder), "none": pipelines.prepared(folder, "--sentences", "none")}
    say(f"warm requests to {name} …")
    with ExitStack() as stack:
        functions = {PLAIN: stack.enter_context(Function(PLAIN, folder))}
        functions |= {side: stack.enter_context(Function(SERVICE, model)) for side, model in models.items()}
        unseen, batches = texts(), _batches()
        for _ in range(20):
            text = next(unseen)[WORDS]
            for function in functions.values():
                function.ask(text)
        one = settle(_latency(functions, unseen), lambda found: _rows(found, name, (WORDS, LONG), "ms"), 3 * rounds)
        many = settle(_throughput(functions, batches), lambda found: _rows(found, name, (MANY,), "ms a text"), rounds)
        return one + many


def _rows(samples: list[Sample], name: str, kinds: tuple[str, ...], unit: str) -> list[Row]:
    rows = []
    for kind, side in itertools.product(kinds, MUST):
        plain, ours = ([sample[kind, who] for sample in samples] for who in (PLAIN, side))
        must = Must("≥", MUST[side][kind], "x")
        figures = Figure.of(plain), Figure.of(ours), Figure.ratio(plain, ours)
        rows.append(Row(f"warm, {kind}", f"{name}, {side}", unit, *figures, must))
    return rows


def texts() -> Iterator[dict[str, str]]:
    """A text of each length, over and over; none is a part of another, and none comes again before the prose ends."""
    prose = "\n\n".join(dict.fromkeys(fortunes(*PROSE)))
    hundred_words = re.compile(r"\S*\s+((?:\S+\s+){100})")  # behind the rest of a word that was cut
    while True:
        at = 0
        while len(prose) - at > 20_000:
            words = hundred_words.match(prose, at)
            at = words.end() + 10_000
            yield {WORDS: " ".join(words[1].split()), LONG: prose[at - 10_000 : at]}


def _latency(functions: dict[str, Function], unseen: Iterator[dict[str, str]]) -> Callable[[], Sample]:
    orders = itertools.cycle([list(functions), list(reversed(functions))])

    def sample() -> Sample:
        order = next(orders)
        return {(kind, who): functions[who].ask(text)[0] * 1000 for kind, text in next(unseen).items() for who in order}

    return sample


def _batches() -> Iterator[list[str]]:
    documents = random.Random(0).sample(fortunes(), 4_000)
    return itertools.cycle(documents[at : at + BATCH] for at in range(0, len(documents), BATCH))


def _throughput(functions: dict[str, Function], batches: Iterator[list[str]]) -> Callable[[], Sample]:
    def sample() -> Sample:
        batch = next(batches)
        found = {(MANY, PLAIN): sum(functions[PLAIN].ask(text)[0] for text in batch) * 1000 / BATCH}
        for side in MUST:
            answer = functions[side].invoke({"texts": batch})
            for result, text in zip(answer.body["results"], batch, strict=True):
                spans(result, text)
            found[MANY, side] = answer.seconds * 1000 / BATCH
        return found

    return sample
