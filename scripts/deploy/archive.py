"""What goes up to AWS beside the function's zip. The same input gives the same bytes, so nothing is sent up twice.

python scripts/deploy/archive.py tar FOLDER OUT    the files of a prepared model, manifest.json at the top
python scripts/deploy/archive.py zip FILE OUT      one source file, at the top
"""

import json
import sys
import tarfile
import zipfile
from pathlib import Path

MANIFEST = "manifest.json"


def tar(folder: Path, out: Path) -> None:
    """Packs the manifest and what it lists; a file that strayed into the folder stays out. Weights hardly compress."""
    names = [MANIFEST, *sorted(json.loads((folder / MANIFEST).read_bytes())["files"])]
    with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            entry = tarfile.TarInfo(name)  # owner 0, time 0, readable by all
            entry.size = (folder / name).stat().st_size
            with (folder / name).open("rb") as file:
                archive.addfile(entry, file)


def zip_one(source: Path, out: Path) -> None:
    """Packs one file, dated with the first moment that a zip can hold."""
    entry = zipfile.ZipInfo(source.name, (1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix, on every host
    entry.external_attr = 0o100644 << 16
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(entry, source.read_bytes(), zipfile.ZIP_DEFLATED)


def main() -> int:
    """Exit status 0, or 2 with one sentence on stderr."""
    kind, source, out = sys.argv[1:]
    try:
        {"tar": tar, "zip": zip_one}[kind](Path(source), Path(out))
    except OSError as error:
        print(f"{out} cannot be written ({error.strerror}: {error.filename or out}).", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
