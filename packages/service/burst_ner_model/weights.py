"""The networks of a pipeline, as the arrays of the engine (engine/format.h): folded into each other where nothing is
between them, padded and packed for its matrix product.

Products of weights are taken in float64, so that neither the order of a sum nor its rounding shows in the file.
Source of the layers: spacy/ml/models/tok2vec.py and parser.py, spacy/ml/parser_model.pyx.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from burst_ner.errors import SetupError

from .model_file import Array, Blocks, SearchInfo, Tok2VecInfo
from .unsupported import Unsupported

if TYPE_CHECKING:
    from spacy.vectors import Vectors
    from spacy.vocab import Vocab
    from thinc.api import Model

# Parts of Array.TOK2VEC.
_TABLE, _BIAS, _GAIN, _SHIFT, _MIXER, _VECTOR_TABLE, _LAYER = 0, 1, 2, 3, 4, 5, 0x10
# Parts of Array.NER and of Array.PARSER.
_OUTSIDE_BIAS, _INSIDE_BIAS, _NER_UPPER, _UPPER_OUTSIDE = 3, 4, 5, 7
_PRESENT, _ABSENT, _PARSER_BIAS, _PARSER_UPPER = 1, 2, 3, 4

_MAXOUT, _MISH = 0, 1
_BYTES = 1024
# Pieces of the engine's embedding.
_EMBED_PIECES = 3
# Columns that the engine's matrix product takes at a time.
_PANEL = 16
# Rows of vectors that are folded at a time.
_BLOCK = 16_384

# The layers of an embedding and of an encoder, one behind the other, that the engine has.
_EMBED = re.compile(
    r"(charembed list2ragged )?extract_features list2ragged (ints-getitem hashembed |hashembed )+(static_vectors )?"
    r"maxout layernorm (dropout )?ragged2list "
)
_ENCODE = re.compile(r"(expand_window (maxout|mish) (layernorm )?(dropout )?)+")

Part = tuple[int, int, int, int]
Arrays = dict[int, Any]


class Tok2Vec:
    """A tok2vec: what struct Tok2VecInfo and struct Part say of it, and its arrays.

    Attributes:
        vectors: the table of static vectors that it reads, or None.
    """

    def __init__(self, model: "Model", vocab: "Vocab", what: str, *, half: bool) -> None:
        """
        Raises:
            Unsupported: it has other layers than the engine.
        """
        embed, encode = (_only([n.get_ref(r) for n in model.walk() if n.has_ref(r)], what) for r in ("embed", "encode"))
        if not _EMBED.fullmatch(_leaves(embed)):
            raise Unsupported(f"the embedding of {what} has layers that the engine does not have")
        if not _ENCODE.fullmatch(_leaves(encode)):
            raise Unsupported(f"the encoder of {what} has layers that the engine does not have")
        self._half = half
        self.info = Tok2VecInfo()
        self.arrays: Arrays = {}
        self.vectors: Vectors | None = None
        self.parts = self._embed(embed, vocab, what)
        self._encode(model, encode, what)

    def _embed(self, embed: "Model", vocab: "Vocab", what: str) -> list[Part]:
        from spacy.attrs import IS_SPACE, LOWER, NORM, ORTH, PREFIX, SHAPE, SPACY, SUFFIX, intify_attr

        maxout, norm = _node(embed, "maxout"), _node(embed, "layernorm")
        weights = maxout.get_param("W")
        width, pieces, _ = weights.shape
        if pieces > _EMBED_PIECES:
            raise Unsupported(f"the embedding of {what} has {pieces} pieces, and the engine's {_EMBED_PIECES}")
        info = self.info
        info.width, info.stride = width, _up(width)
        attributes = [intify_attr(column) for column in _node(embed, "extract_features").attrs["columns"]]
        if unknown := set(attributes) - {IS_SPACE, LOWER, NORM, ORTH, PREFIX, SHAPE, SPACY, SUFFIX}:
            raise Unsupported(f"{what} reads {_names(unknown)}, which the engine does not have")
        tables: list[np.ndarray] = []
        mixers: list[np.ndarray] = []
        parts: list[Part] = []
        column = 0
        for node in embed.walk(order="dfs_pre"):
            if node.name not in ("hashembed", "charembed", "static_vectors"):
                continue
            # The mixer takes the sources side by side; each has its part of it, (its columns, pieces * stride).
            mixer = self._mixer(weights[:, :, column : column + node.get_dim("nO")])
            column += node.get_dim("nO")
            if node.name == "hashembed":
                table = node.get_param("E")
                attribute = attributes[node.attrs["column"] or 0]
                parts.append((attribute, node.attrs["seed"], len(table), _up(table.shape[1])))
                tables.append(table)
                mixers.append(mixer)
            elif node.name == "charembed":
                for i, table in enumerate(node.get_param("E")):
                    at = i * table.shape[1]
                    parts.append((_BYTES + i, 0, len(table), _up(table.shape[1])))
                    tables.append(table)
                    mixers.append(mixer[at : at + table.shape[1]])
            elif self._static_vectors(node, vocab, what):
                vector_mixer = mixer
        if self.vectors is not None:
            mixers.append(vector_mixer)
        mixer = np.concatenate([_padded(one.T, _up(len(one))).T for one in mixers])
        info.parts, info.inputs = len(parts), len(mixer)
        flat = [_padded(table, _up(table.shape[1])).reshape(-1) for table in tables]
        self.arrays |= {
            _TABLE: np.concatenate(flat).astype("<f2" if self._half else "<f4"),
            _MIXER: _packed(mixer),
            _BIAS: self._by_piece(maxout.get_param("b"), _EMBED_PIECES),
            _GAIN: _padded(norm.get_param("G"), info.stride),
            _SHIFT: _padded(norm.get_param("b"), info.stride),
        }
        return parts

    def _mixer(self, weights: np.ndarray) -> np.ndarray:
        """(width, pieces, inputs) to (inputs, 3 * stride)."""
        return np.array([self._by_piece(one, _EMBED_PIECES) for one in np.moveaxis(weights, 2, 0)])

    def _by_piece(self, values: np.ndarray, pieces: int) -> np.ndarray:
        """(width, pieces) to [pieces * stride], piece by piece; one that is not there is the last one again."""
        there = [values[:, min(piece, values.shape[1] - 1)] for piece in range(pieces)]
        return np.concatenate([_padded(piece, self.info.stride) for piece in there])

    def _static_vectors(self, node: "Model", vocab: "Vocab", what: str) -> bool:
        """Takes the table that a layer reads; returns whether it has rows."""
        from spacy.attrs import LOWER, NORM, ORTH
        from spacy.ml import staticvectors
        from spacy.vectors import Vectors

        vectors = vocab.vectors
        if type(vectors) is not Vectors or vectors.mode != "default":
            kind = vectors.mode if isinstance(vectors, Vectors) else type(vectors).__name__
            raise Unsupported(f"{what} reads vectors of the kind '{kind}', and the engine has one row a word")
        if node._func is not staticvectors.forward:
            raise Unsupported(f"{what} reads vectors in the way of an older spaCy, which gives unknown words a vector")
        if vectors.attr not in (LOWER, NORM, ORTH):
            raise Unsupported(f"{what} reads vectors by {_names({vectors.attr})}, which the engine does not have")
        if not len(vectors.data):
            return False
        weights = node.get_param("W")
        self.vectors = vectors
        info = self.info
        info.vector_attr, info.vector_width, info.vector_rows = vectors.attr, _up(len(weights)), len(vectors.data)
        kind = "<f2" if self._half else "<f4"
        size = info.vector_rows * info.vector_width * np.dtype(kind).itemsize
        self.arrays[_VECTOR_TABLE] = Blocks(size, _folded(vectors.data, weights, kind, what))
        return True

    def _encode(self, model: "Model", encode: "Model", what: str) -> None:
        info = self.info
        windows = [node.attrs["window_size"] for node in encode.walk() if node.name == "expand_window"]
        dense = [node for node in encode.walk(order="dfs_pre") if node.name in ("maxout", "mish")]
        norms = [node for node in encode.walk(order="dfs_pre") if node.name == "layernorm"]
        residual = [node for node in encode.walk() if node.name.startswith("residual(") and len(node.layers) == 1]
        # Around all layers, with rows of zeros on both sides of a text, or without.
        around = [n for n in model.walk() if n.name.startswith("with_array(residual(")]
        pads = {node.attrs["pad"] for node in around}
        shapes = {node.get_param("W").shape for node in dense}
        depth, window = len(dense), windows[0]
        if (
            len(residual) != depth
            or len(norms) not in (0, depth)
            or any(len(kinds) != 1 for kinds in ({node.name for node in dense}, set(windows), shapes))
            or len(around) != 1
            or pads - {0, depth * window}
            or dense[0].get_param("W").shape[0] != info.width
        ):
            raise Unsupported(f"the encoder of {what} has layers that the engine does not have")
        info.depth, info.window = depth, window
        info.activation = _MISH if dense[0].name == "mish" else _MAXOUT
        info.padded, info.normalized = int(pads != {0}), int(bool(norms))
        for i, node in enumerate(dense):
            weights, bias = node.get_param("W"), node.get_param("b")
            if node.name == "mish":
                weights, bias = weights[:, np.newaxis], bias[:, np.newaxis]
            info.pieces = weights.shape[1]
            at = _LAYER + 4 * i
            inputs = weights.reshape(info.width, info.pieces, 2 * window + 1, info.width)
            panel = np.zeros((2 * window + 1, info.stride, info.pieces, info.stride), dtype="f4")
            panel[:, : info.width, :, : info.width] = inputs.transpose(2, 3, 1, 0)
            self.arrays[at] = _convolution(panel.reshape(2 * window + 1, info.stride, -1))
            self.arrays[at + 1] = self._by_piece(bias, info.pieces)
            if norms:
                self.arrays[at + 2] = _padded(norms[i].get_param("G"), info.stride)
                self.arrays[at + 3] = _padded(norms[i].get_param("b"), info.stride)


class Search:
    """The layers behind a tok2vec of `ner` or of the parser: what struct SearchInfo says of them, and their arrays."""

    def __init__(self, component: Any, features: int, what: str) -> None:
        """
        Raises:
            Unsupported: the component has other layers than the engine, or classes that it was never trained for.
        """
        model = component.model
        if model.name != "parser_model":
            raise Unsupported(f"{what} is a model of another kind")
        if model.attrs["unseen_classes"]:
            raise Unsupported(f"{what} has labels that it was never trained for")
        *_, linear = model.get_ref("tok2vec").layers
        lower = model.get_ref("lower")
        if lower.get_dim("nF") != features:
            raise Unsupported(f"{what} reads more tokens than the engine (extra_state_tokens)")
        if linear.name != "linear" or lower.name != "precomputable_affine":
            raise Unsupported(f"{what} has layers that the engine does not have")
        _, hidden, pieces, _ = lower.get_param("W").shape
        columns = _up(pieces * hidden)
        self.info = SearchInfo(hidden, pieces, columns, component.moves.n_moves, int(model.attrs["has_upper"]))
        stride = _up(linear.get_param("W").shape[1])

        def by_piece(values: np.ndarray) -> np.ndarray:
            """(…, hidden, pieces) to (…, columns), piece by piece, in float64."""
            flat = np.swapaxes(values, -1, -2).reshape(*values.shape[:-2], pieces * hidden)
            return _padded(flat, columns).astype("f8")

        # (features, inputs of the search, columns)
        weights = by_piece(np.moveaxis(lower.get_param("W"), 3, 1))
        # Nothing is between the last layer of the tok2vec and the first of the search, so they are one.
        lowers = np.zeros((features, stride, columns))
        product = linear.get_param("W").T.astype("f8") @ weights
        lowers[:, : product.shape[1]] = product
        self.lowers = lowers.astype("f4")
        self.present = linear.get_param("b").astype("f8") @ weights
        self.absent = by_piece(lower.get_param("pad")[0])
        self.bias = by_piece(lower.get_param("b"))
        upper = model.get_ref("upper")
        self.upper = (upper.get_param("W").T, upper.get_param("b")) if self.info.has_upper else None

    def ner_arrays(self, outside: list[int]) -> Arrays:
        """The arrays of `ner`.

        Args:
            outside: the moves that are possible outside an entity.
        """
        outside_bias = self.bias + self.present[0] + self.absent[1] + self.absent[2]
        arrays = {Array.NER + feature: _packed(lower) for feature, lower in enumerate(self.lowers)}
        arrays[Array.NER + _OUTSIDE_BIAS] = outside_bias.astype("<f4")
        arrays[Array.NER + _INSIDE_BIAS] = (self.bias + self.present.sum(axis=0)).astype("<f4")
        if self.upper:
            weights, bias = self.upper
            arrays |= _numbered(Array.NER + _NER_UPPER, weights, bias)
            arrays |= _numbered(Array.NER + _UPPER_OUTSIDE, weights[:, outside], bias[outside])
        return arrays

    def parser_arrays(self) -> Arrays:
        arrays = {
            Array.PARSER: _packed(np.concatenate(list(self.lowers), axis=1)),
            Array.PARSER + _PRESENT: self.present.reshape(-1).astype("<f4"),
            Array.PARSER + _ABSENT: self.absent.reshape(-1).astype("<f4"),
            Array.PARSER + _PARSER_BIAS: self.bias.astype("<f4"),
        }
        return arrays | (_numbered(Array.PARSER + _PARSER_UPPER, *self.upper) if self.upper else {})


def senter_arrays(model: "Model", stride: int) -> Arrays:
    """The arrays of a senter."""
    softmax = model.get_ref("output_layer")
    softmax = next(node for node in softmax.walk() if node.name == "softmax")
    return _numbered(Array.SENTER, _padded(softmax.get_param("W"), stride), softmax.get_param("b"))


def vector_tables(vectors: "Vectors") -> tuple[bytes, bytes]:
    """The keys of static vectors, ascending, and the row of each."""
    keys = np.fromiter(vectors.key2row.keys(), dtype="<u8", count=len(vectors.key2row))
    rows = np.fromiter(vectors.key2row.values(), dtype="<i4", count=len(vectors.key2row))
    order = np.argsort(keys)
    return keys[order].tobytes(), rows[order].tobytes()


def as_bytes(arrays: Arrays) -> dict[int, bytes | Blocks]:
    """Arrays as the sections of a file."""
    return {
        number: array if isinstance(array, Blocks) else array.astype(array.dtype.newbyteorder("<")).tobytes()
        for number, array in arrays.items()
    }


def _numbered(first: int, *arrays: np.ndarray) -> Arrays:
    return dict(enumerate((np.ascontiguousarray(array, dtype="<f4") for array in arrays), first))


def _packed(matrix: np.ndarray) -> np.ndarray:
    """(K, N) as [N / 16][K][16]."""
    rows, columns = matrix.shape
    return np.ascontiguousarray(matrix.reshape(rows, columns // _PANEL, _PANEL).swapaxes(0, 1), dtype="<f4")


def _convolution(matrices: np.ndarray) -> np.ndarray:
    """The weights of a layer, (2 * window + 1, K, N), in the form that the engine takes for its window."""
    if len(matrices) != 3:
        return _packed(matrices.reshape(-1, matrices.shape[2]))
    a, b, c = matrices.astype("f8")
    return np.stack([_packed(matrix) for matrix in (a, (a + b + c) / 2, (a - b + c) / 2, c)])


def _padded(values: np.ndarray, columns: int) -> np.ndarray:
    """Zeros behind the last axis, up to so many columns."""
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, columns - values.shape[-1])])


def _up(width: int) -> int:
    return -(-width // _PANEL) * _PANEL


def _folded(vectors: np.ndarray, weights: np.ndarray, kind: str, what: str) -> Iterator[bytes]:
    """Blocks of the vectors multiplied with their weights."""
    transposed = _padded(weights.T.astype("f8"), _up(len(weights)))
    for start, end in pairwise([*range(0, len(vectors), _BLOCK), len(vectors)]):
        with np.errstate(over="ignore"):
            block = (vectors[start:end].astype("f8") @ transposed).astype(kind)
        if not np.isfinite(block).all():
            raise SetupError(f"The vectors of {what} have numbers that float16 cannot hold; give --vectors f32.")
        yield block.tobytes()


def _leaves(model: "Model") -> str:
    return "".join(f"{node.name} " for node in model.walk(order="dfs_pre") if not node.layers)


def _node(model: "Model", name: str) -> "Model":
    return next(node for node in model.walk(order="dfs_pre") if node.name == name)


def _only(found: list["Model"], what: str) -> "Model":
    if len(found) != 1:
        raise Unsupported(f"{what} is made of other parts than an embedding and an encoder")
    return found[0]


def _names(attributes: set[int]) -> str:
    from spacy.attrs import IDS

    return ", ".join(sorted(name for name, number in IDS.items() if number in attributes))
