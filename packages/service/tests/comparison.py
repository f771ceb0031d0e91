"""The engine on a pipeline that is in memory, and spaCy on the same."""

import math
import random
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language

from burst_ner.engine import Engine
from burst_ner_model.components import Sources
from burst_ner_model.contents import write_engine_file
from burst_ner_model.corpus import texts

NER_ALONE = Sources("ner", None, "none", ("ner",))


def engine(nlp: Language, folder: Path, sources: Sources = NER_ALONE, **options: Any) -> Engine:
    """The engine on what `burst_ner_model build` would write of a pipeline."""
    file = folder / "model.bin"
    file.unlink(missing_ok=True)
    write_engine_file(nlp, sources, file, **options)
    return Engine(file)


def with_small_ner(nlp: Language) -> Language:
    """Adds an untaught `ner` that takes no time."""
    embed = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 16, "attrs": ["NORM"], "rows": [10]}
    encode = {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": 16, "depth": 1, "window_size": 1}
    tok2vec = {"embed": embed | {"include_static_vectors": False}, "encode": encode | {"maxout_pieces": 1}}
    model = {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "extra_state_tokens": False}
    model |= {"hidden_width": 8, "maxout_pieces": 1, "use_upper": True}
    model["tok2vec"] = {"@architectures": "spacy.Tok2Vec.v2"} | tok2vec
    nlp.add_pipe("ner", config={"model": model}).add_label("PERSON")
    nlp.initialize()
    return nlp


def tokens(nlp: Language, text: str) -> list[tuple[int, int, int]]:
    """Start, end and norm of each token in spaCy."""
    return [(token.idx, token.idx + len(token), token.norm) for token in nlp.tokenizer(text)]


def entities(nlp: Language, text: str) -> list[tuple[int, int, str]]:
    return [(e.start_char, e.end_char, e.label_) for e in nlp(text).ents]


def found(engine: Engine, text: str) -> list[tuple[int, int, str]]:
    return [(e["start_char"], e["end_char"], e["label"]) for e in engine.recognize([text], math.inf)[0]]


def some_texts(nlp: Language, count: int) -> list[str]:
    """Texts of the kinds that a build is proven with, mixed; seeded."""
    every = [text for _, text in texts(nlp.lang, list(nlp.tokenizer.rules))]
    random.Random(1).shuffle(every)
    return every[:count]


def blank(lang: str) -> Language:
    return with_small_ner(spacy.blank(lang))
