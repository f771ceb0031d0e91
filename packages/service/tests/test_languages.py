"""The tokenizer of each language that pipelines are published for: the same tokens and norms as spaCy's.

A tenth of the strings; all of them with BURST_NER_FULL=1.
"""

import os
import random

import pytest
import spacy
from comparison import blank, engine, tokens, with_small_ner

from burst_ner_model.characters import CODE_POINTS
from burst_ner_model.unsupported import Unsupported

# zh, ja and ko have tokenizers of their own.
PUBLISHED = ["ca", "hr", "da", "nl", "en", "fi", "fr", "de", "el", "it", "lt"]
PUBLISHED += ["mk", "xx", "nb", "pl", "pt", "ro", "ru", "sl", "es", "sv", "uk"]
STRINGS = 10_000 if os.environ.get("BURST_NER_FULL") == "1" else 1_000

PIECES = [
    *"()[]{}<>!?;:,.…=-—–_~*+&%#@'\"“”‘’«»/\\|$€£°。😀字aZß9ΣΑσİıǅ \n\t\u00a0\u2028\u200b\ufeff\u0301",  # noqa: RUF001
    *("..", "...", "'s", "n't", "''", "US$", "km", "9.", "A.", "e.g.", "I'm", "10a.m.", "C++", "http://", "www.a.de"),
    *("https://a.b.com/", "a@b.org", "a:b@c.com", "x" * 40, "10.0.0.1:80", "10km/h", ":)", "?q=", "a.b", "<3", "+1"),
    *("l'eau", "qu'est-ce", "porte-avions", "z.B.", "Straße", "ΟΔΟΣ", "NOUN", "ORTH", "Москва", " ", " ", " "),
]


def strings(cases, count):
    rng = random.Random(0)
    for number in range(count):
        if number % 5:
            pieces = [rng.choice(PIECES) * rng.choice((1, 1, 1, 1, 2, 30)) for _ in range(rng.randint(1, 25))]
            # Few: many of them make spaCy write beyond its memory; see burst_ner_model/corpus.py.
            for case in rng.sample(cases, min(len(cases), rng.randint(0, 4))):
                pieces.insert(rng.randint(0, len(pieces)), case)
            yield "".join(pieces)
        else:
            code_points = (rng.choice((rng.randrange(0x300), rng.randrange(CODE_POINTS))) for _ in range(40))
            yield "".join(chr(c) for c in code_points if not 0xD800 <= c < 0xE000)


@pytest.mark.parametrize("lang", PUBLISHED)
def test_the_same_tokens_and_norms(lang, tmp_path):
    nlp = blank(lang)
    ours = engine(nlp, tmp_path)
    for text in strings(sorted(nlp.tokenizer.rules), STRINGS):
        assert [token[:3] for token in ours.tokens(text)] == tokens(nlp, text), text


def test_each_special_case_by_itself_and_within_others(tmp_path):
    nlp = blank("en")
    ours = engine(nlp, tmp_path)
    for case in nlp.tokenizer.rules:
        for text in (case, f"({case})", f"x {case}", f"{case}.", case.upper(), f"{case}{case}"):
            assert [token[:3] for token in ours.tokens(text)] == tokens(nlp, text), text


@pytest.mark.parametrize("faster", [True, False])
def test_special_cases_of_a_user(tmp_path, faster):
    nlp = blank("en")
    nlp.tokenizer.faster_heuristics = faster
    for case, parts in {
        "gimme": ("gim", "me"),
        "New York": ("New ", "York"),
        "a-b": ("a-", "b"),
        "...": ("..", "."),
    }.items():
        nlp.tokenizer.add_special_case(case, [{"ORTH": part, "NORM": part.upper()} for part in parts])
    ours = engine(nlp, tmp_path)
    for text in (
        "gimme",
        "(gimme)",
        "New York",
        "in New York-a-b",
        "a-b...",
        "xgimme",
        "New  York",
        "a-b-a-b",
        "wait...",
    ):
        assert [token[:3] for token in ours.tokens(text)] == tokens(nlp, text), text


def test_words_with_a_norm_of_their_own(tmp_path):
    nlp = spacy.blank("en")
    table = nlp.vocab.lookups.add_table("lexeme_norm", {"colour": "color", "€": "euro"})
    getters = nlp.vocab.lex_attr_getters
    getters[spacy.attrs.NORM] = spacy.util.add_lookups(getters[spacy.attrs.NORM], table)
    nlp.vocab["ACME"].norm_ = "firm"
    ours = engine(with_small_ner(nlp), tmp_path)
    text = "colour , Colour and ACME for € or £ 5 ."
    assert [token.norm_ for token in nlp(text)] == [
        "color",
        ",",
        "colour",
        "and",
        "firm",
        "for",
        "euro",
        "or",
        "$",
        "5",
        ".",
    ]
    assert [token[:3] for token in ours.tokens(text)] == tokens(nlp, text)


@pytest.mark.parametrize(
    ("lang", "reason"),
    [("zh", "its tokenizer is not spaCy's own but spacy.lang.zh"), ("hi", "code of its own for the attribute NORM")],
)
def test_a_language_that_the_engine_does_not_know(lang, reason, tmp_path):
    with pytest.raises(Unsupported, match=reason):
        engine(blank(lang), tmp_path)


def test_a_search_that_is_a_function(tmp_path):
    nlp = blank("en")
    nlp.tokenizer.token_match = lambda text: text == "x"
    with pytest.raises(Unsupported, match="the token_match of its tokenizer is code of its own"):
        engine(nlp, tmp_path)
