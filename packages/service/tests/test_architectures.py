"""Networks of many shapes with weights at random: the entities of spaCy from each."""

import re

import numpy as np
import pytest
import spacy
from comparison import engine, entities, found, some_texts
from spacy.training import Example
from spacy.vectors import Vectors

from burst_ner_model.components import Sources
from burst_ner_model.model_file import Section, read
from burst_ner_model.unsupported import Unsupported

TEXTS = 60


def embed(**options):
    settings = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 32, "include_static_vectors": False}
    settings |= {"attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"], "rows": [500, 100, 200, 100]}
    return settings | options


def encode(**options):
    settings = {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 32, "depth": 3, "window_size": 1}
    return settings | {"maxout_pieces": 3} | options


def tok2vec(embed, encode, version="v2"):
    return {"@architectures": f"spacy.Tok2Vec.{version}", "embed": embed, "encode": encode}


def search(tok2vec, **options):
    settings = {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "extra_state_tokens": False}
    return settings | {"hidden_width": 24, "maxout_pieces": 2, "use_upper": True, "tok2vec": tok2vec} | options


USUAL = tok2vec(embed(), encode())
CNN = {"pretrained_vectors": None, "width": 32, "depth": 2, "embed_size": 500, "window_size": 1, "maxout_pieces": 3}
CHARS = {"@architectures": "spacy.CharacterEmbed.v2", "width": 32, "rows": 200, "nM": 8, "nC": 8, "feature": "LOWER"}
MISH = {"@architectures": "spacy.MishWindowEncoder.v2", "width": 32, "depth": 3, "window_size": 1}
OLD = {"@architectures": "spacy.MaxoutWindowEncoder.v1"}

ARCHITECTURES = {
    "usual": search(USUAL),
    "depth 1": search(tok2vec(embed(), encode(depth=1))),
    "depth 8": search(tok2vec(embed(), encode(depth=8))),
    "window 2": search(tok2vec(embed(), encode(depth=2, window_size=2))),
    "one piece": search(tok2vec(embed(), encode(maxout_pieces=1))),
    "width not of 16": search(tok2vec(embed(width=50), encode(width=50))),
    "width 300": search(tok2vec(embed(width=300), encode(width=300, depth=1))),
    "one piece of the search": search(USUAL, maxout_pieces=1),
    "three pieces of the search": search(USUAL, maxout_pieces=3, hidden_width=33),
    "no upper layer": search(USUAL, use_upper=False),
    "no upper layer, one piece": search(USUAL, use_upper=False, maxout_pieces=1),
    "one attribute": search(tok2vec(embed(attrs=["ORTH"], rows=[300]), encode())),
    "LOWER and SHAPE": search(tok2vec(embed(attrs=["LOWER", "SHAPE"], rows=[300, 70]), encode())),
    "SPACY and IS_SPACE": search(tok2vec(embed(attrs=["NORM", "SPACY", "IS_SPACE"], rows=[300, 9, 9]), encode())),
    "an attribute twice": search(tok2vec(embed(attrs=["NORM", "NORM"], rows=[300, 301]), encode())),
    "HashEmbedCNN": search({"@architectures": "spacy.HashEmbedCNN.v2", "subword_features": True} | CNN),
    "HashEmbedCNN of words": search({"@architectures": "spacy.HashEmbedCNN.v2", "subword_features": False} | CNN),
    "HashEmbedCNN v1": search({"@architectures": "spacy.HashEmbedCNN.v1", "subword_features": True} | CNN),
    "characters": search(tok2vec(CHARS | {"include_static_vectors": False}, encode())),
    "characters and vectors": search(tok2vec(CHARS | {"include_static_vectors": True}, encode())),
    "mish": search(tok2vec(embed(), MISH)),
    "vectors": search(tok2vec(embed(include_static_vectors=True), encode())),
    "tok2vec v1": search(tok2vec(embed(), encode(**OLD), "v1")),
    "mish v1": search(tok2vec(embed(), MISH | {"@architectures": "spacy.MishWindowEncoder.v1"}, "v1")),
    "search v1": search(USUAL, **{"@architectures": "spacy.TransitionBasedParser.v1"}),
}


def at_random(nlp):
    """Weights that make every layer count."""
    rng = np.random.default_rng(0)
    for _, component in nlp.pipeline:
        for node in component.model.walk():
            for name in node.param_names:
                if node.has_param(name):
                    scale = 1.0 if name == "E" or node.name == "linear" else 0.3
                    shape = node.get_param(name).shape
                    node.set_param(name, (rng.standard_normal(shape) * scale).astype("f4"))


def pipeline(model, attr="ORTH"):
    nlp = spacy.blank("en")
    words = ["Angela", "Merkel", "Paris", "Google", "the", "THE", "in", "paris", "london", "said", ",", "."]
    data = np.random.default_rng(1).standard_normal((len(words), 20)).astype("f4")
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=words, attr=attr)
    ner = nlp.add_pipe("ner", config={"model": model})
    for label in ("PERSON", "ORG", "GPE"):
        ner.add_label(label)
    nlp.initialize()
    at_random(nlp)
    return nlp


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_same_entities(name, tmp_path):
    nlp = pipeline(ARCHITECTURES[name])
    ours = engine(nlp, tmp_path)
    total = 0
    for text in some_texts(nlp, TEXTS):
        expected = entities(nlp, text)
        assert found(ours, text) == expected, text
        total += len(expected)
    assert total > 50


