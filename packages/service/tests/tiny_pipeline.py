"""Pipelines with all that the engine reads and weights at random, small enough to be damaged thousands of times."""

from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.training import Example
from spacy.vectors import Vectors

_WORDS = ["Ada", "Lovelace", "lived", "in", "London", ".", "Angela", "Merkel", "met", "Barack", "Obama", "of", "Paris"]


def make(folder: Path) -> None:
    """Writes a pipeline of tok2vec, parser and `ner`, both tok2vecs with static vectors."""
    nlp = spacy.blank("en")
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=np.ones((len(_WORDS), 8), dtype="f4"), keys=_WORDS)
    embed = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 16, "include_static_vectors": True}
    embed |= {"attrs": ["NORM", "PREFIX", "SHAPE", "SPACY"], "rows": [50, 20, 20, 5]}
    encode = {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 16, "depth": 2, "window_size": 1}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode | {"maxout_pieces": 3}}
    search = {"@architectures": "spacy.TransitionBasedParser.v2", "extra_state_tokens": False, "hidden_width": 8}
    search |= {"maxout_pieces": 2, "use_upper": True}
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "tok2vec"}
    nlp.add_pipe("tok2vec", config={"model": tok2vec})
    parser = nlp.add_pipe("parser", config={"model": search | {"state_type": "parser", "tok2vec": listener}})
    ner = nlp.add_pipe("ner", config={"model": search | {"state_type": "ner", "tok2vec": tok2vec}})
    for label in ("nsubj", "obj", "punct||obj"):
        parser.add_label(label)
    _finish(nlp, ner, folder)


def make_other(folder: Path) -> None:
    """Writes one of characters, Mish, a search without an upper layer, and a senter with a tok2vec of its own."""
    nlp = spacy.blank("en")
    characters = {"@architectures": "spacy.CharacterEmbed.v2", "width": 24, "rows": 20, "nM": 8, "nC": 4}
    characters |= {"feature": "LOWER", "include_static_vectors": False}
    mish = {"@architectures": "spacy.MishWindowEncoder.v2", "width": 24, "depth": 2, "window_size": 2}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": characters, "encode": mish}
    nlp.add_pipe("senter", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}})
    search = {"@architectures": "spacy.TransitionBasedParser.v2", "extra_state_tokens": False, "hidden_width": 8}
    search |= {"state_type": "ner", "maxout_pieces": 1, "use_upper": False, "tok2vec": tok2vec}
    _finish(nlp, nlp.add_pipe("ner", config={"model": search}), folder)


def _finish(nlp: spacy.Language, ner: Any, folder: Path) -> None:
    nlp.meta["name"] = "tiny"
    for label in ("PERSON", "GPE"):
        ner.add_label(label)
    doc = nlp.make_doc(" ".join(_WORDS))
    nlp.initialize(lambda: [Example.from_dict(doc, {})])
    rng = np.random.default_rng(0)
    for _, component in nlp.pipeline:
        for node in component.model.walk():
            for name in node.param_names:
                if node.has_param(name) and node.get_param(name).ndim > 1:
                    node.set_param(name, rng.standard_normal(node.get_param(name).shape).astype("f4"))
    nlp.to_disk(folder)
