"""Folders of spaCy pipelines: what they say of themselves, and whether they fit. spaCy is not imported."""

import configparser
import hashlib
import importlib.metadata
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from .errors import SetupError

# Factories of the components that make vectors for others to listen to.
_UPSTREAM_FACTORIES = {"tok2vec", "transformer", "curated_transformer"}


@dataclass(frozen=True)
class Pipeline:
    """A checked pipeline folder.

    Attributes:
        folder: where config.cfg and meta.json are.
        meta: the content of meta.json.
        config: the content of config.cfg, values as JSON, references not resolved.
    """

    folder: Path
    meta: dict[str, Any]
    config: configparser.ConfigParser

    @property
    def name(self) -> str:
        """Language and name, as spaCy's packages are called: `en_core_web_sm`."""
        return f"{self.meta['lang']}_{self.meta['name']}"

    @property
    def version(self) -> str:
        return self.meta["version"]

    @property
    def components(self) -> list[str]:
        """The names of the components in their order."""
        return json.loads(self.config["nlp"]["pipeline"])

    def digest(self) -> str:
        """SHA-256, as 64 hex digits, over meta.json, config.cfg and the name and size of every file.

        It names a model in answers; it is no proof of integrity. Hashing the weights would read hundreds of megabytes
        at every cold start. meta.json carries the scores of the training, so a model trained anew differs there even
        when its files have the same sizes.
        """
        digest = hashlib.sha256()
        for path in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            name = path.relative_to(self.folder).as_posix()
            digest.update(f"{name}\0{path.stat().st_size}\0".encode())
            if name in ("meta.json", "config.cfg"):
                digest.update(path.read_bytes())
        return digest.hexdigest()

    def listeners(self) -> list[str]:
        """Where `ner` listens to components that it shares with others, as paths into its section: `model.tok2vec`."""
        return [
            section.removeprefix("components.ner.")
            for section in self.config.sections()
            if section.startswith("components.ner.") and "Listener" in self._architecture(section)
        ]

    def needed_for_ner(self) -> set[str]:
        """`ner` and the components that its listeners take their vectors from."""
        needed = {"ner"}
        for listener in self.listeners():
            # Values are JSON. A listener names its component, or takes any that makes vectors ("*").
            upstream = self.config.get(f"components.ner.{listener}", "upstream", fallback="")
            named = {name for name in self.components if json.dumps(name) == upstream}
            needed |= named or {name for name in self.components if self._factory(name) in _UPSTREAM_FACTORIES}
        return needed

    def has_transformer(self) -> bool:
        """Whether `ner`, or what it listens to, is made of a transformer."""
        needed = self.needed_for_ner()
        return any("transformer" in self._factory(name) for name in needed) or any(
            "Transformer" in self._architecture(section)
            for section in self.config.sections()
            if section.split(".")[1:2] and section.split(".")[1] in needed
        )

    def _architecture(self, section: str) -> str:
        return self.config.get(section, "@architectures", fallback="")

    def _factory(self, component: str) -> str:
        return self.config.get(f"components.{component}", "factory", fallback="").strip('"')


def open_pipeline(folder: Path) -> Pipeline:
    """Reads and checks a pipeline folder, or the folder of an installed package that holds one.

    Raises:
        SetupError: not a folder; not a pipeline; no `ner`; made for another spaCy; a package it needs is missing.
    """
    if not folder.is_dir():
        raise SetupError(f"There is no folder {folder}; give the folder of a spaCy pipeline.")
    pipeline = _read(folder)
    if "ner" not in pipeline.components:
        names = ", ".join(pipeline.components) or "none"
        raise SetupError(
            f"The pipeline {pipeline.name} in {folder} has no component 'ner' (it has: {names}); "
            "give a pipeline that recognises named entities."
        )
    _check_versions(pipeline)
    return pipeline


def spacy_version() -> str:
    """The version of the installed spaCy, without importing it."""
    return importlib.metadata.version("spacy")


def _read(folder: Path) -> Pipeline:
    try:
        meta = _read_meta(folder)
        if not (folder / "config.cfg").is_file():
            # A package has a copy of meta.json at its top, and the pipeline one folder below.
            folder = folder / f"{meta['lang']}_{meta['name']}-{meta['version']}"
            meta = _read_meta(folder)
        # As spaCy reads it: keys keep their case, `%` is no reference.
        config = configparser.ConfigParser(interpolation=None)
        config.optionxform = str  # type: ignore[assignment,method-assign]
        config.read_string((folder / "config.cfg").read_text(encoding="utf-8"))
        pipeline = Pipeline(folder, meta, config)
        if not isinstance(pipeline.components, list):
            raise ValueError("nlp.pipeline is not a list")
        return pipeline
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        reason = f"no {error.filename}" if isinstance(error, FileNotFoundError) else type(error).__name__
        raise SetupError(
            f"{folder} is not the folder of a spaCy pipeline, with config.cfg and meta.json ({reason}); "
            "give a prepared model, a folder that spaCy's nlp.to_disk wrote, or that of an installed pipeline package."
        ) from error


def _read_meta(folder: Path) -> dict[str, Any]:
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    if not isinstance(meta, dict) or not all(isinstance(meta[key], str) for key in ("lang", "name", "version")):
        raise ValueError("meta.json has no lang, name and version")
    return meta


def _check_versions(pipeline: Pipeline) -> None:
    """spaCy only warns of these; weights of another version give wrong entities or fail in the middle of the load."""
    version = spacy_version()
    wanted = str(pipeline.meta.get("spacy_version") or "")
    try:
        fits = SpecifierSet(f"=={wanted}" if wanted[:1].isdigit() else wanted).contains(version, prereleases=True)
    except InvalidSpecifier:
        fits = False
    if not fits:
        raise SetupError(
            f"The pipeline {pipeline.name} {pipeline.version} in {pipeline.folder} was made for spaCy {wanted}, and "
            f"this is spaCy {version}; give a version of the pipeline that was made for it."
        )
    for line in pipeline.meta.get("requirements") or []:
        try:
            importlib.metadata.version(Requirement(line).name)
        except InvalidRequirement:
            continue  # spaCy does not read this list, so a strange line does no harm
        except importlib.metadata.PackageNotFoundError:
            raise SetupError(
                f"The pipeline {pipeline.name} needs the package {line}, which is not installed; "
                f"install it with: {sys.executable} -m pip install '{line}'"
            ) from None
