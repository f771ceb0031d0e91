"""What the engine's model file of a pipeline holds."""

from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import tokenizer, weights
from .components import SENTENCES, Sources
from .model_file import Array, Info, Section, write
from .unsupported import Unsupported

if TYPE_CHECKING:
    from spacy.language import Language
    from thinc.api import Model

_NER_FEATURES, _PARSER_FEATURES = 3, 8
_TOK2VEC_STEP = 0x1000
_NOT_WANTED = 0xFFFFFFFF


def write_engine_file(nlp: "Language", sources: Sources, path: Path, *, half: bool = False) -> dict[str, Any] | None:
    """Writes the engine's model file of a pipeline.

    Args:
        half: whether tables of words are written with 16 bits a number.

    Returns:
        What a manifest says of the static vectors (attr, width, keys, rows, type), or None without any.

    Raises:
        Unsupported: the engine cannot represent the pipeline.
    """
    sections: dict[int, Any]
    sections, sets = tokenizer.tables(nlp)
    info = Info(sentences=SENTENCES.index(sources.sentences), half=int(half), **sets)
    tok2vecs = [weights.Tok2Vec(_tok2vec(nlp, sources.ner), nlp.vocab, f"its '{sources.ner}'", half=half)]
    sections |= _ner(nlp.get_pipe(sources.ner), info)
    if sources.sentences == "sentencizer":
        sections |= _punctuation(nlp.get_pipe(sources.splitter))
    elif sources.splitter:
        model = _tok2vec(nlp, sources.splitter)
        info.shared = int(model is _tok2vec(nlp, sources.ner))
        if not info.shared:
            tok2vecs.append(weights.Tok2Vec(model, nlp.vocab, f"its '{sources.splitter}'", half=half))
        splitter = nlp.get_pipe(sources.splitter)
        if sources.sentences == "parser":
            sections |= _parser(splitter, info)
        else:
            sections |= weights.as_bytes(weights.senter_arrays(splitter.model, tok2vecs[-1].info.stride))
    info.tok2vec = (tok2vecs[0].info, tok2vecs[1].info if tok2vecs[1:] else type(tok2vecs[0].info)())
    for i, tok2vec in enumerate(tok2vecs):
        first = Array.TOK2VEC + i * _TOK2VEC_STEP
        sections |= weights.as_bytes({first + part: array for part, array in tok2vec.arrays.items()})
    sections[Section.PARTS] = np.array([part for one in tok2vecs for part in one.parts], dtype="<u4").tobytes()
    vectors = next((tok2vec for tok2vec in tok2vecs if tok2vec.vectors is not None), None)
    if vectors:
        sections[Section.VECTOR_KEYS], sections[Section.VECTOR_ROWS] = weights.vector_tables(vectors.vectors)
    sections[Section.INFO] = info.pack()
    write(path, sections)
    return vectors and {
        "attr": vectors.info.vector_attr,
        "width": vectors.info.vector_width,
        "keys": len(vectors.vectors.key2row),
        "rows": vectors.info.vector_rows,
        "type": "f16" if half else "f32",
    }


def _tok2vec(nlp: "Language", name: str) -> "Model":
    """The tok2vec that a component runs: its own, or that of the component that it listens to."""
    from spacy.pipeline.tok2vec import Tok2Vec, Tok2VecListener

    model = nlp.get_pipe(name).model
    tok2vec = model.get_ref("tok2vec")
    # A search has two more layers behind it, and its reference names all of them.
    own = tok2vec.layers[0] if model.name == "parser_model" else tok2vec
    if not isinstance(own, Tok2VecListener):
        return own
    # Whatever it says that it listens to, it reads Doc.tensor, which is of the last tok2vec before it.
    before = nlp.pipe_names[: nlp.pipe_names.index(name)]
    upstream = [nlp.get_pipe(one) for one in before if isinstance(nlp.get_pipe(one), Tok2Vec)]
    if not upstream or type(upstream[-1]) is not Tok2Vec:
        raise Unsupported(f"its '{name}' listens to a component that is no tok2vec")
    return upstream[-1].model


def _ner(ner: Any, info: Info) -> dict[int, Any]:
    search = weights.Search(ner, _NER_FEATURES, f"its '{ner.name}'")
    info.ner = search.info
    names = [ner.moves.get_class_name(number) for number in range(ner.moves.n_moves)]
    labels = list(ner.labels)
    # In the order of the moves, because the first of equal scores wins. "U-" is for tokens that are set already.
    moves = [i for i, name in enumerate(names) if name == "O" or (name[0] in "BU" and name != "U-")]
    outside = []
    for move in moves:
        label = names[move][2:]
        begins = names[move][0] == "B"
        inside = [names.index(f"{letter}-{label}") for letter in "IL"] if begins else [0, 0]
        outside.append((move, 1 + labels.index(label) if label else 0, int(begins), *inside))
    encoded = [label.encode() for label in labels]
    return {
        Section.OUTSIDE: np.array(outside, dtype="<u4").tobytes(),
        Section.LABELS: b"".join(encoded),
        Section.LABELS_FIRST: np.array([*accumulate(map(len, encoded), initial=0)], dtype="<u4").tobytes(),
        **weights.as_bytes(search.ner_arrays(moves)),
    }


def _parser(parser: Any, info: Info) -> dict[int, Any]:
    search = weights.Search(parser, _PARSER_FEATURES, f"its '{parser.name}'")
    info.parser = search.info
    numbers: dict[str, int] = {}
    moves = []
    for number in range(parser.moves.n_moves):
        kind, _, label = parser.moves.get_class_name(number).partition("-")
        if label == "subtok":
            raise Unsupported(f"its '{parser.name}' joins tokens (learn_tokens)")
        # A label "a||b" stands for "a", with another head: the nearest one below that is labelled "b".
        new, decorated, wanted = label.partition("||")
        label, new, wanted = (numbers.setdefault(name, len(numbers)) for name in (label, new, wanted))
        moves.append(("SDLRB".index(kind), label, new, wanted if decorated else _NOT_WANTED))
    info.root_label = numbers.setdefault("ROOT", len(numbers))
    return {Section.PARSER_MOVES: np.array(moves, dtype="<u4").tobytes(), **weights.as_bytes(search.parser_arrays())}


def _punctuation(sentencizer: Any) -> dict[int, Any]:
    from spacy.strings import get_string_id

    return {Section.PUNCTUATION: np.array(sorted(map(get_string_id, sentencizer.punct_chars)), dtype="<u8").tobytes()}
