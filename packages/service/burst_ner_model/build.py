"""Builds prepared models, and proves them."""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import warnings
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burst_ner.errors import SetupError
from burst_ner.imports import import_spacy
from burst_ner.model import Pipeline, spacy_version
from burst_ner.opening import load
from burst_ner.prepared import FORMAT, MANIFEST, MODEL, PIPELINE, PreparedModel, open_prepared, sha256

from . import components, corpus
from .components import Sources
from .contents import write_engine_file
from .proof import prove
from .sources import refuse_existing
from .unsupported import Unsupported

if TYPE_CHECKING:
    from spacy.language import Language


def build(
    pipeline: Pipeline,
    out: Path,
    *,
    texts: Iterable[tuple[str, str]] = (),
    sentences: bool = True,
    half: bool = False,
) -> PreparedModel:
    """Makes a prepared model of a pipeline; `out` appears complete or not at all.

    Where the engine cannot represent the pipeline, the model is the pipeline itself, for spaCy to run. Two builds of
    one pipeline by the same spaCy and numpy on the same kind of processor are equal byte for byte.

    Args:
        out: a folder that does not exist.
        texts: what it is proven with besides the tool's own, each with the name of its place.
        sentences: whether entities are those of the full pipeline, none across the beginning of a sentence; without,
            those of its `ner` alone, for which the engine needs less time.
        half: whether tables of words are written with 16 bits a number, half the size; a few entities differ.

    Raises:
        SetupError: the pipeline finds no entities or cannot be loaded; the engine gives others; `out` exists or cannot
            be written.
    """
    refuse_existing(out)
    with _appearing_at(out) as folder:
        try:
            sources = components.choose(pipeline, sentences=sentences)
            nlp = _load(pipeline, sources)
            components.check(nlp, pipeline, sources)
            vectors = write_engine_file(nlp, sources, folder / MODEL, half=half)
            told = {"runs_on": "engine", "reason": None, "sentences": sources.sentences, "vectors": vectors}
        except Unsupported as unsupported:
            sources = None
            load_full(pipeline)  # refuses with a sentence what would be refused when it starts
            (folder / MODEL).unlink(missing_ok=True)
            shutil.copytree(pipeline.folder, folder / PIPELINE)
            reason = f"The engine cannot represent {pipeline.name}: {unsupported}."
            told = {"runs_on": "spacy", "reason": reason, "sentences": "none", "vectors": None}
        for licence in pipeline.folder.glob("LICENSE*"):
            shutil.copyfile(licence, folder / licence.name)
        manifest = _manifest(pipeline, folder) | told | {"labels": [], "proof": None}
        _write(manifest, folder)
        recognizer, _ = load(folder)
        manifest["labels"] = recognizer.labels
        if sources:
            if not sentences:
                nlp.select_pipes(enable=list(sources.needed))
            own = corpus.texts(pipeline.meta["lang"], list(nlp.tokenizer.rules))
            manifest["proof"] = prove(
                nlp, recognizer, chain(own, texts), starts=sources.splitter is not None, half=half
            )
        _write(manifest, folder)
    if not pipeline.fits(spacy_version()):
        made_for = f"was made for spaCy {pipeline.meta.get('spacy_version')} and built with {spacy_version()}"
        print(f"Note: {pipeline.name} {made_for}; check its entities on texts of yours with --texts.", file=sys.stderr)
    return open_prepared(out)


def load_full(pipeline: Pipeline) -> "Language":
    """The whole pipeline in spaCy.

    Raises:
        SetupError: spaCy cannot load it.
    """
    return _load(pipeline, None)


def _load(pipeline: Pipeline, sources: Sources | None) -> "Language":
    """Loads the pipeline; where that fails, without the components that entities do not depend on, if that is known."""
    spacy = import_spacy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions: said by `build`
        try:
            return spacy.load(pipeline.folder)
        except Exception as error:
            others = sorted(set(pipeline.components) - set(sources.needed)) if sources else []
            if others:
                with contextlib.suppress(Exception):
                    nlp = spacy.load(pipeline.folder, exclude=others)
                    left = f"{', '.join(others)}, which entities do not depend on"
                    print(f"Note: built without {left}: {_reason(error)}.", file=sys.stderr)
                    return nlp
            if missing := pipeline.missing_packages():
                wanted = " ".join(f"'{package}'" for package in missing)
                advice = f"install what it needs with: {sys.executable} -m pip install {wanted}"
            else:
                advice = "install what it needs, copy it there again, or give another one."
            raise SetupError(
                f"spaCy {spacy.__version__} cannot load the pipeline in {pipeline.folder} ({_reason(error)}); {advice}"
            ) from error


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _manifest(pipeline: Pipeline, folder: Path) -> dict[str, Any]:
    """What is known of every model; the files are those that are in the folder by now."""
    return {
        "format": FORMAT,
        "name": pipeline.name,
        "version": pipeline.version,
        "lang": pipeline.meta["lang"],
        "license": pipeline.meta.get("license"),
        "ents_f": (pipeline.meta.get("performance") or {}).get("ents_f"),
        "spacy_version": spacy_version(),
        "source": {"name": pipeline.name, "version": pipeline.version, "digest": _content_digest(pipeline.folder)},
        "files": {
            path.relative_to(folder).as_posix(): {"sha256": sha256(path), "bytes": path.stat().st_size}
            for path in _files(folder)
        },
    }


def _write(manifest: dict[str, Any], folder: Path) -> None:
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")


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
