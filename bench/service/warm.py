"""Requests to functions that are up: latency, throughput, the handler's own time, and the growth of memory."""

import itertools
import random
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from documents import PROSE, fortunes
from figure import Figure, Must, Row, settle
from function import PLAIN, SERVICE, Function, spans

BATCH = 100
LENGTHS = ("100 words", "1,000 characters", "10,000 characters")
#: Requests after which memory has its size, were it not for new words.
SETTLED = 200


def measure(
    models: dict[str, Path], pipeline: str, rounds: int, new_words: int, say: Callable[[str], None]
) -> list[Row]:
    """`models` has the folder for each module of a handler; `new_words` is how many requests bring some."""
    with ExitStack() as stack:
        plain, service, batched = (
            stack.enter_context(Function(module, models[module])) for module in (PLAIN, SERVICE, SERVICE)
        )
        functions = {PLAIN: plain, SERVICE: service}
        unseen = texts()
        for text in itertools.islice(unseen, 20):
            for function in (plain, service, batched):
                function.ask(text["100 words"])
        say("warm latency …")
        found = settle(_latency(functions, unseen), lambda samples: _latency_rows(samples, pipeline), 3 * rounds, say)
        say("batch throughput …")
        sample = _throughput(functions, batched)
        found += settle(sample, lambda samples: _throughput_rows(samples, pipeline), rounds, say)
    say("memory growth …")
    return [*found, growth(models, pipeline, new_words)]


def texts() -> Iterator[dict[str, str]]:
    """A text of each of LENGTHS, over and over.

    No text is a part of another, and none comes again before the prose ends, after some 140 rounds: the service keeps
    what it found out about words, so a text that it had before would take it less time.
    """
    prose = "\n\n".join(dict.fromkeys(fortunes(*PROSE)))
    hundred_words = re.compile(r"\S*\s+((?:\S+\s+){100})")  # behind the rest of a word that was cut
    while True:
        at = 0
        while len(prose) - at > 20_000:
            words = hundred_words.match(prose, at)
            at = words.end()
            yield {
                "100 words": " ".join(words[1].split()),
                "1,000 characters": prose[at : at + 1_000],
                "10,000 characters": prose[at + 1_000 : at + 11_000],
            }
            at += 11_000


def _latency(
    functions: dict[str, Function], unseen: Iterator[dict[str, str]]
) -> Callable[[], dict[tuple[str, str], float]]:
    """Samples: ms by length of text and handler, and the service's own time by ("own", length)."""
    numbers = itertools.count()

    def sample() -> dict[tuple[str, str], float]:
        modules = list(functions) if next(numbers) % 2 else list(reversed(functions))
        ms = {}
        for length, text in next(unseen).items():
            for module in modules:
                answer = functions[module].invoke({"text": text})
                spans(answer.body, text)
                ms[length, module] = answer.seconds * 1000
                if module == SERVICE:
                    ner = re.search(r"ner;dur=([0-9.]+)", answer.headers["server-timing"])
                    ms["own", length] = answer.seconds * 1000 - float(ner[1])
        return ms

    return sample


def _latency_rows(samples: list[dict[tuple[str, str], float]], pipeline: str) -> list[Row]:
    rows = []
    for length in LENGTHS:
        plain, service = ([one[length, module] for one in samples] for module in (PLAIN, SERVICE))
        must = Must("≥", 8, "x") if length == "100 words" else None
        ratio = Figure.ratio(plain, service)
        rows.append(Row(f"warm, a text of {length}", pipeline, "ms", Figure.of(plain), Figure.of(service), ratio, must))
    own = Figure.of(one["own", "1,000 characters"] for one in samples)
    what = "handler's own time, a text of 1,000 characters"
    rows.append(Row(what, pipeline, "ms", None, own, None, Must("≤", 1, "ms"), "total less `ner`"))
    return rows


def _throughput(functions: dict[str, Function], batched: Function) -> Callable[[], dict[str, float]]:
    """Samples: texts a second, by the module and for `texts`, of the same documents; each function sees them once."""
    documents = random.Random(0).sample(fortunes(), 3_000)
    batches = itertools.cycle(documents[at : at + BATCH] for at in range(0, len(documents), BATCH))

    def sample() -> dict[str, float]:
        batch = next(batches)
        seconds = {module: sum(function.ask(text)[0] for text in batch) for module, function in functions.items()}
        answer = batched.invoke({"texts": batch})
        for result, text in zip(answer.body["results"], batch, strict=True):
            spans(result, text)
        return {name: BATCH / total for name, total in [*seconds.items(), ("texts", answer.seconds)]}

    return sample


def _throughput_rows(samples: list[dict[str, float]], pipeline: str) -> list[Row]:
    plain, one, many = ([sample[name] for sample in samples] for name in (PLAIN, SERVICE, "texts"))
    rows = []
    for what, service in (("one text a request", one), (f"{BATCH} texts a request (plain: one)", many)):
        ratio = Figure.ratio(service, plain)
        rows.append(Row(f"throughput, {what}", pipeline, "texts/s", Figure.of(plain), Figure.of(service), ratio))
    return rows


def growth(models: dict[str, Path], pipeline: str, requests: int) -> Row:
    """RSS after requests that each bring ten words that never were before, less RSS when memory had settled."""
    grown, mapped = {}, {}
    for module, model in models.items():
        words = _new_words()
        with Function(module, model) as function:
            for number in range(SETTLED + requests):
                if number == SETTLED:
                    before, mapped_before = function.rss(), function.mapped()
                function.ask(" ".join(itertools.islice(words, 10)) + ".")
            grown[module] = Figure.exact((function.rss() - before) / 1e6)
            mapped[module] = (function.mapped() - mapped_before) / 1e6
    note = f"this service: {mapped[SERVICE]:.1f} MB of it mapped files"
    what = f"growth of RSS over {requests:,} requests of 10 new words"
    return Row(what, pipeline, "MB", grown[PLAIN], grown[SERVICE], None, Must("≤", 5, "MB"), note)


def _new_words() -> Iterator[str]:
    rng = random.Random(0)
    for number in itertools.count():
        word = "".join(rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(4))
        yield f"{word.capitalize()}{number}" if number % 3 == 0 else f"{word}{number}"
