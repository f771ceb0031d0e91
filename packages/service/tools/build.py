"""Builds prepared models."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burst_ner.errors import SetupError
from burst_ner.model import Pipeline, load_plain
from burst_ner.prepared import FORMAT, MANIFEST, PreparedModel, open_prepared, sha256, spacy_version

if TYPE_CHECKING:
    from spacy.language import Language
    from thinc.api import Model

#: Modes of the vectors, and the type of number in the table of each.
VECTOR_MODES = {"folded-f32": "<f4", "folded-f16": "<f2"}

# What other components of a pipeline write on tokens. `ner` alone would read nothing there.
_SET_BY_OTHERS = ["TAG", "POS", "MORPH", "LEMMA", "DEP", "HEAD", "SENT_START", "ENT_TYPE", "ENT_IOB", "ENT_ID", "ID"]
# Rows that are folded at a time.
_BLOCK = 16_384


def build(pipeline: Pipeline, out: Path, mode: str = "folded-f32") -> PreparedModel:
    """Makes a prepared model of a pipeline's `ner`; `out` appears complete or not at all.

    Two builds of one pipeline by the same spaCy and numpy on the same kind of processor are equal byte for byte.

    Args:
        pipeline: any spaCy pipeline with an `ner` of its own, or one that listens to a shared tok2vec.
        out: a folder that does not exist.
        mode: a key of VECTOR_MODES.

    Raises:
        SetupError: the pipeline cannot be prepared; `out` exists or cannot be written.
    """
    refuse_existing(out)
    _refuse_transformer(pipeline)
    nlp = load_plain(pipeline)
    config = _config(nlp, pipeline)
    ner = nlp.get_pipe("ner")
    _refuse_foreign_features(ner.model, pipeline)
    with _appearing_at(out) as folder:
        vectors = _write_vectors(nlp, ner.model, folder, mode, pipeline)
        nlp.vocab.to_disk(folder / "vocab", exclude=["strings", "vectors"])
        nlp.tokenizer.to_disk(folder / "tokenizer", exclude=["vocab"])
        ner.to_disk(folder / "ner", exclude=["vocab"])
        for licence in pipeline.folder.glob("LICENSE*"):
            shutil.copyfile(licence, folder / licence.name)
        manifest = {
            "format": FORMAT,
            "name": pipeline.name,
            "version": pipeline.version,
            "lang": pipeline.meta["lang"],
            "labels": list(ner.labels),
            "license": pipeline.meta.get("license"),
            "ents_f": (pipeline.meta.get("performance") or {}).get("ents_f"),
            "spacy_version": f"~={'.'.join(spacy_version().split('.')[:2])}.0",
            "source": {"name": pipeline.name, "version": pipeline.version, "digest": _content_digest(pipeline.folder)},
            "config": config,
            "vectors": vectors,
            "files": {
                path.relative_to(folder).as_posix(): {"sha256": sha256(path), "bytes": path.stat().st_size}
                for path in _files(folder)
            },
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return open_prepared(out)


def refuse_existing(out: Path) -> None:
    """Raises SetupError when there is something at `out`."""
    if out.exists():
        raise SetupError(f"{out} exists; delete it, or give a folder that does not exist.")


def _refuse_transformer(pipeline: Pipeline) -> None:
    if pipeline.has_transformer():
        raise SetupError(
            f"The 'ner' of {pipeline.name} runs on a transformer, which a prepared model cannot hold; give a pipeline "
            "with word vectors, such as en_core_web_lg, or serve this one as it is."
        )


def _refuse_foreign_features(model: "Model", pipeline: Pipeline) -> None:
    from spacy.attrs import IDS

    foreign = {IDS[name]: name for name in _SET_BY_OTHERS}
    for node in model.walk():
        if node.name == "extract_features":
            read = {IDS.get(column, column) for column in node.attrs["columns"]}
            if names := sorted(foreign[attr] for attr in read & set(foreign)):
                raise SetupError(
                    f"The 'ner' of {pipeline.name} reads {', '.join(names)}, which other components set and a prepared "
                    "model does not have; give a pipeline whose 'ner' reads words alone."
                )


def _config(nlp: "Language", pipeline: Pipeline) -> dict[str, Any]:
    """How spaCy builds the parts; gives an `ner` that listens to a shared tok2vec its own copy of it."""
    from spacy.tokenizer import Tokenizer
    from spacy.util import load_config, set_dot_to_object

    config = load_config(pipeline.folder / "config.cfg", interpolate=True)
    hooks = [
        name for name in ("before_creation", "after_creation", "after_pipeline_creation") if config["nlp"].get(name)
    ]
    if hooks:
        raise SetupError(
            f"The pipeline {pipeline.name} runs code of its own when it is made ([nlp] {hooks[0]}), which a prepared "
            "model cannot hold; serve this one as it is."
        )
    ner = config["components"]["ner"]
    if listeners := pipeline.listeners():
        # The listener takes what the last component before `ner` gave it.
        before = nlp.pipe_names[: nlp.pipe_names.index("ner")]
        upstream = [name for name in before if "ner" in getattr(nlp.get_pipe(name), "listening_components", [])][-1]
        nlp.replace_listeners(upstream, "ner", listeners)
        for listener in listeners:
            set_dot_to_object(ner, listener, config["components"][upstream]["model"])
    return {
        # spaCy's own tokenizer comes from its file alone; those of some languages are made by their own code.
        "tokenizer": None if type(nlp.tokenizer) is Tokenizer else config["nlp"]["tokenizer"],
        "factory": ner.pop("factory"),
        "ner": ner,
    }


def _write_vectors(
    nlp: "Language", model: "Model", folder: Path, mode: str, pipeline: Pipeline
) -> dict[str, Any] | None:
    """Folds the vectors, writes their files, and puts the layer that reads them into the model."""
    import numpy as np
    from spacy.vectors import Vectors

    from burst_ner.vectors import KEYS, ROWS, TABLE, fold, static_vectors

    layers = static_vectors(model)
    if not layers:
        return None
    vectors = nlp.vocab.vectors
    if not isinstance(vectors, Vectors) or vectors.mode != "default" or not len(vectors.data):
        kind = vectors.mode if isinstance(vectors, Vectors) else type(vectors).__name__
        raise SetupError(
            f"The 'ner' of {pipeline.name} reads vectors of the kind '{kind}' ({len(vectors):,} rows), and a prepared "
            "model can only hold a table with a row a word; serve this one as it is."
        )
    if len(layers) > 1:
        raise SetupError(
            f"The 'ner' of {pipeline.name} has {len(layers)} layers that read the vectors, and a prepared model can "
            "only hold one; serve this one as it is."
        )
    keys = np.fromiter(vectors.key2row.keys(), dtype="<u8", count=len(vectors.key2row))
    rows = np.fromiter(vectors.key2row.values(), dtype="<i4", count=len(vectors.key2row))
    order = np.argsort(keys)
    weights = layers[0].get_param("W")
    shape = (len(vectors.data), len(weights))
    write_array(folder / KEYS, [keys[order]], keys.shape)
    write_array(folder / ROWS, [rows[order]], rows.shape)
    write_array(folder / TABLE, _folded(vectors.data, weights, VECTOR_MODES[mode], pipeline), shape)
    fold(model, len(weights))
    return {"mode": mode, "attr": vectors.attr, "keys": len(keys), "rows": shape[0], "width": shape[1]}


def _folded(vectors: Any, weights: Any, dtype: str, pipeline: Pipeline) -> Iterator[Any]:
    """Blocks of V·Wᵀ. In float64, so that neither the order of a sum nor its rounding shows in the table."""
    import numpy as np

    transposed = weights.T.astype(np.float64)
    for start in range(0, len(vectors), _BLOCK):
        with np.errstate(over="ignore"):
            block = (vectors[start : start + _BLOCK].astype(np.float64) @ transposed).astype(dtype)
        if not np.isfinite(block).all():
            raise SetupError(
                f"The vectors of {pipeline.name} have numbers that {np.dtype(dtype).name} cannot hold; "
                "give --vectors folded-f32."
            )
        yield block


def write_array(path: Path, blocks: Any, shape: tuple[int, ...]) -> None:
    """Writes a .npy file of that shape from consecutive blocks of it.

    numpy.save writes past Python's file object, and then says of a full disk only how many items it wrote.
    """
    from numpy.lib import format as npy

    with path.open("wb") as file:
        for index, block in enumerate(blocks):
            if index == 0:
                npy.write_array_header_1_0(file, {"descr": block.dtype.str, "fortran_order": False, "shape": shape})
            file.write(block.tobytes())


@contextlib.contextmanager
def _appearing_at(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place when the block succeeds, and is removed when it fails."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        for path in [*_files(partial), *(path for path in partial.rglob("*") if path.is_dir()), partial]:
            _sync(path)
        partial.rename(out)
        _sync(out.parent)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            raise SetupError(
                f"Cannot write the prepared model to {out} ({error.strerror or error}); nothing was left there: "
                "make room or give another folder."
            ) from error
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _content_digest(folder: Path) -> str:
    """SHA-256 over the names and the SHA-256 of all files of a pipeline."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256(path)}\n".encode())
    return digest.hexdigest()
