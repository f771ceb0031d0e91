"""`python -m burst_ner_model`: looks at spaCy pipelines, and builds, verifies and compares prepared models."""

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from burst_ner.errors import SetupError
from burst_ner.model import open_pipeline
from burst_ner.opening import load
from burst_ner.prepared import PIPELINE, is_prepared, open_prepared, verify

from .components import choose, entity_setters
from .sources import find, refuse_existing, source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .compare import Comparison


def describe(path_or_name: str) -> dict[str, Any]:
    """What a pipeline or a prepared model says of itself. Loads no weights and not spaCy.

    Returns:
        path (the folder for SPACY_MODEL_PATH), name, version, lang, labels, ents_f (the F-score of the publisher's
        evaluation, 0 to 1, or null), license, spacy_version (the range it was made for; of a prepared model the version
        that built it), source (`folder`, `package` or `prepared`), runs_on (of a prepared model, else null).

    Raises:
        SetupError: not found, or not fit for the service.
    """
    folder, kind = find(path_or_name)
    if is_prepared(folder):
        manifest = open_prepared(folder).manifest
        keys = ("name", "version", "lang", "labels", "ents_f", "license", "spacy_version", "runs_on")
        return {"path": str(folder), "source": "prepared"} | {key: manifest[key] for key in keys}
    pipeline = open_pipeline(folder)
    meta = pipeline.meta
    known = meta.get("labels") or {}
    return {
        "path": str(pipeline.folder),
        "name": pipeline.name,
        "version": pipeline.version,
        "lang": meta["lang"],
        "labels": sorted({label for name in entity_setters(pipeline) for label in known.get(name, ())}),
        "ents_f": (meta.get("performance") or {}).get("ents_f"),
        "license": meta.get("license"),
        "spacy_version": meta.get("spacy_version"),
        "source": kind,
        "runs_on": None,
    }


