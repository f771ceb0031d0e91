"""The wheels of requirements.lock for one Lambda runtime, less what serving does not read."""

import re
import struct
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement

from burst_ner.errors import SetupError

#: The processor's name in wheels, by Lambda's name of the architecture.
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
#: The y of glibc 2.y by Python version: python3.11 runs on Amazon Linux 2, later ones on Amazon Linux 2023.
#: Source: AWS Lambda Developer Guide, "Lambda runtimes"; the glibc of both distributions.
GLIBC = {"3.11": 26, "3.12": 34, "3.13": 34, "3.14": 34}

#: Locked distributions that stay out of the zip, and why. burst_ner.imports keeps spaCy's command line, spacy.cli, from
#: being imported, and with it what only commands need.
LEFT_OUT = {
    "awslambdaric": "Lambda's managed runtime has its own",
    "simplejson": "awslambdaric",
    "snapshot-restore-py": "awslambdaric",
    "weasel": "spacy project",
    "cloudpathlib": "weasel",
    "smart-open": "weasel",
    "wrapt": "smart-open",
    "httpx": "weasel",
    "anyio": "httpx",
    "httpcore": "httpx",
    "h11": "httpx",
    "requests": "spacy download",
    "certifi": "requests",
    "charset-normalizer": "requests",
    "idna": "requests",
    "urllib3": "requests",
    "jinja2": "spacy init config",
    "markupsafe": "jinja2",
    "typer": "the commands' options",
    "click": "typer",
    "annotated-doc": "typer",
    "shellingham": "typer",
    "rich": "typer",
    "markdown-it-py": "rich",
    "mdurl": "rich",
    "pygments": "rich",
    "setuptools": "spaCy names it and imports nothing of it",
    "spacy-loggers": "spacy train",
}

#: Folders of wheels that nothing imports while it serves.
_FOLDERS_OUT = ("spacy/cli/", "numpy/f2py/", "numpy/distutils/", "numpy/_pyinstaller/", "numpy/_core/include/")
#: Sources, stubs for type checkers, libraries for linking. `.cu` stays: thinc reads its CUDA sources at import.
_SUFFIXES_OUT = {".pyx", ".pxd", ".pxi", ".c", ".cc", ".cpp", ".h", ".hh", ".hpp", ".f", ".f90", ".pyf", ".pyi", ".a"}
#: What importlib.metadata reads (versions; entry points, by which spaCy finds registered functions). Licences stay too.
_METADATA_IN = {"METADATA", "entry_points.txt"}


@dataclass(frozen=True)
class Target:
    """A Lambda runtime.

    Attributes:
        arch: `arm64` or `x86_64`.
        python: `3.11` to `3.14`.
    """

    arch: str
    python: str

    def __str__(self) -> str:
        return f"python{self.python} on {self.arch}"


def requirements(lock: str, target: Target) -> list[str]:
    """The lines of a lock file that hold for the target and are not LEFT_OUT: `name==version --hash=…`, no markers.

    pip evaluates markers for the Python that runs it, whatever platform it is asked for.
    """
    environment = {
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": MACHINES[target.arch],
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "python_version": target.python,
        "python_full_version": f"{target.python}.0",
    }
    lines = []
    for line in lock.replace("\\\n", " ").splitlines():
        pin, *hashes = line.split("--hash=")
        if pin.strip() and not pin.lstrip().startswith("#"):
            requirement = Requirement(pin)
            holds = requirement.marker is None or requirement.marker.evaluate(environment)
            if holds and requirement.name not in LEFT_OUT:
                lines.append(" --hash=".join([f"{requirement.name}{requirement.specifier}", *map(str.strip, hashes)]))
    return lines


def download(pins: list[str], target: Target, folder: Path) -> list[Path]:
    """Puts the wheels that `requirements` lists into the folder, by pip, which checks the hashes.

    Raises:
        SetupError: no wheel fits the target, no network, or a wrong hash.
    """
    (folder / "requirements.txt").write_text("\n".join(pins))
    machine, glibc = MACHINES[target.arch], GLIBC[target.python]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(glibc, 16, -1)]
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    pip += ["--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}"]
    pip += [f"--platform={platform}" for platform in [*platforms, f"manylinux2014_{machine}"]]
    pip += ["--requirement", str(folder / "requirements.txt"), "--dest", str(folder)]
    # On a terminal pip shows its own progress.
    shown = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL
    run = subprocess.run(pip, stdout=shown, stderr=subprocess.PIPE, text=True, check=False)
    if run.returncode:
        missing = re.search(r"No matching distribution found for (\S+)", run.stderr)
        # pip finds no version at all when the index does not answer.
        if missing and "(from versions: none)" in run.stderr:
            raise SetupError(f"pip finds no {missing[1]} at all; check the network and pip's settings, then try again.")
        if missing:
            raise SetupError(
                f"There is no wheel of {missing[1]} for Lambda's python{target.python} on {target.arch}, which has "
                f"glibc 2.{glibc}; choose another --python (3.12 and later have glibc 2.34)."
            )
        reason = " ".join(run.stderr.partition("ERROR: ")[2].split())[:300]
        raise SetupError(f"pip could not get the wheels of requirements.lock: {reason or 'it gave no reason'}")
    return sorted(folder.glob("*.whl"))


def unpack(wheel: Path, folder: Path) -> None:
    """Unpacks what serving needs of a wheel, without debug sections."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.endswith("/") and needed(name):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(without_sections(archive.read(name)))


def needed(name: str) -> bool:
    """Whether serving needs the file of this name in a wheel."""
    path = PurePosixPath(name)
    if path.parts[0].endswith(".dist-info"):
        return path.name in _METADATA_IN or re.match("licen[cs]e|copying|notice", path.name, re.IGNORECASE) is not None
    return not (name.startswith(_FOLDERS_OUT) or path.suffix in _SUFFIXES_OUT or "tests" in path.parts[:-1])


def without_sections(content: bytes) -> bytes:
    """A shared library without what follows its last segment: debug sections, symbol table, section headers.

    The dynamic loader reads segments alone. Nothing moves, so no alignment can break, as it does with `strip` and
    libraries that patchelf has edited; and no tool for a foreign architecture is needed. Other content is returned as
    it is.
    Source of the offsets: System V ABI, "ELF-64 Object File Format", file header and program header.
    """
    if content[:6] != b"\x7fELF\x02\x01":  # 64 bits, little-endian
        return content
    (table,) = struct.unpack_from("<Q", content, 0x20)  # e_phoff
    size, count = struct.unpack_from("<HH", content, 0x36)  # e_phentsize, e_phnum
    end = table + size * count
    for header in range(table, end, size):
        (offset,) = struct.unpack_from("<Q", content, header + 0x08)  # p_offset
        (length,) = struct.unpack_from("<Q", content, header + 0x20)  # p_filesz
        end = max(end, offset + length)
    kept = bytearray(content[:end])
    struct.pack_into("<Q", kept, 0x28, 0)  # e_shoff
    struct.pack_into("<HHH", kept, 0x3A, 0, 0, 0)  # e_shentsize, e_shnum, e_shstrndx
    return bytes(kept)
