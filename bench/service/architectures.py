"""Whether the service finds what spaCy finds with pipelines of many architectures, whose weights are random."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import spacy
from spacy.language import Language

import pipelines
from documents import documents
from figure import Figure, Must, Row
from function import BenchError, say
from identity import differing, found, served

LABELS = ("PERSON", "ORG", "GPE")


def embed(**settings) -> dict:
    common = {"width": 96, "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"], "rows": [2000, 500, 500, 500]}
    return {"@architectures": "spacy.MultiHashEmbed.v2", **common, "include_static_vectors": False} | settings


def encode(**settings) -> dict:
    common = {"width": 96, "depth": 4, "window_size": 1, "maxout_pieces": 3}
    return {"@architectures": "spacy.MaxoutWindowEncoder.v2", **common} | settings


def tok2vec(embed: dict, encode: dict, version: str = "v2") -> dict:
    return {"@architectures": f"spacy.Tok2Vec.{version}", "embed": embed, "encode": encode}


def search(tok2vec: dict, **settings) -> dict:
    common = {
        "state_type": "ner",
        "extra_state_tokens": False,
        "hidden_width": 64,
        "maxout_pieces": 2,
        "use_upper": True,
    }
    return {"@architectures": "spacy.TransitionBasedParser.v2", **common, "tok2vec": tok2vec} | settings


def hash_embed_cnn(version: str = "v2", **settings) -> dict:
    common = {"width": 96, "depth": 4, "embed_size": 2000, "window_size": 1, "maxout_pieces": 3}
    architecture = {"@architectures": f"spacy.HashEmbedCNN.{version}", "pretrained_vectors": None}
    return architecture | common | {"subword_features": True} | settings


def ner(model: dict, *before: str, language: str = "en", vectors: bool = False) -> Callable[[], Language]:
    """Makes a pipeline with these components before its `ner`, and static vectors if asked for."""

    def make() -> Language:
        nlp = spacy.blank(language)
        nlp.meta["name"] = "random"
        rng = np.random.default_rng(0)
        if vectors:
            for word in ("the", "of", "and", "Ada", "London", "law", "judge", "court", "said", "man"):
                nlp.vocab.set_vector(word, rng.standard_normal(30, dtype=np.float32))
        for name in before:
            _add(nlp, name)
        component = nlp.add_pipe("ner", config={"model": model})
        for label in LABELS:
            component.add_label(label)
        nlp.initialize()
        for name in nlp.pipe_names:
            if isinstance(nlp.get_pipe(name), spacy.pipeline.TrainablePipe):
                _randomise(nlp.get_pipe(name).model, rng)
        return nlp

    return make


def _add(nlp: Language, name: str) -> None:
    component = nlp.add_pipe(name, config={"model": DEFAULT["tok2vec"]} if name == "tok2vec" else {})
    if name == "parser":
        for label in ("nsubj", "dobj", "punct", "det", "dep", "nsubj||ROOT"):
            component.add_label(label)


def _randomise(model, rng: np.random.Generator) -> None:
    for layer in model.walk():
        for name in layer.param_names:
            if layer.has_param(name):
                weights = layer.get_param(name)
                scale = 0.3 if weights.ndim > 1 and layer.name not in ("linear", "hashembed") else 1.0
                if weights.ndim > 1:
                    layer.set_param(name, (rng.standard_normal(weights.shape) * scale).astype("f"))


DEFAULT = search(tok2vec(embed(), encode()))
LISTENER = search({"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "*"})
MISH = {"@architectures": "spacy.MishWindowEncoder.v2", "width": 96, "depth": 4, "window_size": 1}
CHARACTERS = {"@architectures": "spacy.CharacterEmbed.v2", "width": 96, "rows": 2000, "nM": 64, "nC": 8}
CHARACTERS |= {"include_static_vectors": False, "feature": "LOWER"}
EMBED_V1 = embed() | {"@architectures": "spacy.MultiHashEmbed.v1"}
ENCODE_V1 = encode() | {"@architectures": "spacy.MaxoutWindowEncoder.v1"}
OTHERS = {"attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE", "SPACY", "IS_SPACE"], "rows": [2000, 500, 500, 500, 50, 50]}

PIPELINES = {
    "default": ner(DEFAULT),
    "depth 1": ner(search(tok2vec(embed(), encode(depth=1)))),
    "depth 2, window 2": ner(search(tok2vec(embed(), encode(depth=2, window_size=2)))),
    "depth 8": ner(search(tok2vec(embed(), encode(depth=8)))),
    "width 128": ner(search(tok2vec(embed(width=128), encode(width=128)))),
    "1 piece": ner(search(tok2vec(embed(), encode(maxout_pieces=1)))),
    "search of 1 piece": ner(search(tok2vec(embed(), encode()), maxout_pieces=1)),
    "search of 3 pieces, 128 wide": ner(search(tok2vec(embed(), encode()), maxout_pieces=3, hidden_width=128)),
    "without an upper layer": ner(search(tok2vec(embed(), encode()), use_upper=False)),
    "one attribute": ner(search(tok2vec(embed(attrs=["ORTH"], rows=[2000]), encode()))),
    "two attributes": ner(search(tok2vec(embed(attrs=["ORTH", "SHAPE"], rows=[2000, 500]), encode()))),
    "SPACY and IS_SPACE": ner(search(tok2vec(embed(**OTHERS), encode()))),
    "static vectors": ner(search(tok2vec(embed(include_static_vectors=True), encode())), vectors=True),
    "HashEmbedCNN": ner(search(hash_embed_cnn())),
    "HashEmbedCNN without subwords": ner(search(hash_embed_cnn(subword_features=False))),
    "HashEmbedCNN v1": ner(search(hash_embed_cnn("v1"))),
    "CharacterEmbed": ner(search(tok2vec(CHARACTERS, encode()))),
    "MishWindowEncoder": ner(search(tok2vec(embed(), MISH))),
    "everything v1": ner(search(tok2vec(EMBED_V1, ENCODE_V1, "v1"))),
    "a shared tok2vec": ner(LISTENER, "tok2vec"),
    "a parser": ner(DEFAULT, "parser"),
    "a senter": ner(DEFAULT, "senter"),
    "a sentencizer": ner(DEFAULT, "sentencizer"),
}


def measure(quick: bool) -> list[Row]:
    texts = documents("en", 30 if quick else 300)
    wrong, left = [], []
    for name, make in PIPELINES.items():
        say(f"random weights: {name} …")
        with tempfile.TemporaryDirectory() as scratch:
            nlp = make()
            nlp.to_disk(f"{scratch}/pipeline")
            try:
                model = pipelines.built(Path(scratch, "pipeline"), Path(scratch, "model"))
            except BenchError as error:
                wrong.append(f"{name}: {error}")
                continue
            if not pipelines.on_engine(model):
                left.append(name)
            # One by one: with MishWindowEncoder, spaCy's own answer to a text depends on its neighbours in a batch.
            if count := differing(served(model, texts), found(nlp, texts, batch_size=1)):
                wrong.append(f"{name}: {count} documents")
    notes = [f"of {len(PIPELINES)}, {len(texts)} documents each", f"left to spaCy: {', '.join(left) or 'none'}", *wrong]
    what, total = "architectures with other entities", Figure.exact(len(wrong))
    return [Row(what, "random weights", "", service=total, must=Must("=", 0), note="; ".join(notes))]
