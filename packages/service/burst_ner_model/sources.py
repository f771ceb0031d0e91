"""Where a pipeline comes from: a folder, an installed package, a wheel or sdist, or a wheel that models.json names."""

import contextlib
import http.client
import importlib.metadata
import importlib.util
import json
import re
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from burst_ner.errors import SetupError
from burst_ner.prepared import sha256

#: name → version, url and sha256 of the publisher's wheel.
MODELS: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("models.json").read_bytes())

# The publisher's naming: https://spacy.io/models#conventions
_PUBLISHED = re.compile(r"[a-z]{2,3}_(core|dep|ent)_[a-z]+_(sm|md|lg|trf)")
_WHEELS = "https://github.com/explosion/spacy-models/releases/download"
_TIMEOUT_S = 30
_CHUNK = 1 << 20


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
    installed = ", ".join(sorted(importlib.metadata.entry_points(group="spacy_models").names)) or "none"
    raise SetupError(
        f"'{path_or_name}' is neither a folder (looked for {folder.absolute()}) nor a package installed in this Python "
        f"environment, whose models are: {installed}; give one of them or the folder of a spaCy pipeline, or install "
        f"its package with: {sys.executable} -m pip install {wheel}"
    )


@contextlib.contextmanager
def source(pipeline: str, wheel: Path | None = None) -> Iterator[Path]:
    """The folder of a pipeline to build from; what was unpacked or fetched for it is gone afterwards.

    Args:
        pipeline: a folder, an installed package, a wheel or sdist file, or a name in models.json, which is fetched.
        wheel: the wheel of that name, fetched by other means.

    Raises:
        SetupError: none of these; not fetched; not the file that models.json names; no pipeline in it.
    """
    with tempfile.TemporaryDirectory(prefix="burst-ner-") as temporary:
        folder = Path(temporary)
        known = MODELS.get(pipeline)
        if wheel:
            if not known:
                names = ", ".join(MODELS)
                raise SetupError(f"--from goes with a name of models.json ({names}); give {wheel} as PIPELINE instead.")
            yield _unpack(_checked(wheel, known), folder)
        elif pipeline.endswith((".whl", ".tar.gz")):
            yield _unpack(Path(pipeline), folder)
        elif known and not Path(pipeline).is_dir() and not importlib.util.find_spec(pipeline):
            fetched = folder / "fetched.whl"
            _fetch(pipeline, known, fetched)
            yield _unpack(_checked(fetched, known), folder)
        else:
            yield find(pipeline)[0]


def refuse_existing(out: Path) -> None:
    """Raises SetupError when there is something at `out`."""
    if out.exists():
        raise SetupError(f"{out} exists; delete it, or give a folder that does not exist.")


def _checked(wheel: Path, known: dict[str, str]) -> Path:
    if not wheel.is_file():
        raise SetupError(f"There is no file {wheel}; give the wheel that {known['url']} gives.")
    if (found := sha256(wheel)) != known["sha256"]:
        raise SetupError(
            f"The wheel has the SHA-256 {found} and models.json says {known['sha256']}: it is another file, or only a "
            f"part of it; fetch {known['url']} again."
        )
    return wheel


def _unpack(package: Path, folder: Path) -> Path:
    """Unpacks the wheel or the sdist of a pipeline; gives the folder of the pipeline in it."""
    what = "wheel" if package.suffix == ".whl" else "sdist"
    try:
        if what == "wheel":
            with zipfile.ZipFile(package) as archive:
                archive.extractall(folder)
        else:
            with tarfile.open(package) as archive:
                archive.extractall(folder, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise SetupError(f"{package} is no {what}, or only a part of one ({error}); fetch it again.") from error
    except OSError as error:
        raise SetupError(f"Cannot unpack the {what} {package} to {folder} ({error.strerror or error}).") from error
    # A package has meta.json at its top, too; before spaCy 3 there was no config.cfg.
    for name in ("config.cfg", "meta.json"):
        found = sorted(folder.rglob(name), key=lambda path: len(path.parts))
        if found := [path.parent for path in found if (path.parent / "meta.json").is_file()]:
            return found[0]
    raise SetupError(f"The {what} {package} has no spaCy pipeline in it; give that of a pipeline.")


def _fetch(name: str, known: dict[str, str], to: Path) -> None:
    """Downloads a wheel; says on stderr at each tenth how far it is."""
    try:
        with urllib.request.urlopen(known["url"], timeout=_TIMEOUT_S) as response, to.open("wb") as file:
            size = int(response.headers.get("Content-Length") or 0)
            done, shown = 0, -1
            while chunk := response.read(_CHUNK):
                done += file.write(chunk)
                if size and done * 10 // size > shown:
                    shown = done * 10 // size
                    print(
                        f"Fetching {name} {known['version']}: {done:,} of {size:,} bytes", file=sys.stderr, flush=True
                    )
            if size > done:
                raise OSError(f"the connection ended after {done:,} of {size:,} bytes")
    except (OSError, http.client.HTTPException) as error:  # URLError, HTTPError and time-outs are OSErrors
        reason = getattr(error, "reason", None) or error
        raise SetupError(
            f"Cannot fetch {known['url']} ({reason}); fetch it by other means and give it with --from WHEEL."
        ) from error
