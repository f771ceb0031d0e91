"""`python -m tools.model`: looks at spaCy pipelines, and builds, verifies and compares prepared models."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from burst_ner.errors import SetupError
from burst_ner.model import open_pipeline
from burst_ner.prepared import is_prepared, open_prepared, verify

from .build import VECTOR_MODES, build, refuse_existing
from .compare import Difference, compare, read_texts
from .sources import find, source


def describe(path_or_name: str) -> dict[str, Any]:
    """What a pipeline or a prepared model that the service can run says of itself. Loads no weights and not spaCy.

    Returns:
        path (the folder for SPACY_MODEL_PATH), name, version, lang, labels (of `ner`), ents_f (the F-score of the
        publisher's evaluation, 0 to 1, or null), license, spacy_version (the range it was made for), source
        (`folder`, `package` or `prepared`).

    Raises:
        SetupError: not found, or not fit for the service.
    """
    folder, kind = find(path_or_name)
    if is_prepared(folder):
        manifest = open_prepared(folder).manifest
        told = {key: manifest[key] for key in ("version", "lang", "labels", "ents_f", "license", "spacy_version")}
        return {"path": str(folder), "name": manifest["name"], **told, "source": "prepared"}
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
        "source": kind,
    }


def main(argv: list[str] | None = None) -> int:
    """Exit status 0, or 2 with one sentence on stderr; `compare`: 1 when entities differ from those of `ner` alone."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.model", description="Look at spaCy pipelines, prepare them.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    pipeline = "a pipeline's folder, an installed package, a wheel file, or a name in models.json"

    command = commands.add_parser("describe", help="print name, version, labels and score as one line of JSON")
    command.add_argument("pipeline", metavar="PATH_OR_NAME", help="a model's folder, or an installed package")
    command.set_defaults(run=_describe)

    command = commands.add_parser("build", help="make a prepared model of a pipeline's ner")
    command.add_argument("pipeline", metavar="PIPELINE", help=pipeline)
    command.add_argument("out", metavar="OUT", type=Path, help="the folder to make")
    command.add_argument(
        "--vectors",
        choices=VECTOR_MODES,
        default="folded-f32",
        help="the numbers of the vectors; f16 halves the size and may change an entity in a thousand documents "
        "(default: %(default)s)",
    )
    command.add_argument("--from", dest="wheel", metavar="WHEEL", type=Path, help="the wheel of a name in models.json")
    command.set_defaults(run=_build)

    command = commands.add_parser("verify", help="check every file of a prepared model")
    command.add_argument("prepared", metavar="PREPARED", type=Path)
    command.set_defaults(run=_verify)

    command = commands.add_parser("compare", help="count the documents in which a prepared model finds other entities")
    command.add_argument("pipeline", metavar="PIPELINE", help=pipeline)
    command.add_argument("prepared", metavar="PREPARED", type=Path)
    command.add_argument(
        "--texts", metavar="FILE", type=Path, required=True, help="one text a line, or .jsonl with text"
    )
    command.set_defaults(run=_compare)
    return parser


def _describe(arguments: argparse.Namespace) -> int:
    print(json.dumps(describe(arguments.pipeline)))
    return 0


def _build(arguments: argparse.Namespace) -> int:
    refuse_existing(arguments.out)  # before anything is fetched
    with source(arguments.pipeline, arguments.wheel) as folder:
        model = build(open_pipeline(folder), arguments.out, arguments.vectors)
    size = sum(file["bytes"] for file in model.manifest["files"].values())
    vectors = model.manifest["vectors"]
    print(f"{arguments.out}: {model.name} {model.version}, {size / 1e6:.1f} MB, digest {model.digest()}")
    print(f"vectors: {vectors['mode']}, {vectors['keys']:,} words" if vectors else "vectors: the pipeline has none")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    model = verify(arguments.prepared)
    files = model.manifest["files"]
    size = sum(file["bytes"] for file in files.values())
    print(f"{arguments.prepared} is whole: {len(files)} files, {size:,} bytes, digest {model.digest()}")
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    prepared = open_prepared(arguments.prepared)
    with source(arguments.pipeline) as folder:
        result = compare(open_pipeline(folder), prepared, read_texts(arguments.texts))
    print(f"{result.documents:,} documents, {result.entities:,} entities in the prepared model")
    _print_difference("its pipeline's ner alone", result.ner_alone, result.documents)
    _print_difference("its full pipeline", result.full, result.documents)
    return 1 if result.ner_alone.documents else 0


def _print_difference(what: str, difference: Difference, documents: int) -> None:
    share = difference.documents / max(documents, 1)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(difference.kinds.items()) if count)
    print(f"against {what}: {difference.documents:,} documents differ ({share:.2%}){': ' if kinds else ''}{kinds}")
    for line, theirs, ours in difference.examples:
        sides = [" ".join(f"{label}[{start}:{end}]" for start, end, label in spans) or "-" for spans in (theirs, ours)]
        print(f"  line {line}: pipeline {sides[0]}, prepared {sides[1]}")


if __name__ == "__main__":
    sys.exit(main())
