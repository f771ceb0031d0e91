"""The network and the search for entities in numpy: what spaCy's own find, for any text and any weights."""

import random

import numpy as np
import pytest
import spacy
import static_pipeline

from burst_ner import network
from burst_ner.model import load, load_plain, open_pipeline
from burst_ner.network import simplify
from burst_ner.recognizer import Recognizer
from burst_ner.transitions import Transitions

WORDS = [
    "Maria",
    "works",
    "at",
    "Google",
    "in",
    "Berlin",
    ".",
    "the",
    "\n",
    "  ",
    "\n\n",
    "2019",
    "don't",
    "(",
    ",",
    "é😀",
]


def texts(number, seed=0):
    rng = random.Random(seed)
    return ["", *(" ".join(rng.choices(WORDS, k=rng.randint(0, 12))) for _ in range(number)), "Maria", "\n", " "]


def by_spacy(nlp, texts):
    return [[(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in nlp.pipe(texts)]


def recognized(recognizer, texts):
    found = recognizer.recognize(texts)
    assert all(
        text[e["start_char"] : e["end_char"]] == e["text"] for text, es in zip(texts, found, strict=True) for e in es
    )
    return [[(e["start_char"], e["end_char"], e["label"]) for e in entities] for entities in found]


@pytest.mark.parametrize("seed", range(5))
def test_any_weights(model_path, seed):
    """Weights at random, so that every action comes up, at the end of a document and at a space, too."""
    ours, theirs = (load_plain(open_pipeline(model_path)) for _ in range(2))
    for nlp in (ours, theirs):
        upper = nlp.get_pipe("ner").model.get_ref("upper")
        weights = np.random.default_rng(seed).standard_normal(upper.get_param("W").shape, dtype=np.float32)
        upper.set_param("W", weights)
    documents = texts(300, seed)
    found = by_spacy(theirs, documents)
    assert recognized(Recognizer(ours), documents) == found
    lengths = {len(text[start:end].split()) for text, es in zip(documents, found, strict=True) for start, end, _ in es}
    assert {1, 2, 3, 4} <= lengths


@pytest.mark.parametrize("kind", ["without vectors", "with vectors"])
def test_one_by_one_and_together(model_path, prepared_path, static_path, static_prepared, kind):
    folders = (model_path, prepared_path) if kind == "without vectors" else (static_path, static_prepared)
    documents = [*texts(50), *static_pipeline.texts(50)]
    found = by_spacy(load_plain(open_pipeline(folders[0])), documents)
    recognizer = Recognizer(load(folders[1])[0])
    assert recognizer._transitions
    assert recognized(recognizer, documents) == found
    assert [recognized(recognizer, [text])[0] for text in documents] == found
    assert recognized(recognizer, []) == []
    assert recognized(recognizer, ["", ""]) == [[], []]


def test_vectors_of_words_differ_in_the_last_bits_only(static_prepared):
    ours, theirs = (load(static_prepared)[0] for _ in range(2))
    simplify(ours.get_pipe("ner").model)
    documents = static_pipeline.texts(100)
    pairs = [[nlp.get_pipe("ner").tok2vec.predict([nlp.make_doc(t) for t in documents]) for nlp in (ours, theirs)]]
    for one, other in pairs:
        assert 0 < np.abs(one - other).max() < 1e-4


@pytest.mark.parametrize("most", [5, 30, 10_000])
def test_an_embedding_that_was_kept_is_the_one_that_would_be_computed(static_prepared, monkeypatch, most):
    nlp, _ = load(static_prepared)
    embed = nlp.get_pipe("ner").tok2vec.layers[0].get_ref("embed")
    monkeypatch.setattr(network, "MAX_EMBEDDINGS", most)
    kept = network._embedding(embed)
    rng = random.Random(0)
    documents = static_pipeline.texts(60)
    for _ in range(40):
        docs = [nlp.make_doc(text) for text in rng.sample(documents, rng.randint(1, 4))]
        fresh = network._embedding(embed)
        for one, other in zip(kept.predict(docs), fresh.predict(docs), strict=True):
            assert np.array_equal(one, other)


def test_an_ner_of_another_kind_is_left_to_spacy(model_path):
    nlp = spacy.load(model_path, exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"])
    assert Transitions.of(nlp) is None  # more than `ner`
    beam = spacy.blank("en")
    beam.add_pipe("beam_ner", "ner").add_label("PERSON")
    beam.initialize()
    assert Transitions.of(beam) is None
    expected = by_spacy(beam, texts(20))
    assert recognized(Recognizer(beam), texts(20)) == expected
