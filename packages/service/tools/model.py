"""`python -m tools.model describe PATH_OR_NAME`: what a spaCy pipeline is, and whether the service can run it."""

import argparse
import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

from burst_ner.errors import SetupError
from burst_ner.model import open_pipeline

# The publisher's naming: https://spacy.io/models#conventions
_PUBLISHED = re.compile(r"[a-z]{2,3}_(core|dep|ent)_[a-z]+_(sm|md|lg|trf)")
_WHEELS = "https://github.com/explosion/spacy-models/releases/download"


def find(path_or_name: str) -> tuple[Path, str]:
    """The folder of a pipeline or of an installed package, and which of the two it is.

    Raises:
        SetupError: neither a folder nor an installed package.
    """
    folder = Path(path_or_name)
    if folder.is_dir():
        return folder.resolve(), "folder"
    name = path_or_name.replace("-", "_")
    if name.isidentifier():
        spec = importlib.util.find_spec(name)
        if spec and spec.submodule_search_locations:
            return Path(spec.submodule_search_locations[0]), "package"
    wheel = f"{_WHEELS}/{name}-3.8.0/{name}-3.8.0-py3-none-any.whl" if _PUBLISHED.fullmatch(name) else "WHEEL"
    raise SetupError(
        f"'{path_or_name}' is neither a folder (looked for {folder.absolute()}) nor a package installed in this Python "
        f"environment; give the folder of a spaCy pipeline, or install its package with: "
        f"{sys.executable} -m pip install {wheel}"
    )


def describe(path_or_name: str) -> dict[str, Any]:
    """What meta.json says of a pipeline that the service can run. Loads no weights and not spaCy.

    Returns:
        path (the pipeline folder, for SPACY_MODEL_PATH), name, version, lang, labels (of `ner`), ents_f (the F-score
        of the publisher's evaluation, 0 to 1, or null), license, spacy_version (the range it was made for), source
        (`folder` or `package`).

    Raises:
        SetupError: not found, or not fit for the service.
    """
    folder, source = find(path_or_name)
    pipeline = open_pipeline(folder)
    meta = pipeline.meta
    return {
        "path": str(pipeline.folder),
        "name": pipeline.name,
        "version": pipeline.version,
        "lang": meta["lang"],
        "labels": (meta.get("labels") or {}).get("ner", []),
        "ents_f": (meta.get("performance") or {}).get("ents_f"),
        "license": meta.get("license"),
        "spacy_version": meta.get("spacy_version"),
        "source": source,
    }


def main() -> int:
    """Exit status 0 with one line of JSON on stdout, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tools.model", description="Look at spaCy pipelines.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("describe", help="print name, version, labels and score as one line of JSON")
    command.add_argument("pipeline", metavar="PATH_OR_NAME", help="a pipeline's folder, or an installed package")
    try:
        print(json.dumps(describe(parser.parse_args().pipeline)))
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
