"""Long runs without a space: the tokens and entities that spaCy would find, in bearable time."""

import time

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from burst_ner.model import load
from burst_ner.recognizer import Recognizer
from burst_ner.tokenizer import LONG_RUN, long_run_tokenizer

PIECES = [
    *"()[]{}<>!?;:,.…=-—_~*+&%#@'\"“”«»/\\|$€£°。、😀👩🏽‍💻字あaZß9\u2013\u2018\u2019\u0301",
    *["..", "....", "." * 40, "'s", "'ve", "n't", "''", "US$", "km", "9.", "A.", "AB.", "e.g.", "I'm", "°C."],
    *["http://", "https://a.b.com/", "www.a.de", "a@b.org", "a:b@c.com", "user:", "x" * 40, "10.0.0.1:80", "(a", "b)"],
    *["10km", "10km/h", "7mbar", "3км²", "50hPa", "(?", "),"],
    *[":)", ":-(", "C++", "%20", "?q=", "a.b", "o.O", "<3", "``", "+1", "-5"],
]
RUNS = st.lists(st.tuples(st.sampled_from(PIECES), st.integers(1, 60)), min_size=1, max_size=12)


def tokens(tokenizer, text):
    return [(token.text, token.idx, token.whitespace_) for token in tokenizer(text)]


@pytest.mark.parametrize("language", ["en", "de", "fr", "hu", "xx"])
def test_the_same_tokens(language):
    tokenizer = spacy.blank(language).tokenizer
    ours = long_run_tokenizer(tokenizer)

    @settings(max_examples=60, deadline=None, derandomize=True, database=None)
    @given(st.lists(RUNS, min_size=1, max_size=3))
    def compare(runs):
        text = " ".join("".join(piece * times for piece, times in run) for run in runs)
        assert tokens(ours, text) == tokens(tokenizer, text)

    for ends in ("x" + "." * 100, "." * 100 + "x", "(" * 40 + "." * 32 + "x)", "x" * 33 + "10km/h", "10km/h" * 30):
        assert tokens(ours, ends) == tokens(tokenizer, ends)
    compare()


@pytest.mark.parametrize("end", ["", "/" + "p" * 500, ":80/?q=" + "%20" * 200, "!", "/a!b", "."])
@pytest.mark.parametrize("user", ["", "u" * 400 + "@", "u" * 300 + ":p:w@", "a:b:" * 100 + "@", "a@" * 200])
@pytest.mark.parametrize("scheme", ["", "https://", "x" * 300 + "://", "://"])
def test_long_urls_stay_whole_or_not_as_before(recognizer, scheme, user, end):
    tokenizer = recognizer._nlp.tokenizer
    text = f"{scheme}{user}www.example.com{end}"
    assert tokens(long_run_tokenizer(tokenizer), text) == tokens(tokenizer, text)


@pytest.mark.parametrize("run", ["=" * LONG_RUN, "-" * 700, "https://example.com/" + "a/" * 200, "(" * 300 + "x"])
def test_the_same_entities(recognizer, run):
    text = f"Ada Lovelace lived in London.\n{run}\nAngela Merkel visited Paris {run} on 5 May 2020."
    docs = recognizer._nlp.pipe([text])
    expected = [[(e.text, e.label_, e.start_char, e.end_char) for e in doc.ents] for doc in docs]
    assert len(expected[0]) > 4
    for _ in range(2):
        assert [[tuple(entity.values()) for entity in found] for found in recognizer.recognize([text])] == expected


@pytest.mark.parametrize("run", ["_" * 10_000, "(" * 10_000, "a@:" * 10_000 + "!", "a:" * 10_000, "'s" * 5_000])
def test_the_time_of_a_long_run(recognizer, run):
    recognizer.recognize(["x" * LONG_RUN])  # builds the tokenizer
    started = time.process_time()
    recognizer._tokenizer(run)(run)
    assert time.process_time() - started < 2  # spaCy's own takes 10 s for the first


def test_long_runs_are_not_kept(prepared_path):
    recognizer = Recognizer(load(prepared_path)[0])
    kept = recognizer._nlp.tokenizer.suffix_search
    recognizer.recognize(["A short run."])
    short = kept.cache_info().currsize
    assert short > 0
    recognizer.recognize([f"{word}{'.' * LONG_RUN}" for word in "abc"])
    assert kept.cache_info().currsize == short
