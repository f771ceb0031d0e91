"""The two halves of a tok2vec, in few steps of numpy: what each word is, and what the words around it make of it.

thinc goes through some 60 layers for a text, each with what a training needs, and multiplies with BLIS, whose wheels
have kernels for AVX2 and no further. numpy's OpenBLAS has kernels for each kind of processor. Sums are in another
order there, so vectors differ from thinc's in the last bits. Imported after `import_spacy`.

Source of the layers: spacy/ml/models/tok2vec.py (MultiHashEmbed, MaxoutWindowEncoder).
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
from spacy.attrs import intify_attr
from spacy.tokens import Doc
from spacy.util import replace_model_node
from thinc.api import Model
from thinc.types import Floats2d

#: Embeddings that are kept; with 96 columns 3 MB, and their keys 2 MB.
MAX_EMBEDDINGS = 8_192

_EMBED_LAYERS = {
    *("extract_features", "list2ragged", "ints-getitem", "hashembed", "folded_vectors"),
    *("maxout", "layernorm", "dropout", "ragged2list"),
}
_ENCODE_LAYERS = {"expand_window", "maxout", "layernorm", "dropout"}


def simplify(model: Model) -> None:
    """Puts one layer in the place of each embedding and each encoder of the usual kinds, after the weights are loaded.

    The model cannot be trained then. Other kinds, and vectors that are not folded, stay as they are.
    """
    for node in list(model.walk()):
        for ref, layers, make in (("embed", _EMBED_LAYERS, _embedding), ("encode", _ENCODE_LAYERS, _encoder)):
            target = node.maybe_get_ref(ref)
            if target and {leaf.name for leaf in target.walk() if not leaf.layers} <= layers:
                replace_model_node(model, target, make(target))


def _embedding(embed: Model) -> Model[list[Doc], list[Floats2d]]:
    """Rows of words, of which the last ones are kept: most words of a text were in the texts before it.

    A row depends on nothing but a few attributes of its word. Vectors are multiplied by BLIS, which gives a row the
    same bits whatever the other rows are, so a row that was kept is the one that would be computed.
    """
    ops, width = embed.ops, embed.get_dim("nO")
    attributes = [intify_attr(attribute) for attribute in _layer(embed, "extract_features").attrs["columns"]]
    hashed = [node for node in embed.walk(order="dfs_pre") if node.name == "hashembed"]
    has_vectors = any(node.name == "folded_vectors" for node in embed.walk())
    # Nothing is between the tables of hashes and the mixer behind them, so their rows are multiplied with it here, once
    # for all: what is left to do for a word is a sum of rows.
    *mixers, vector_mixer = np.split(_weights(embed), np.cumsum([node.get_dim("nO") for node in hashed]))
    table = np.concatenate([node.get_param("E") @ mixer for node, mixer in zip(hashed, mixers, strict=True)])
    sizes = [node.get_dim("nV") for node in hashed]
    parts = [
        (node.attrs["column"], node.attrs["seed"], size, first)
        for node, size, first in zip(hashed, sizes, accumulate(sizes, initial=0), strict=False)
    ]
    activate = _activation(embed)
    # Written at once, so that the process has its size from the start.
    kept = np.full((MAX_EMBEDDINGS, width), np.nan, dtype=np.float32)
    places: OrderedDict[bytes, int] = OrderedDict()  # the one that was used last comes last

    def compute(words: np.ndarray, vocab) -> np.ndarray:
        rows = [
            ops.hash(np.ascontiguousarray(words[:, column]), seed) % size + first for column, seed, size, first in parts
        ]
        mixed = ops.gather_add(table, np.concatenate(rows, axis=1))
        if has_vectors:
            mixed += ops.gemm(vocab.vectors.get_batch(words[:, -1]), vector_mixer)
        return activate(mixed)

    def forward(_: Model, docs: Sequence[Doc], is_train: bool):
        _refuse_training(is_train)
        vocab = docs[0].vocab
        columns = [*attributes, vocab.vectors.attr] if has_vectors else attributes
        words = np.concatenate([doc.to_array(columns) for doc in docs])
        keys = words.view(f"V{words.itemsize * len(columns)}").ravel().tolist()
        distinct = dict(zip(keys, range(len(keys)), strict=True))
        if len(distinct) > MAX_EMBEDDINGS:
            rows = compute(words, vocab)
        else:
            new = []
            for key in distinct:
                if key in places:
                    places.move_to_end(key)
                else:
                    new.append(key)
            if new:
                for key in new:
                    places[key] = len(places) if len(places) < MAX_EMBEDDINGS else places.popitem(last=False)[1]
                kept[[places[key] for key in new]] = compute(words[[distinct[key] for key in new]], vocab)
            rows = kept[[places[key] for key in keys]]
        ends = accumulate(len(doc) for doc in docs)
        return [rows[end - len(doc) : end] for doc, end in zip(docs, ends, strict=True)], lambda _: []

    return Model("embedding", forward, dims={"nO": width}, attrs={"columns": attributes})


def _encoder(encode: Model) -> Model[list[Floats2d], list[Floats2d]]:
    """Convolutions with residual connections, over all documents at once, with zeros between them.

    Each convolution needs the rows on both sides of a row, and so leaves fewer rows at both ends.
    """
    width = encode.get_dim("nO")
    layers = [(_weights(residual), _activation(residual)) for residual in encode.layers[0].layers]
    window = _layer(encode, "expand_window").attrs["window_size"]
    pad = window * len(layers)

    def forward(_: Model, documents: Sequence[Floats2d], is_train: bool):
        _refuse_training(is_train)
        *starts, end = accumulate((len(document) + pad for document in documents), initial=0)
        rows = np.zeros((end + pad, width), dtype=np.float32)
        for start, document in zip(starts, documents, strict=True):
            rows[start + pad :][: len(document)] = document
        for weights, activate in layers:
            left = len(rows) - 2 * window
            around = np.concatenate([rows[at : at + left] for at in range(2 * window + 1)], axis=1)
            rows = rows[window : window + left] + activate(around @ weights)
        return [rows[start:][: len(document)] for start, document in zip(starts, documents, strict=True)], lambda _: []

    return Model("encoder", forward, dims={"nO": width})


def _weights(model: Model) -> Floats2d:
    """The weights of a maxout, shape (inputs, pieces * outputs): the greatest piece is then taken of whole rows."""
    weights = _layer(model, "maxout").get_param("W")
    return np.ascontiguousarray(weights.transpose(2, 1, 0).reshape(weights.shape[2], -1))


def _activation(model: Model) -> Callable[[Floats2d], Floats2d]:
    """What a maxout and the layer normalisation behind it make of the product with the weights."""
    maxout, layernorm = (_layer(model, name) for name in ("maxout", "layernorm"))
    outputs, pieces, _ = maxout.get_param("W").shape
    bias = maxout.get_param("b").T.reshape(-1)
    gain, shift = layernorm.get_param("G"), layernorm.get_param("b")
    mean = np.full(outputs, 1 / outputs, dtype=np.float32)

    def activate(product: Floats2d) -> Floats2d:
        product += bias
        y = product.reshape(-1, pieces, outputs).max(axis=1)
        y -= np.vecdot(y, mean)[:, np.newaxis]
        y *= (np.vecdot(y, y) / outputs + 1e-8)[:, np.newaxis] ** -0.5
        y *= gain
        y += shift
        return y

    return activate


def _layer(model: Model, name: str) -> Model:
    return next(node for node in model.walk() if node.name == name)


def _refuse_training(is_train: bool) -> None:
    if is_train:
        raise NotImplementedError("A model for serving cannot be trained; train the pipeline that it was made from.")
