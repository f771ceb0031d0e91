"""Memory of a function that is up: after new words, and after what someone sends to hurt it."""

import itertools
import random
from collections.abc import Iterator

import pipelines
from figure import Figure, Must, Row
from function import SERVICE, Function, say

#: Requests after which memory has its size, were it not for new words.
SETTLED = 200
RUN = 40_000


def measure(quick: bool) -> list[Row]:
    """RSS after requests that each bring ten words that never were before, then with hostile ones, of sm."""
    requests = 1_000 if quick else 10_000
    words = _new_words()
    with Function(SERVICE, pipelines.prepared(pipelines.sm())) as function:
        say(f"{requests:,} requests of new words …")
        for number in range(SETTLED + requests):
            if number == SETTLED:
                before = function.rss()
            function.ask(" ".join(itertools.islice(words, 10)) + ".")
        grown = function.rss() - before
        hostile = 3 if quick else 30
        say(f"{hostile * len(KINDS)} hostile requests …")
        seconds = {kind: Figure.of(function.ask(make())[0] for _ in range(hostile)) for kind, make in KINDS.items()}
        slowest = max(seconds, key=lambda kind: seconds[kind].median)
        return [
            _row(f"growth of RSS over {requests:,} requests of 10 new words", "MB", Figure.exact(grown), 3),
            _row(
                f"most RSS, {hostile * len(KINDS)} hostile requests included", "MB", Figure.exact(function.peak()), 80
            ),
            _row(f"the slowest kind of these, {RUN:,} characters", "s", seconds[slowest], 1, slowest),
        ]


def _row(what: str, unit: str, figure: Figure, most: float, note: str = "") -> Row:
    return Row(what, "sm, pipeline", unit, None, figure, None, Must("≤", most, unit), note)


def _new_words() -> Iterator[str]:
    rng = random.Random(0)
    for number in itertools.count():
        word = "".join(rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(4))
        yield f"{word.capitalize()}{number}" if number % 3 == 0 else f"{word}{number}"


_RNG = random.Random(0)


def _run(alphabet: str, end: str = "") -> str:
    """A text whose run of RUN characters was never sent before."""
    return "Mr. Ada " + "".join(_RNG.choices(alphabet, k=RUN - len(end))) + end + " lived in London."


#: What a client may send that costs most: long runs without a space, each time another one.
KINDS = {
    "letters": lambda: _run("abcdefghijklmnop"),
    "letters beyond the first 65,536": lambda: _run("".join(map(chr, range(0x1D41A, 0x1D434)))),
    "white space": lambda: _run(" \n\t\u3000"),
    "hyphens and letters": lambda: _run("-ab"),
    "full stops and capitals": lambda: _run(".AB"),
    "opening quotes": lambda: _run("('\"«"),
    "closing quotes": lambda: _run(")'\"»!", "x"),
    "a long URL": lambda: "http://" + _run("abc./?&=%"),
    "digits and units": lambda: _run("0123456789km%€"),
    "random Unicode": lambda: "".join(map(chr, _RNG.choices([*range(0xD800), *range(0xE000, 0x110000)], k=RUN))),
}
