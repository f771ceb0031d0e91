"""Files of Debian's packages, without installing them."""

import subprocess
import tempfile
from pathlib import Path

from function import CACHE, BenchError


def unpacked(*packages: str) -> Path:
    """A folder with the files of these packages below it, as below `/`; they are fetched and unpacked once.

    Raises:
        BenchError: no apt, no network, no such package.
    """
    root = CACHE / "debian"
    for package in packages:
        done = root / package
        if done.exists():
            continue
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as scratch:
            _run(["apt-get", "download", package], scratch)
            [archive] = Path(scratch).glob("*.deb")
            _run(["dpkg-deb", "-x", str(archive), str(root)], scratch)
        done.touch()
    return root


def _run(command: list[str], folder: str) -> None:
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BenchError(f"{command[0]} is missing: the texts and tools of this part are Debian's packages.") from None
    if run.returncode:
        reason = run.stderr.strip().splitlines() or ["no message"]
        raise BenchError(f"`{' '.join(command[:3])}` fails ({reason[-1]}); try `apt-get update` first.")
