"""Models that spaCy runs: the whole pipeline as it is."""

import re
import shutil
from pathlib import Path

import pytest
import spacy

from burst_ner import plain as module
from burst_ner.errors import SetupError
from burst_ner.opening import load

SERVICE = Path(__file__).parent.parent
TEXTS = [
    text
    for path in sorted((SERVICE.parents[1] / "demo" / "texts").glob("*.txt"))
    for text in path.read_text(encoding="utf-8").split("\n\n")[:12]
]


def entities(found):
    return [[(e["start_char"], e["end_char"], e["label"]) for e in each] for each in found]


@pytest.fixture
def copy(model_path, tmp_path):
    return Path(shutil.copytree(model_path, tmp_path / "model"))


def set_disabled(folder, names):
    config = folder / "config.cfg"
    config.write_text(re.sub(r"(?m)^disabled = .*$", f"disabled = {names}", config.read_text()))


def test_entities_are_those_of_the_whole_pipeline(plain, model_path):
    docs = list(spacy.load(model_path).pipe(TEXTS))
    expected = [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in docs]
    assert entities(plain.recognize(TEXTS, 60)) == expected
    assert sum(map(len, expected)) > 100


def test_other_components_that_set_entities_are_part_of_it(tmp_path):
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler", name="rules")
    ruler.add_patterns([{"label": "ENGINE", "pattern": "Analytical Engine"}])
    nlp.to_disk(tmp_path)
    recognizer, _ = load(tmp_path)
    assert recognizer.labels == ["ENGINE"]
    [[entity]] = recognizer.recognize(["The Analytical Engine was never built."], 60)
    assert entity == {"text": "Analytical Engine", "label": "ENGINE", "start_char": 4, "end_char": 21}


def test_no_entities_at_all_are_no_silence(copy):
    set_disabled(copy, '["ner"]')
    with pytest.raises(SetupError, match=r"sets entities; take 'ner' out of `disabled` in its config\.cfg"):
        load(copy)


def test_what_spacy_cannot_load(copy):
    weights = copy / "ner" / "model"
    weights.write_bytes(b"\xc1" * weights.stat().st_size)
    with pytest.raises(SetupError, match=r"^spaCy [\d.]+ cannot load the pipeline in .*; copy it there again"):
        load(copy)


def test_words_of_texts_are_forgotten_and_their_places_are_given_back(model_path, monkeypatch):
    recognizer, _ = load(model_path)
    strings = recognizer._nlp.vocab.strings
    before, expected = len(strings), recognizer.recognize(TEXTS, 60)
    renewed = []
    renew = module._renew
    monkeypatch.setattr(module, "_renew", lambda vocab: renewed.append(renew(vocab)))
    monkeypatch.setattr(module, "_MOST_FORGOTTEN", 1_000)
    monkeypatch.setattr(recognizer, "_strings", 1_000)
    for _ in range(3):
        assert recognizer.recognize(TEXTS, 60) == expected
    assert renewed
    assert len(strings) == before
