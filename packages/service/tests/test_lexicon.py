"""The words of texts: kept for a while, and never too many."""

import subprocess
import sys
from pathlib import Path

import pytest

from burst_ner import lexicon
from burst_ner import recognizer as recognizer_module
from burst_ner.model import load
from burst_ner.recognizer import Recognizer

SERVICE = Path(__file__).parent.parent
TEXT = "Ada Lovelace didn't live in Londinium with Zanzibella Quorngate."


def test_words_are_kept_until_they_are_too_many(prepared_path, monkeypatch):
    monkeypatch.setattr(lexicon, "MAX_STRINGS", 100)
    nlp, _ = load(prepared_path)
    norms = [token.norm_ for token in nlp.make_doc("He didn't")]
    own = set(nlp.vocab.strings)
    recognizer = Recognizer(nlp)
    getters = dict(nlp.vocab.lex_attr_getters)
    first = recognizer.recognize([TEXT])
    assert "Quorngate" in nlp.vocab.strings
    for number in range(20):
        recognizer.recognize([f"{' '.join(f'Word{number}x{n}' for n in range(10))}."])
        assert len(nlp.vocab.strings) < len(own) + 200
    assert "Quorngate" not in nlp.vocab.strings
    assert recognizer.recognize([TEXT]) == first
    recognizer._lexicon.close()
    assert set(nlp.vocab.strings) == own
    lexicon._renew(nlp.vocab)
    assert set(nlp.vocab.strings) == own
    assert nlp.vocab.lex_attr_getters == getters
    assert [token.norm_ for token in nlp.make_doc("He didn't")] == norms


def test_the_tokenizer_of_long_runs_outlives_the_words(prepared_path, monkeypatch):
    monkeypatch.setattr(lexicon, "MAX_STRINGS", 10)
    nlp, _ = load(prepared_path)
    built_in_a_zone = []
    build = recognizer_module.long_run_tokenizer

    def watched(tokenizer):
        built_in_a_zone.append(nlp.vocab.in_memory_zone)
        return build(tokenizer)

    monkeypatch.setattr(recognizer_module, "long_run_tokenizer", watched)
    recognizer = Recognizer(nlp)
    recognizer.recognize([TEXT])
    runs_kept = nlp.tokenizer.infix_finditer.cache_info().currsize
    text = f"{TEXT} {'=' * 300}{'a' * 300}"
    first = recognizer.recognize([text])
    assert built_in_a_zone == [False]
    assert nlp.tokenizer.infix_finditer.cache_info().currsize == runs_kept > 0
    for number in range(20):
        recognizer.recognize([f"Another{number} text{number}."])
        assert recognizer.recognize([text]) == first


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_as_it_is(prepared_path):
    code = """
import sys; from pathlib import Path
from burst_ner.lexicon import Lexicon; from burst_ner.model import load
nlp, _ = load(Path(sys.argv[1])); lexicon = Lexicon(nlp)
def rss(): return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) * 1024
for number in range(0, 120_000, 100):
    if number == 20_000: before = rss()
    lexicon.open()
    nlp.make_doc(" ".join(f"new{n}word" for n in range(number, number + 100)))
print(rss() - before)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, prepared_path], cwd=SERVICE, capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 1_500_000
