"""A small pipeline with static vectors, seeded and trained a little: the shape of en_core_web_md and lg."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.training import Example
from spacy.vectors import Vectors

PEOPLE = ["Maria", "John", "Anna Smith", "Peter Jones", "Xu Li"]
PLACES = ["Berlin", "Paris", "Tokyo", "Cape Town"]
FIRMS = ["Apple", "Google", "Acme Corp", "Lumen Labs"]
FRAMES = ["{0} works at {1} in {2} .", "In {2} , {0} sold {1} .", "{1} hired {0} , who {3} in {2} , {4} says ."]


def words(count: int, rng: random.Random) -> list[str]:
    """Made-up words, each once."""
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(rng.randint(2, 6)))] = None
    return list(found)


def make(folder: Path, count: int = 3_000, embedding: dict[str, Any] | None = None, *, shared: bool = False) -> None:
    """Writes a pipeline of a tagger and an `ner` that reads `count` vectors of width 300.

    Args:
        embedding: settings of the embedding, in the place of some of its own.
        shared: whether `ner` listens to a tok2vec beside it, instead of having its own.
    """
    rng = random.Random(0)
    nlp = spacy.blank("en")
    nlp.meta["name"] = "static_vectors"
    nlp.add_pipe("tagger").add_label("NN")
    embed = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 96, "include_static_vectors": True}
    embed |= {"attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"], "rows": [5000, 1000, 2500, 2500]}
    encode = {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 96, "depth": 4, "window_size": 1}
    tok2vec: dict[str, Any] = {"embed": embed | (embedding or {}), "encode": encode | {"maxout_pieces": 3}}
    tok2vec["@architectures"] = "spacy.Tok2Vec.v2"
    if shared:
        nlp.add_pipe("tok2vec", config={"model": tok2vec})
        nlp.add_pipe("tok2vec", "unheard", config={"model": tok2vec})
        tok2vec = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "tok2vec"}
    model = {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "extra_state_tokens": False}
    model |= {"hidden_width": 64, "maxout_pieces": 2, "use_upper": True}
    nlp.add_pipe("ner", config={"model": model | {"tok2vec": tok2vec}})

    keys = [word for name in PEOPLE + PLACES + FIRMS for word in name.split()]
    keys += ["works", "at", "in", "sold", "hired", "who", "says", *words(count - 50, rng)]
    data = np.random.default_rng(0).standard_normal((len(keys), 300), dtype=np.float32)
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, keys=keys)
    # Words may share a row, and the rows are in no order of the keys.
    nlp.vocab.vectors.add("Maria", row=nlp.vocab.vectors.find(key="Anna"))

    examples = []
    for _ in range(200):
        names = rng.choice(PEOPLE), rng.choice(FIRMS), rng.choice(PLACES)
        text = rng.choice(FRAMES).format(*names, rng.choice(keys), rng.choice(keys))
        labels = zip(names, ("PERSON", "ORG", "GPE"), strict=True)
        spans = [(text.index(name), text.index(name) + len(name), label) for name, label in labels]
        doc = nlp.make_doc(text)
        examples.append(Example.from_dict(doc, {"entities": spans, "tags": ["NN"] * len(doc)}))
    spacy.util.fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(8):
        rng.shuffle(examples)
        for start in range(0, len(examples), 20):
            nlp.update(examples[start : start + 20], sgd=optimizer)
    nlp.to_disk(folder)


def texts(count: int) -> list[str]:
    """Documents of known and unknown words, with names the training did not have; seeded."""
    rng = random.Random(1)
    unknown = words(4_000, random.Random(0)) + [word + "qx" for word in words(300, rng)]
    names = PEOPLE + PLACES + FIRMS + [word.capitalize() for word in unknown]
    return [
        " ".join(
            rng.choice(FRAMES).format(*(rng.choice(names) for _ in range(3)), rng.choice(unknown), rng.choice(unknown))
            for _ in range(rng.randint(1, 6))
        )
        for _ in range(count)
    ]
