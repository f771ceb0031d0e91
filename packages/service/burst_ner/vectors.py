"""Static word vectors as memory-mapped files, folded through the one layer that reads them.

In an NER pipeline nothing but the layer StaticVectors reads the vectors V, and it computes V·Wᵀ with a learned W
(spacy/ml/staticvectors.py). So a prepared model stores the product, a third of the size, and reads rows of it.
Imported after `import_spacy`.
"""

import mmap
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.util import replace_model_node
from spacy.vectors import BaseVectors
from thinc.api import Model
from thinc.types import Ragged

#: The files of a table in the folder of a prepared model.
KEYS, ROWS, TABLE = "keys.npy", "rows.npy", "table.npy"


class MappedVectors(BaseVectors):
    """Word vectors that stay on disk: only the pages of the words that occur are read.

    Of spaCy's interface for vectors it has what a pipeline needs to run, and nothing that changes them.

    Attributes:
        attr: the token attribute whose hash is the key, as in `spacy.vectors.Vectors`.
        data: the table, shape (rows, width), float32 or float16.
    """

    def __init__(self, folder: Path, attr: int = ORTH) -> None:
        """`folder` has keys.npy (sorted uint64), rows.npy (int32, the row of each key) and table.npy."""
        super().__init__()
        self.attr = attr
        # A search goes through the keys in leaps, and on a network file system every page of a leap would be a round
        # trip: both small files are fetched ahead, in one piece and without waiting. Of the table a text needs a few
        # scattered rows, and reading ahead there would read most of it.
        self._keys = _map(folder / KEYS, mmap.MADV_WILLNEED)
        self._rows = _map(folder / ROWS, mmap.MADV_WILLNEED)
        self.data = _map(folder / TABLE, mmap.MADV_RANDOM)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The row of each key (uint64), -1 where there is none."""
        found = np.searchsorted(self._keys, keys)
        found[found == len(self._keys)] = 0
        return np.where(self._keys[found] == keys, self._rows[found], -1)

    def get_batch(self, keys: np.ndarray) -> np.ndarray:
        """The vectors of the keys (uint64) as float32, shape (keys, width); zeros where a key has none."""
        rows = self.find(np.asarray(keys, dtype=np.uint64))
        vectors = self.data[rows].astype(np.float32, copy=False)
        vectors[rows < 0] = 0
        return vectors

    def __getitem__(self, key: int) -> np.ndarray:
        return self.get_batch(np.array([key], dtype=np.uint64))[0]

    def __contains__(self, key: int) -> bool:
        return bool(self.find(np.array([key], dtype=np.uint64))[0] >= 0)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def shape(self) -> tuple[int, int]:
        return self.data.shape

    @property
    def vectors_length(self) -> int:
        return self.data.shape[1]

    @property
    def size(self) -> int:
        return self.data.size

    def is_full(self) -> bool:
        return True


def static_vectors(model: Model) -> list[Model]:
    """The layers of a model that read the vectors and multiply them with W."""
    return [node for node in model.walk() if node.name == "static_vectors"]


def fold(model: Model, width: int) -> None:
    """Puts a layer that reads folded vectors of that width in the place of each StaticVectors layer."""
    for node in static_vectors(model):
        replace_model_node(model, node, _folded_layer(width))


def _folded_layer(width: int) -> Model[list[Doc], Ragged]:
    def forward(model: Model, docs: list[Doc], is_train: bool):
        if is_train:
            raise NotImplementedError("A prepared model cannot be trained; train the pipeline that it was made from.")
        if not any(len(doc) for doc in docs):
            return Ragged(model.ops.alloc2f(0, width), model.ops.alloc1i(0)), lambda _: []
        vectors = docs[0].vocab.vectors
        keys = np.concatenate([doc.to_array(vectors.attr) for doc in docs])
        return Ragged(vectors.get_batch(keys), model.ops.asarray1i([len(doc) for doc in docs])), lambda _: []

    return Model("folded_vectors", forward, dims={"nO": width})


def _map(path: Path, advice: int) -> np.ndarray:
    """A .npy file as a read-only array in shared memory, without reading more of it than its header."""
    with path.open("rb") as file:
        npy.read_magic(file)
        shape, _, dtype = npy.read_array_header_1_0(file)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        mapped.madvise(advice)
        return np.frombuffer(mapped, dtype, count=int(np.prod(shape)), offset=file.tell()).reshape(shape)
