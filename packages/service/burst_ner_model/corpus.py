"""Texts that a prepared model is proven with: sentences of many languages, special cases of the tokenizer, strings made
to be hard. The same for every build of a pipeline. The sentences are the project's own."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

#: How many of each kind, at most.
SENTENCES, SPECIAL_CASES, HARD = 200, 1_000, 120
# Few in one text: where many special cases first add tokens and then join some, spaCy writes beyond its memory
# (Tokenizer._prepare_special_spans counts how long the document becomes, and not how long it is in between).
_CASES_A_TEXT = 4
_BRACKETS = [("(", ")"), ("[", "],"), ('"', '."'), ("-", "-"), ("", "...")]


def texts(lang: str, special_cases: list[str]) -> Iterator[tuple[str, str]]:
    """Texts, each with the name of its place.

    Args:
        lang: half of the sentences are in this language, where there are any.
        special_cases: strings that the tokenizer has rules for.
    """
    rng = random.Random(0)
    own = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    everywhere = [sentence for sentences in own["sentences"].values() for sentence in sentences]
    here = own["sentences"].get(lang, everywhere)
    names = {"{p}": own["people"], "{c}": own["places"], "{o}": own["firms"], "{n}": list(map(str, range(1, 1000)))}
    for number in range(SENTENCES):
        several = (
            _filled(rng.choice(here if number % 2 else everywhere), names, rng) for _ in range(rng.randint(1, 3))
        )
        yield f"sentence {number + 1} of the tool's own", rng.choice((" ", " ", "\n", "  ")).join(several)
    cases = sorted(special_cases)
    cases = rng.sample(cases, min(SPECIAL_CASES, len(cases)))
    for start in range(0, len(cases), _CASES_A_TEXT):
        some = cases[start : start + _CASES_A_TEXT]
        within = (before + case + behind for case in some for before, behind in [rng.choice(_BRACKETS)])
        yield f"special cases from number {start + 1}", " ".join([*some, *within])
    for number in range(HARD):
        yield f"hard string {number + 1} of the tool's own", _hard(own["pieces"], cases, rng)


def _filled(sentence: str, names: dict[str, list[str]], rng: random.Random) -> str:
    for slot, some in names.items():
        while slot in sentence:
            sentence = sentence.replace(slot, rng.choice(some), 1)
    return sentence


def _hard(pieces: list[str], cases: list[str], rng: random.Random) -> str:
    if rng.random() < 0.2:
        ranges = [(0, 0x2FF), (0, 0xD7FF), (0xE000, 0x1FFFF)]
        chars = (chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randint(1, 60)))
        return "".join(rng.choice((char, rng.choice(pieces))) for char in chars)
    # Without blanks there would be one run, and with as many as other pieces nothing hard.
    parts = [rng.choice([*pieces, *[" "] * 12]) * rng.choice([1] * 8 + [2, 3, 30]) for _ in range(rng.randint(1, 40))]
    for case in rng.sample(cases, min(len(cases), rng.randint(0, _CASES_A_TEXT))):
        parts.insert(rng.randint(0, len(parts)), case)
    return "".join(parts)
