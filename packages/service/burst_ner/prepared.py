"""Prepared models: NER alone, made by `tools.model build` from a spaCy pipeline, ready to be loaded in little time.

The folder has a manifest.json; `tokenizer`, `vocab/` (tables of word norms, where the language has them) and `ner/` as
spaCy writes them; keys.npy, rows.npy and table.npy where the pipeline has static vectors; and the pipeline's licence.
spaCy's string store is not there: the tokenizer and `ner` add the strings that they use, and texts bring the rest.
"""

import hashlib
import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from .errors import SetupError
from .imports import import_spacy
from .tokenizer import load_tokenizer

if TYPE_CHECKING:
    from spacy.language import Language

MANIFEST = "manifest.json"
#: The version of the format that this code writes and reads.
FORMAT = 1


@dataclass(frozen=True)
class PreparedModel:
    """A folder whose manifest and file sizes are in order.

    Attributes:
        folder: where manifest.json is.
        manifest: its content: format, name, version, lang, labels, license, ents_f, spacy_version (the range that can
            load it), source (name, version and digest of the pipeline it was made from), config (how spaCy builds its
            parts), vectors (mode, attr, width, keys and rows, or null), files (sha256 and bytes by name).
        manifest_sha256: of the file, as 64 hex digits.
    """

    folder: Path
    manifest: dict[str, Any]
    manifest_sha256: str

    @property
    def name(self) -> str:
        """Language and name of the pipeline: `en_core_web_sm`."""
        return self.manifest["name"]

    @property
    def version(self) -> str:
        return self.manifest["version"]

    def digest(self) -> str:
        """Names the model: the SHA-256 of the manifest, which has the SHA-256 of every other file."""
        return self.manifest_sha256

    def load(self) -> "Language":
        """Imports spaCy and makes the pipeline, whose one component is `ner`.

        `spacy.load` would build the tokenizer twice (from the language's defaults, then from disk), validate the
        configuration and read what NER does not use; here each part is made once, from its own file.
        """
        import_spacy()
        from spacy.tokenizer import Tokenizer
        from spacy.util import get_lang_class, registry

        from .vectors import MappedVectors, fold

        config, vectors = self.manifest["config"], self.manifest["vectors"]
        try:
            nlp = get_lang_class(self.manifest["lang"])(
                create_tokenizer=registry.resolve({"tokenizer": config["tokenizer"]})["tokenizer"]
                if config["tokenizer"]
                else lambda nlp: Tokenizer(nlp.vocab),
                create_vectors=(lambda _: MappedVectors(self.folder, vectors["attr"])) if vectors else None,
            )
            nlp.vocab.from_disk(self.folder / "vocab", exclude=["strings", "vectors"])
            if type(nlp.tokenizer) is Tokenizer:
                load_tokenizer(nlp.tokenizer, self.folder / "tokenizer")
            else:
                nlp.tokenizer.from_disk(self.folder / "tokenizer", exclude=["vocab"])
            ner = nlp.add_pipe(config["factory"], "ner", config=config["ner"], validate=False)
            if vectors:
                fold(ner.model, vectors["width"])
            ner.from_disk(self.folder / "ner", exclude=["vocab"])
        except Exception as error:
            raise load_error(
                f"the prepared model in {self.folder}", error, "copy it there again, or build it anew"
            ) from error
        return nlp


def is_prepared(folder: Path) -> bool:
    """Whether a folder claims to be a prepared model."""
    return (folder / MANIFEST).is_file()


def open_prepared(folder: Path) -> PreparedModel:
    """Reads the manifest and checks versions and file sizes; reads no other file.

    Raises:
        SetupError: not a manifest; of another format; for another spaCy; a file is missing or has not its size.
    """
    try:
        content = (folder / MANIFEST).read_bytes()
        manifest = json.loads(content)
        if manifest["format"] != FORMAT:
            raise SetupError(
                f"The prepared model in {folder} has format {manifest['format']}, and this service reads format "
                f"{FORMAT}; build it anew with this version's tools.model."
            )
        fits = SpecifierSet(manifest["spacy_version"]).contains(version := spacy_version(), prereleases=True)
        sizes = {name: file["bytes"] for name, file in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidSpecifier) as error:
        raise SetupError(
            f"{folder / MANIFEST} is not the manifest of a prepared model ({type(error).__name__}), or only a part of "
            "one; copy the model there again, or build it anew."
        ) from error
    if not fits:
        raise SetupError(
            f"The prepared model in {folder} was built for spaCy {manifest['spacy_version']}, and this is spaCy "
            f"{version}; build it anew with this spaCy."
        )
    for name, size in sizes.items():
        try:
            found = (folder / name).stat().st_size
        except OSError as error:
            raise _incomplete(folder, f"{name} cannot be read ({error.strerror})") from error
        if found != size:
            raise _incomplete(folder, f"{name} has {found:,} bytes instead of {size:,}")
    return PreparedModel(folder, manifest, hashlib.sha256(content).hexdigest())


def verify(folder: Path) -> PreparedModel:
    """Checks what `open_prepared` checks, and the SHA-256 of every file.

    Raises:
        SetupError: as `open_prepared`; a file's content is not what was built.
    """
    model = open_prepared(folder)
    for name, file in model.manifest["files"].items():
        if sha256(folder / name) != file["sha256"]:
            raise SetupError(
                f"The prepared model in {folder} is damaged: {name} has not the SHA-256 that the manifest says; "
                "copy it there again, or build it anew."
            )
    return model


def sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def spacy_version() -> str:
    """The version of the installed spaCy, without importing it."""
    return importlib.metadata.version("spacy")


def load_error(what: str, error: Exception, advice: str) -> SetupError:
    """The sentence for a folder that passed its checks and that spaCy cannot load all the same."""
    reason = " ".join(str(error).split())[:300]
    return SetupError(f"spaCy {spacy_version()} cannot load {what} ({type(error).__name__}: {reason}); {advice}.")


def _incomplete(folder: Path, what: str) -> SetupError:
    return SetupError(f"The prepared model in {folder} is not complete: {what}; copy it there again, or build it anew.")