@pytest.mark.parametrize("attr", ["ORTH", "LOWER", "NORM"])
def test_vectors_by_an_attribute(attr, tmp_path):
    nlp = pipeline(ARCHITECTURES["vectors"], attr)
    ours = engine(nlp, tmp_path)
    for text in [*some_texts(nlp, TEXTS), "Paris paris PARIS the THE The London , said . €"]:
        assert found(ours, text) == entities(nlp, text), text


def test_half_of_the_size_and_nearly_the_same(tmp_path):
    nlp = pipeline(ARCHITECTURES["vectors"])
    engine(nlp, tmp_path)
    whole = len(read(tmp_path / "model.bin")[0x1000])
    ours = engine(nlp, tmp_path, half=True)
    assert len(read(tmp_path / "model.bin")[0x1000]) * 2 == whole
    texts = some_texts(nlp, TEXTS)
    assert sum(found(ours, text) != entities(nlp, text) for text in texts) < TEXTS / 4


def splitting(factory, model=None):
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": USUAL})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32, "upstream": "*"}
    if factory == "parser":
        parser = nlp.add_pipe("parser", config={"model": search(model or listener, state_type="parser")})
        for label in ("nsubj", "obj", "punct||obj", "dep"):
            parser.add_label(label)
    elif factory == "senter":
        nlp.add_pipe("senter", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": model or listener}})
    else:
        nlp.add_pipe("sentencizer", config={"punct_chars": [".", "!", "in"]})
    ner = nlp.add_pipe("ner", config={"model": search(listener)})
    for label in ("PERSON", "ORG"):
        ner.add_label(label)
    doc = nlp.make_doc("Angela Merkel visited Paris .")
    nlp.initialize(lambda: [Example.from_dict(doc, {"sent_starts": [1, 0, 0, 0, 0]})])
    if factory != "sentencizer":
        at_random(nlp)
    return nlp


@pytest.mark.parametrize(
    ("factory", "model"),
    [
        ("parser", None),
        ("parser", tok2vec(embed(width=16), encode(width=16))),
        ("senter", None),
        ("senter", {"@architectures": "spacy.HashEmbedCNN.v2", "subword_features": True} | CNN | {"width": 12}),
        ("sentencizer", None),
    ],
    ids=["shared parser", "parser", "shared senter", "senter", "sentencizer"],
)
def test_who_says_where_sentences_begin(factory, model, tmp_path):
    nlp = splitting(factory, model)
    ours = engine(nlp, tmp_path, Sources("ner", factory, factory, ("tok2vec", factory, "ner")))
    starts = 0
    for text in some_texts(nlp, TEXTS):
        doc = nlp(text)
        expected = [token.idx for token in doc[1:] if token.is_sent_start]
        assert [start for start, *_, begins in ours.tokens(text)[1:] if begins] == expected, text
        assert found(ours, text) == [(e.start_char, e.end_char, e.label_) for e in doc.ents], text
        starts += len(expected)
    assert starts > 20


def test_what_two_components_listen_to_is_there_once(tmp_path):
    nlp = splitting("parser")
    engine(nlp, tmp_path, Sources("ner", "parser", "parser", ()))
    sections = read(tmp_path / "model.bin")
    assert 0x1000 in sections
    assert 0x2000 not in sections
    assert len(sections[Section.PARTS]) == 4 * 16


UNSUPPORTED = {
    "reads IS_TITLE, which the engine does not have": search(
        tok2vec(embed(attrs=["NORM", "IS_TITLE"], rows=[300, 9]), encode())
    ),
    "reads TAG, which": search(tok2vec(embed(attrs=["NORM", "TAG"], rows=[300, 9]), encode())),
    "reads more tokens than the engine (extra_state_tokens)": search(USUAL, extra_state_tokens=True),
}


@pytest.mark.parametrize("reason", UNSUPPORTED)
def test_what_the_engine_does_not_have(reason, tmp_path):
    with pytest.raises(Unsupported, match=re.escape(reason)):
        engine(pipeline(UNSUPPORTED[reason]), tmp_path)


def test_floret_vectors(tmp_path):
    nlp = pipeline(ARCHITECTURES["vectors"])
    settings = {"mode": "floret", "hash_count": 2, "minn": 3, "maxn": 4}
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=np.zeros((50, 20), dtype="f4"), **settings)
    with pytest.raises(Unsupported, match="vectors of the kind 'floret'"):
        engine(nlp, tmp_path)


def test_labels_added_after_the_training(tmp_path):
    nlp = pipeline(ARCHITECTURES["usual"])
    nlp.get_pipe("ner").add_label("NEW")
    with pytest.raises(Unsupported, match="labels that it was never trained for"):
        engine(nlp, tmp_path)
