"""`python -m tools.zip OUT`: the zip that Lambda runs, the same bytes from the same input.

In it: burst_ner with the engine, bytecode, and, if asked for, a model in the folder `model`, for
SPACY_MODEL_PATH=/var/task/model. Where spaCy has to run the model, also the wheels of requirements.lock, less what
serving does not read (see wheels.py).
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from burst_ner.errors import SetupError
from burst_ner.model import open_pipeline
from burst_ner.prepared import is_prepared, verify

from .engine import LICENCE, library, licence
from .wheels import GLIBC, MACHINES, Target, download, requirements, unpack

#: Bytes of all files, layers included. Source: AWS Lambda Developer Guide, "Lambda quotas": 250 MB, which is MiB.
MAX_UNZIPPED = 250 * 1024 * 1024
#: Bytes of a zip that goes up in the request itself; a larger one goes by way of S3. Source: the same page.
MAX_DIRECT_UPLOAD = 50 * 1024 * 1024

_SERVICE = Path(__file__).resolve().parent.parent
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can hold


@dataclass
class Part:
    """What one top-level name of the zip takes; sizes in bytes, bytecode in the first as well."""

    unzipped: int = 0
    bytecode: int = 0
    zipped: int = 0


def build(
    out: Path,
    target: Target,
    *,
    model: Path | None = None,
    with_spacy: bool = False,
    max_unzipped: int = MAX_UNZIPPED,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Part]:
    """Writes the zip: all of it, or, on an error, nothing.

    Args:
        out: the file; folders above it are made.
        target: the Lambda runtime it is for.
        model: a folder to put inside: a prepared model, or a plain spaCy pipeline.
        with_spacy: put spaCy inside as well, even if this model does not need it.
        max_unzipped: bytes that Lambda takes.
        say: gets a line for each step, and warnings.

    Returns:
        The parts by name.

    Raises:
        SetupError: not a model or a damaged one, no engine, no fitting wheel, no network, nowhere to write, too large
            for Lambda.
    """
    source = model and (verify(model) if is_prepared(model) else open_pipeline(model))
    with_spacy = with_spacy or bool(source and not getattr(source, "on_engine", False))
    if out.is_dir():
        raise SetupError(f"{out} is a folder; give the name of the zip to write, such as {out / 'function.zip'}.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # Beside the zip, so that putting it in place is a rename.
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as temporary:
            wheels, root, partial = (Path(temporary, name) for name in ("wheels", "task", "zip"))
            say(f"Building the engine for {target.arch} …")
            engine = library(f"linux-{target.arch}")
            if with_spacy:
                wheels.mkdir()
                pins = requirements((_SERVICE / "requirements.lock").read_text(), target)
                say(f"Getting {len(pins)} wheels for {target} …")
                for wheel in download(pins, target, wheels):
                    unpack(wheel, root)
            ours = shutil.ignore_patterns("__pycache__", "libburst_ner.*", ".engine-*")
            shutil.copytree(_SERVICE / "burst_ner", root / "burst_ner", ignore=ours)
            shutil.copyfile(engine, root / "burst_ner" / engine.name)
            shutil.copyfile(_SERVICE / "LICENSE", root / "burst_ner" / "LICENSE")
            shutil.copyfile(licence(), root / "burst_ner" / LICENCE)
            compile_all(root, target.python, say)
            if source:
                shutil.copytree(source.folder, root / "model")
            files = sorted(path for path in root.rglob("*") if path.is_file())
            unzipped = sum(path.stat().st_size for path in files)
            if unzipped > max_unzipped:
                raise SetupError(
                    f"The zip would unpack to {unzipped:,} bytes and Lambda takes {max_unzipped:,}; "
                    f"{'serve the model from EFS instead' if model else 'leave a dependency out'}."
                )
            say(f"Packing {len(files):,} files, {_mb(unzipped)} MB …")
            parts = _pack(files, root, partial)
            partial.replace(out)
            return parts
    except OSError as error:
        raise SetupError(f"The zip {out} cannot be written ({error.strerror}: {error.filename or out}).") from error


def compile_all(root: Path, python: str, say: Callable[[str], None]) -> None:
    """Compiles all sources for a Python version, if this machine has it; else says what that costs.

    Lambda's code folder is read-only, so bytecode that is missing or looks stale is made anew by each cold start. A zip
    rounds times, so the bytecode is bound to its source neither by time nor by a hash that would be checked.
    """
    command = interpreter(python)
    if not command:
        say(
            f"Warning: there is no python{python} on this machine, so the zip has no bytecode and each cold start "
            f"compiles all sources anew; install python{python} and build again."
        )
        return
    say(f"Compiling for python{python} …")
    # The paths in tracebacks are those on Lambda, which also keeps this machine's out of the zip.
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", "/var/task", str(root)]
    run = subprocess.run([*command, "-m", "compileall", *options], stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode:
        raise SetupError(f"python{python} cannot compile the zip's sources: {run.stdout.strip()}")


def interpreter(python: str) -> list[str] | None:
    """The command, ready for options, of this Python version on this machine; None if there is none that runs."""
    # pyenv's shims run nothing unless they are told a version; to others the variable says nothing.
    for command in ([sys.executable, "-I"], ["env", f"PYENV_VERSION={python}", f"python{python}", "-I"]):
        version = "import sys; print('%d.%d' % sys.version_info[:2])"
        run = subprocess.run([*command, "-c", version], capture_output=True, text=True, check=False)
        if run.stdout.strip() == python:
            return command
    return None


def _pack(files: list[Path], root: Path, out: Path) -> dict[str, Part]:
    parts: dict[str, Part] = {}
    with zipfile.ZipFile(out, "w") as archive:
        for path in files:
            name = path.relative_to(root).as_posix()
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, on every host
            entry.external_attr = 0o100644 << 16  # Lambda runs the code as another user than the files' owner
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 6)
            part = parts.setdefault(name.split("/")[0], Part())
            part.unzipped += entry.file_size
            part.bytecode += entry.file_size if path.suffix == ".pyc" else 0
            part.zipped += entry.compress_size
    return parts


def report(parts: dict[str, Part]) -> str:
    """A table of the parts, largest first; those below a megabyte together. MB are millions of bytes."""
    rows: dict[str, Part] = {}
    total = Part()
    for name, part in sorted(parts.items(), key=lambda item: -item[1].unzipped):
        small = part.unzipped < 1_000_000 and name not in ("burst_ner", "model")
        for row in (rows.setdefault("others" if small else name, Part()), total):
            row.unzipped += part.unzipped
            row.bytecode += part.bytecode
            row.zipped += part.zipped
    lines = [f"{'MB':<20}{'unzipped':>10}{'bytecode':>10}{'zipped':>10}"]
    for name, row in [*rows.items(), ("total", total)]:
        lines.append(f"{name:<20}{_mb(row.unzipped):>10}{_mb(row.bytecode):>10}{_mb(row.zipped):>10}")
    return "\n".join(lines)


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f}"


def main() -> int:
    """Exit status 0 with the table on stdout, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="burst-ner-zip", description="Build the zip that Lambda runs.")
    parser.add_argument("out", metavar="OUT", type=Path, help="the zip to write, e.g. infra/build/function.zip")
    parser.add_argument("--arch", choices=MACHINES, default="arm64", help="architecture (default: %(default)s)")
    parser.add_argument("--python", choices=GLIBC, default="3.13", help="version of Python (default: %(default)s)")
    parser.add_argument(
        "--with-model",
        metavar="PREPARED",
        type=Path,
        help="put this model inside, for SPACY_MODEL_PATH=/var/task/model",
    )
    parser.add_argument(
        "--with-spacy",
        action="store_true",
        help="put spaCy inside, for a model elsewhere that needs it; one that is put inside brings it by itself",
    )
    options = parser.parse_args()
    target = Target(options.arch, options.python)
    started = time.monotonic()
    try:
        parts = build(
            options.out,
            target,
            model=options.with_model,
            with_spacy=options.with_spacy,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    print(report(parts))
    size = options.out.stat().st_size
    print(f"{options.out}: {target}, {size:,} bytes, {time.monotonic() - started:.0f} s")
    if size > MAX_DIRECT_UPLOAD:
        print(f"Lambda takes at most {MAX_DIRECT_UPLOAD:,} bytes in one upload: deploy this zip by way of S3.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