def main(argv: list[str] | None = None) -> int:
    """Exit status 0, or 2 with one sentence on stderr; `compare`: 1 when entities are not what the model promises."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if error.name not in ("numpy", "packaging", "spacy", "thinc"):
            raise
        install = f"{sys.executable} -m pip install 'spacy>=3.8.18,<3.9'"
        print(f"This needs spaCy, which is not here; install it with: {install}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m burst_ner_model", description="Look at spaCy pipelines, or prepare them."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    pipeline = "a pipeline's folder, an installed package, a wheel or sdist file, or a name in models.json"
    texts = "one text a line, or .jsonl with text"

    command = commands.add_parser("describe", help="print name, version, labels and score as one line of JSON")
    command.add_argument("pipeline", metavar="PATH_OR_NAME", help="a model's folder, or an installed package")
    command.set_defaults(run=_describe)

    command = commands.add_parser("build", help="make a prepared model of a pipeline, and prove that it finds the same")
    command.add_argument("pipeline", metavar="PIPELINE", help=pipeline)
    command.add_argument("out", metavar="OUT", type=Path, help="the folder to make")
    command.add_argument(
        "--sentences",
        choices=["pipeline", "none"],
        default="pipeline",
        help="none: the entities of ner alone, which may cross the beginning of a sentence; smaller and faster "
        "(default: %(default)s)",
    )
    command.add_argument(
        "--vectors",
        choices=["f32", "f16"],
        default="f32",
        help="the numbers of words; f16 halves the size and may change an entity here and there (default: %(default)s)",
    )
    command.add_argument("--texts", metavar="FILE", type=Path, help=f"prove it with these, too: {texts}")
    command.add_argument("--from", dest="wheel", metavar="WHEEL", type=Path, help="the wheel of a name in models.json")
    command.set_defaults(run=_build)

    command = commands.add_parser("verify", help="check every file of a prepared model")
    command.add_argument("prepared", metavar="PREPARED", type=Path)
    command.set_defaults(run=_verify)

    command = commands.add_parser("compare", help="count the documents in which a prepared model finds other entities")
    command.add_argument("pipeline", metavar="PIPELINE", help=pipeline)
    command.add_argument("prepared", metavar="PREPARED", type=Path)
    command.add_argument("--texts", metavar="FILE", type=Path, required=True, help=texts)
    command.set_defaults(run=_compare)
    return parser


def _describe(arguments: argparse.Namespace) -> int:
    print(json.dumps(describe(arguments.pipeline)))
    return 0


def _build(arguments: argparse.Namespace) -> int:
    # Imported where they are used: to describe and to verify takes neither spaCy nor numpy.
    from .build import build
    from .compare import read_texts

    refuse_existing(arguments.out)  # before anything is fetched
    file = arguments.texts
    texts = [(f"line {line} of {file}", text) for line, text in read_texts(file)] if file else []
    with source(arguments.pipeline, arguments.wheel) as folder:
        options = {"sentences": arguments.sentences == "pipeline", "half": arguments.vectors == "f16"}
        model = build(open_pipeline(folder), arguments.out, texts=texts, **options)
    manifest = model.manifest
    size = sum(file["bytes"] for file in manifest["files"].values())
    print(f"{arguments.out}: {model.name} {model.version}, {size / 1e6:.1f} MB, digest {model.digest()}")
    if not model.on_engine:
        print(f"runs on spaCy. {manifest['reason']}")
        return 0
    proof, vectors = manifest["proof"], manifest["vectors"]
    print(f"runs on the engine, sentences by: {manifest['sentences']}")
    print(f"vectors: {vectors['type']}, {vectors['keys']:,} words" if vectors else "vectors: none")
    print(
        f"proven with {proof['documents']:,} texts, {proof['entities']:,} entities: {proof['differ']} differ from spaCy"
    )
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    model = verify(arguments.prepared)
    files = model.manifest["files"]
    size = sum(file["bytes"] for file in files.values())
    print(f"{arguments.prepared} is whole: {len(files)} files, {size:,} bytes, digest {model.digest()}")
    if not model.on_engine:
        pipeline = arguments.prepared / PIPELINE
        has_spacy = importlib.util.find_spec("spacy")
        missing = open_pipeline(pipeline).missing_packages() if has_spacy else ["spacy"]
        needs = f"; it needs what is not installed here: {', '.join(missing)}" if missing else ""
        print(f"runs on spaCy{needs}")
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from .build import load_full
    from .compare import compare, read_texts

    recognizer, prepared = load(arguments.prepared)
    with source(arguments.pipeline) as folder:
        pipeline = open_pipeline(folder)
        nlp = load_full(pipeline)
        full = compare(nlp, recognizer, read_texts(arguments.texts))
        print(f"{full.documents:,} documents, {full.entities:,} entities in the prepared model")
        _print_difference("its full pipeline", full)
        if prepared.manifest["sentences"] != "none" or not prepared.on_engine:
            return 1 if full.difference.documents else 0
        # Built without the pipeline's sentences, it promises the entities of `ner` alone.
        nlp.select_pipes(enable=list(choose(pipeline, sentences=False).needed))
        alone = compare(nlp, recognizer, read_texts(arguments.texts))
        _print_difference("its pipeline's ner alone", alone)
        return 1 if alone.difference.documents else 0


def _print_difference(what: str, comparison: "Comparison") -> None:
    difference = comparison.difference
    share = difference.documents / max(comparison.documents, 1)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(difference.kinds.items()) if count)
    print(f"against {what}: {difference.documents:,} documents differ ({share:.2%}){': ' if kinds else ''}{kinds}")
    for line, theirs, ours in difference.examples:
        sides = [" ".join(f"{label}[{start}:{end}]" for start, end, label in spans) or "-" for spans in (theirs, ours)]
        print(f"  line {line}: pipeline {sides[0]}, prepared {sides[1]}")


if __name__ == "__main__":
    sys.exit(main())
