"""Patterns of a tokenizer as the engine runs them: what Python's re matches, it matches."""

import random
import re
from pathlib import Path

import pytest
from comparison import blank, engine, tokens

from burst_ner_model import model_file, patterns
from burst_ner_model.unsupported import Unsupported

PREFIXES = [
    *(r"^[\"'(]", r"^(?:ab|a)", r"^(?:a|ab)", r"^a+?", r"^(?:ab){1,2}", r"^x(?=y)", r"^x(?!y)", r"^\b\w", r"^(?i:ß|É)"),
    *(r"^[^\W\d_]", r"^.", r"^(?:a*)b", r"^[A-Z]{2,}(?=[a-z])", r"\Aa", r"^\$\d*"),
]
SUFFIXES = [
    *(r"[\"').,]$", r"\.\.+$", r"(?<=[0-9])km$", r"(?<![0-9])km$", r"(?:ly|y)$", r"'s$|'S$", r"\d{2,3}\Z", r"(?i)LY$"),
    *(r"(?:a|b)+$", r"[^a]$", r"(?:ab|a)?b$"),
]
INFIXES = [
    *(r"b*", r"a*|-", r"(?=-)|-+", r"0?", r"|o"),  # may be empty or not
    *(
        r"[-~]",
        r"\.\.+",
        r"(?<=[a-z])\.(?=[A-Z])",
        r"(?<=\w)/(?=\w)",
        r"(?=b)",
        r"(?=b)|(?<=b)(?=y)",
        r"(?:--|-)",
        r"\bx\b",
        r"[ab]{2}",
    ),
    *(r"(?:a|aa|b)-", r"(?i)[k]", r"(?s:.)-", r"\d+(?:,\d+)*"),
]
MATCHES = [
    *(
        r"^(?:foo|food|fool)$",
        r"(?:a|ab)(?:c|bcd)$",
        r"^\w+@\w+$",
        r"x|xy|xyz",
        r"(?iu)^(?:straße|été|été-là)$",
        r"a?b?c?$",
    ),
    *(r"^(?:10|127)(?:\.\d{1,3}){3}$", r"(?:\S+(?::\S*)?@)?host"),
]
ALPHABET = [
    "a",
    "b",
    "ab",
    "x",
    "y",
    "ly",
    "k",
    "K",
    "\N{KELVIN SIGN}",
    "ß",
    "ẞ",
    "é",
    "É",
    "foo",
    "food",
    "Straße",
    "été-là",
]
ALPHABET += [
    "0",
    "12",
    "10.0.0.1",
    "km",
    "-",
    "--",
    ".",
    "..",
    ",",
    "~",
    "/",
    "'s",
    '"',
    "(",
    ")",
    "@",
    ":",
    "host",
    "c",
    "A",
]
RUNS = ["".join(random.Random(seed).choices(ALPHABET, k=1 + seed % 7)) for seed in range(400)]

CASES = [
    *[("prefix_search", pattern) for pattern in PREFIXES],
    *[("suffix_search", pattern) for pattern in SUFFIXES],
    *[("infix_finditer", pattern) for pattern in INFIXES],
    *[(name, pattern) for pattern in MATCHES for name in ("token_match", "url_match")],
]


def tokenizer_with(name, pattern):
    nlp = blank("en")
    tokenizer = nlp.tokenizer
    tokenizer.rules = {}
    for other in ("prefix_search", "suffix_search", "infix_finditer", "token_match", "url_match"):
        setattr(tokenizer, other, None)
    if name.endswith("match"):  # what it keeps whole would be split otherwise
        tokenizer.infix_finditer = re.compile(r"[-.a0@]").finditer
    setattr(tokenizer, name, getattr(re.compile(pattern), name.rpartition("_")[2]))
    return nlp


@pytest.mark.parametrize(("name", "pattern"), CASES)
def test_the_same_matches(name, pattern, tmp_path):
    nlp = tokenizer_with(name, pattern)
    ours = engine(nlp, tmp_path)
    for run in RUNS:
        assert [token[:3] for token in ours.tokens(run)] == tokens(nlp, run), run


@pytest.mark.parametrize(
    "pattern",
    [r"(a)\1", r"(?:a?)*b", r"(?m)^a", r"\Ba", r"(?>a+)b", r"a++b", r"(a)?(?(1)b|c)"],
)
def test_what_the_engine_does_not_have(pattern, tmp_path):
    nlp = tokenizer_with("infix_finditer", pattern)
    with pytest.raises(Unsupported, match="a pattern of its tokenizer"):
        engine(nlp, tmp_path)


def test_ten_thousand_words_share_their_beginnings_and_ends():
    words = [
        f"{a}{b}-{c}{d}ement" for a in "abcdefghij" for b in "klmnopqrst" for c in "uvwxyzabcd" for d in "efghijklmn"
    ]
    [alternative] = patterns.Compiler().match(re.compile("(?i)" + "|".join(f"(?:^{word}$)" for word in words)))
    assert len(alternative.code) < 400


def test_the_numbers_are_those_of_the_engine():
    header = (Path(__file__).parent.parent / "engine" / "format.h").read_text()
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    constants = {
        name: int(value, 0) for name, value in re.findall(r"(\w+) = (\w+)[,\s}]", header) if value[0].isdigit()
    }
    enums = [
        re.findall(r"(\w+)\s*(?:= (\w+))?\s*[,}]", body)
        for body in re.findall(r"enum \w* ?\{(.*?\})", header, re.DOTALL)
    ]
    for enum in enums:
        number = 0
        for name, value in enum:
            number = constants[name] if value and name in constants else number
            constants[name] = number
            number += 1
    for section in [*model_file.Section, *model_file.Array]:
        assert constants[section.name] == section, section
    for name in ("MATCH", "CHAR", "SET", "SPLIT", "JUMP", "START", "END", "LOOK", "LOOP", "VERY_END"):
        assert constants[f"OP_{name}"] == getattr(patterns, f"_{name}"), name
    assert (constants["FROM_START"], constants["TO_END"]) == (patterns.FROM_START, patterns.TO_END)
    for name in ("FORMAT_VERSION", "HEADER_BYTES", "ENTRY_BYTES", "ALIGNMENT"):
        assert constants[name] == getattr(model_file, name), name
