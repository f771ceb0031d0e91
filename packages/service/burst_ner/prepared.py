"""Prepared models: folders that `burst_ner_model build` makes of spaCy pipelines.

A folder has a manifest.json; `model.bin`, which the engine opens, or, where only spaCy can run the model, the whole
pipeline in the folder `pipeline`; and the pipeline's licence.
"""

import hashlib
import json
import os

from .errors import SetupError

MANIFEST = "manifest.json"
#: The engine's file, and the folder that spaCy loads: by manifest["runs_on"] one of them is there.
MODEL, PIPELINE = "model.bin", "pipeline"
#: The version of the format that this code writes and reads.
FORMAT = 2


class PreparedModel:
    """A folder whose manifest and file sizes are in order.

    Attributes:
        folder: where manifest.json is, as it was given.
        manifest: its content: format, runs_on (`engine` or `spacy`), reason (why not the engine), name, version, lang,
            labels, license, ents_f, spacy_version, source (name, version and digest of the pipeline it was made from),
            sentences, vectors, proof, files (sha256 and bytes by name).
        name: language and name of the pipeline: `en_core_web_sm`.
        version: of the pipeline.
    """

    def __init__(self, folder: str | os.PathLike[str], manifest: dict, manifest_sha256: str) -> None:
        self.folder = folder
        self.manifest = manifest
        self.name: str = manifest["name"]
        self.version: str = manifest["version"]
        self._manifest_sha256 = manifest_sha256

    @property
    def on_engine(self) -> bool:
        return self.manifest["runs_on"] == "engine"

    def digest(self) -> str:
        """Names the model: the SHA-256 of the manifest, which has the SHA-256 of every other file."""
        return self._manifest_sha256


def is_prepared(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder claims to be a prepared model."""
    return os.path.isfile(os.path.join(folder, MANIFEST))


def open_prepared(folder: str | os.PathLike[str]) -> PreparedModel:
    """Reads the manifest and checks format and file sizes; reads no other file.

    Raises:
        SetupError: not a manifest; of another format; a file is missing or has not its size.
    """
    path = os.path.join(folder, MANIFEST)
    try:
        with open(path, "rb") as file:
            content = file.read()
        manifest = json.loads(content)
        if manifest["format"] != FORMAT:
            raise SetupError(
                f"The prepared model in {folder} has format {manifest['format']!r}, and this burst-ner reads format "
                f"{FORMAT}; build it anew with this version's burst_ner_model."
            )
        if manifest["runs_on"] not in ("engine", "spacy"):
            raise ValueError
        model = PreparedModel(folder, manifest, hashlib.sha256(content).hexdigest())
        files = [(name, file["bytes"], file["sha256"]) for name, file in manifest["files"].items()]
        words = (model.name, model.version, *(digest for *_, digest in files))
        if not (all(isinstance(word, str) for word in words) and all(isinstance(size, int) for _, size, _ in files)):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SetupError(
            f"{path} is not the manifest of a prepared model ({type(error).__name__}), or only a part of one; copy the "
            "model there again, or build it anew."
        ) from error
    for name, size, _ in files:
        try:
            found = os.stat(os.path.join(folder, name)).st_size
        except (OSError, ValueError) as error:
            # A ValueError for a name that no file can have.
            raise _incomplete(folder, f"{name} cannot be read ({getattr(error, 'strerror', error)})") from error
        if found != size:
            raise _incomplete(folder, f"{name} has {found:,} bytes instead of {size:,}")
    return model


def verify(folder: str | os.PathLike[str]) -> PreparedModel:
    """Checks what `open_prepared` checks, and the SHA-256 of every file.

    Raises:
        SetupError: as `open_prepared`; a file's content is not what was built.
    """
    model = open_prepared(folder)
    for name, file in model.manifest["files"].items():
        if sha256(os.path.join(folder, name)) != file["sha256"]:
            raise SetupError(
                f"The prepared model in {folder} is damaged: {name} has not the SHA-256 that the manifest says; "
                "copy it there again, or build it anew."
            )
    return model


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _incomplete(folder: str | os.PathLike[str], what: str) -> SetupError:
    return SetupError(f"The prepared model in {folder} is not complete: {what}; copy it there again, or build it anew.")
