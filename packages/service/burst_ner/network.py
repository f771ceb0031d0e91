"""The two halves of a tok2vec, in few steps of numpy: what each word is, and what the words around it make of it.

thinc goes through some 60 layers for a text, each with what a training needs, and multiplies with BLIS, whose wheels
have kernels for AVX2 and no further. numpy's OpenBLAS has kernels for each kind of processor. Sums are in another
order there, so vectors differ from thinc's in the last bits. Imported after `import_spacy`.

Source of the layers: spacy/ml/models/tok2vec.py (MultiHashEmbed, MaxoutWindowEncoder).
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

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

    A row depends on nothing but a few attributes of its word. It is multiplied by BLIS, which gives a row the same bits
    whatever the other rows are, so a row that was kept is the one that would be computed.
    """
    ops, width = embed.ops, embed.get_dim("nO")
    attributes = [intify_attr(attribute) for attribute in _layer(embed, "extract_features").attrs["columns"]]
    tables = [
        (node.get_param("E"), node.attrs["seed"], node.attrs["column"])
        for node in embed.walk(order="dfs_pre")
        if node.name == "hashembed"
    ]
    has_vectors = any(node.name == "folded_vectors" for node in embed.walk())
    mix = _maxout(embed, ops.gemm)
    # Written at once, so that the process has its size from the start.
    kept = np.full((MAX_EMBEDDINGS, width), np.nan, dtype=np.float32)
    places: OrderedDict[bytes, int] = OrderedDict()  # the one that was used last comes last

    def compute(words: np.ndarray, vocab) -> np.ndarray:
        parts = [
            ops.gather_add(table, ops.hash(np.ascontiguousarray(words[:, column]), seed) % len(table))
            for table, seed, column in tables
        ]
        if has_vectors:
            parts.append(vocab.vectors.get_batch(words[:, -1]))
        return mix(np.concatenate(parts, axis=1))

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
        return np.split(rows, np.cumsum([len(doc) for doc in docs[:-1]])), lambda _: []

    return Model("embedding", forward, dims={"nO": width}, attrs={"columns": attributes})


def _encoder(encode: Model) -> Model[list[Floats2d], list[Floats2d]]:
    """Convolutions with residual connections, over all documents at once, with zeros between them."""
    width, pad = encode.get_dim("nO"), encode.attrs["pad"]
    layers = [_maxout(residual) for residual in encode.layers[0].layers]
    window = _layer(encode, "expand_window").attrs["window_size"]

    def forward(_: Model, documents: Sequence[Floats2d], is_train: bool):
        _refuse_training(is_train)
        starts = pad + np.cumsum([0, *(len(document) + pad for document in documents)])
        total = int(starts[-1])
        rows = np.zeros((total + 2 * window, width), dtype=np.float32)
        inner = rows[window : window + total]
        parts = [inner[start : start + len(x)] for start, x in zip(starts, documents, strict=False)]
        for part, document in zip(parts, documents, strict=True):
            part[:] = document
        for layer in layers:
            inner += layer(np.concatenate([rows[at : at + total] for at in range(2 * window + 1)], axis=1))
        return parts, lambda _: []

    return Model("encoder", forward, dims={"nO": width})


def _maxout(
    model: Model, multiply: Callable[[Floats2d, Floats2d], Floats2d] = np.matmul
) -> Callable[[Floats2d], Floats2d]:
    """The maxout of a model and the layer normalisation behind it."""
    maxout, layernorm = (_layer(model, name) for name in ("maxout", "layernorm"))
    weights, bias = maxout.get_param("W"), maxout.get_param("b")
    outputs, pieces, inputs = weights.shape
    # Pieces before outputs: the greatest of the pieces is then taken of whole rows.
    weights, bias = np.ascontiguousarray(weights.transpose(2, 1, 0).reshape(inputs, -1)), bias.T.reshape(-1)
    gain, shift = layernorm.get_param("G"), layernorm.get_param("b")

    def forward(x: Floats2d) -> Floats2d:
        y = multiply(x, weights)
        y += bias
        y = y.reshape(-1, pieces, outputs).max(axis=1)
        y -= y.mean(axis=1, keepdims=True)
        y *= (np.einsum("ij,ij->i", y, y) / outputs + 1e-8)[:, np.newaxis] ** -0.5
        y *= gain
        y += shift
        return y

    return forward


def _layer(model: Model, name: str) -> Model:
    return next(node for node in model.walk() if node.name == name)


def _refuse_training(is_train: bool) -> None:
    if is_train:
        raise NotImplementedError("A model for serving cannot be trained; train the pipeline that it was made from.")
