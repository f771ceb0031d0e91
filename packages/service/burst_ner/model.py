"""Folders of spaCy pipelines: what they say of themselves. spaCy is not imported."""

import configparser
import hashlib
import importlib.metadata
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import SetupError


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
        """The names of the components in their order, those that are switched off among them."""
        return json.loads(self.config["nlp"]["pipeline"])

    @property
    def disabled(self) -> list[str]:
        """The names of the components that are switched off."""
        return json.loads(self.config.get("nlp", "disabled", fallback="[]"))

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

    def factory(self, component: str) -> str:
        """What a component is made by: `ner`, `tagger`; spaCy's own or that of a package."""
        return str(self.setting(component, "factory"))

    def setting(self, component: str, key: str) -> Any:
        """A setting of a component; None where config.cfg does not say."""
        value = self.config.get(f"components.{component}", key, fallback="null")
        try:
            return json.loads(value)
        except ValueError:
            return value  # a reference to another section

    def missing_packages(self) -> list[str]:
        """What meta.json requires and is not installed. A pipeline may load without, and need more than it says."""
        from packaging.requirements import InvalidRequirement, Requirement  # comes with spaCy

        missing = []
        for line in self.meta.get("requirements") or []:
            try:
                importlib.metadata.version(Requirement(line).name)
            except InvalidRequirement:
                continue  # spaCy does not read this list, so a strange line does no harm
            except importlib.metadata.PackageNotFoundError:
                missing.append(line)
        return missing

    def fits(self, version: str) -> bool:
        """Whether a version of spaCy is in the range that the pipeline was made for."""
        from packaging.specifiers import InvalidSpecifier, SpecifierSet  # comes with spaCy

        wanted = str(self.meta.get("spacy_version") or "")
        try:
            range_ = SpecifierSet(f"=={wanted}" if wanted[:1].isdigit() else wanted)
        except InvalidSpecifier:
            return False
        return range_.contains(version, prereleases=True)


def open_pipeline(folder: Path) -> Pipeline:
    """Reads a pipeline folder, or the folder of a package that holds one.

    Raises:
        SetupError: not a folder; not a pipeline; made for another major version of spaCy.
    """
    if not folder.is_dir():
        raise SetupError(f"There is no folder {folder}; give the folder of a spaCy pipeline.")
    pipeline = _read(_pipeline_folder(folder))
    wanted = str(pipeline.meta.get("spacy_version") or "")
    # Pipelines of one major version give the same entities in all of its versions.
    if (major := _major(wanted)) and major != (ours := _major(spacy_version())):
        raise SetupError(
            f"The pipeline {pipeline.name} {pipeline.version} in {folder} was made for spaCy {wanted}, and this is "
            f"spaCy {spacy_version()}, which cannot read it; give a pipeline made for spaCy {ours}."
        )
    return pipeline


def spacy_version() -> str:
    """The version of the installed spaCy, without importing it."""
    return importlib.metadata.version("spacy")


def _pipeline_folder(folder: Path) -> Path:
    """Where config.cfg is: in the folder, or, as packages have it, one below."""
    if (folder / "config.cfg").is_file():
        return folder
    below = sorted(path.parent for path in folder.glob("*/config.cfg") if (path.parent / "meta.json").is_file())
    if len(below) > 1:
        names = ", ".join(path.name for path in below)
        raise SetupError(f"{folder} holds several pipelines ({names}); give the folder of one of them.")
    return below[0] if below else folder


def _read(folder: Path) -> Pipeline:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if not isinstance(meta, dict) or not all(isinstance(meta[key], str) for key in ("lang", "name", "version")):
            raise ValueError("meta.json has no lang, name and version")
        # As spaCy reads it: keys keep their case, `%` is no reference. Before spaCy 3 there was no such file.
        config = configparser.ConfigParser(interpolation=None)
        config.optionxform = str  # type: ignore[assignment,method-assign]
        pipeline = Pipeline(folder, meta, config)
        if (folder / "config.cfg").is_file() or _major(str(meta.get("spacy_version") or "")) != 2:
            config.read_string((folder / "config.cfg").read_text(encoding="utf-8"))
            if not isinstance(pipeline.components, list):
                raise ValueError("nlp.pipeline is not a list")
        return pipeline
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        reason = f"no {error.filename}" if isinstance(error, FileNotFoundError) else type(error).__name__
        raise SetupError(
            f"{folder} is not the folder of a spaCy pipeline, with config.cfg and meta.json ({reason}); "
            "give a prepared model, a folder that spaCy's nlp.to_disk wrote, or that of an installed pipeline package."
        ) from error


def _major(versions: str) -> int | None:
    """The major version of `3.8.1` or of a range such as `>=3.7.5,<3.9.0`; None where there is none."""
    number = re.search(r"\d+", versions)
    return int(number[0]) if number else None
