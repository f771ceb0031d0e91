"""`python -m tools.engine`: the engine's shared library, built from engine/*.c by zig as C compiler (package ziglang).

Built once for each state of the sources and the compiler, kept below .cache/engine, the same bytes every time. The one
for this machine is put into burst_ner/, where the function opens it.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from burst_ner.engine import LIBRARY
from burst_ner.errors import SetupError

#: Zig's name of each target, by system and machine. glibc 2.26 is that of Amazon Linux 2, the oldest that Lambda runs;
#: macOS 11 is the first on arm64.
TARGETS = {
    "linux-x86_64": "x86_64-linux-gnu.2.26",
    "linux-arm64": "aarch64-linux-gnu.2.26",
    "macos-x86_64": "x86_64-macos.11.0",
    "macos-arm64": "aarch64-macos.11.0",
}

# -s leaves the symbols of debuggers out, and with them the only names of this machine that a library would have.
_COMPILE = ["-c", "-O3", "-std=c11", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast", "-Wall", "-Wextra"]
_LINK = ["-shared", "-s", "-Wl,--gc-sections"]
# Compiled a second time for processors with AVX2; the engine chooses when it starts.
_AVX2 = ("kernels.c", ["-mcpu=haswell", "-DKERNELS=kernels_avx2"])

#: The name of that licence beside the library.
LICENCE = "LICENSE.zig"

_SERVICE = Path(__file__).resolve().parent.parent
_SOURCES = _SERVICE / "engine"
_CACHE = _SERVICE.parent.parent / ".cache" / "engine"


def this_machine() -> str:
    """The name in TARGETS; of a machine that is not there a name of the same kind."""
    system = {"darwin": "macos"}.get(sys.platform, sys.platform)
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{system}-{machine}"


def library_name(target: str) -> str:
    return "libburst_ner.dylib" if target.startswith("macos") else "libburst_ner.so"


def library(target: str) -> Path:
    """The library for a target, built unless it is there already.

    Raises:
        SetupError: no such target, no compiler, or a source that it refuses.
    """
    if target not in TARGETS:
        raise SetupError(f"There is no engine for {target}; it is built for {', '.join(TARGETS)}.")
    folder = _CACHE / _fingerprint() / target
    out = folder / library_name(target)
    if not out.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Beside its place, so that it is there complete or not at all; somebody else may build the same meanwhile.
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            build(target, Path(temporary, out.name))
            Path(temporary, out.name).replace(out)
    return out


def licence() -> Path:
    """The compiler's licence: it goes where a library goes, which has parts of its runtime (memcpy, expf)."""
    return Path(importlib.util.find_spec("ziglang").origin).with_name("LICENSE")


def build(target: str, out: Path) -> None:
    """Compiles and links; the objects stay beside the library."""
    jobs = [(source.name, []) for source in sorted(_SOURCES.glob("*.c"))]
    if target.endswith("x86_64"):
        jobs.append(_AVX2)
    objects = [out.with_name(f"{number}.o") for number in range(len(jobs))]

    def compile_one(job: tuple[str, list[str]], into: Path) -> None:
        _zig(target, [*_COMPILE, *job[1], job[0], "-o", str(into)])

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(compile_one, jobs, objects))
    # What macOS calls the library would be the place where it was built.
    macos = [f"-Wl,-install_name,@rpath/{out.name}"]
    extra = macos if target.startswith("macos") else ["-Wl,--build-id=none", "-lm"]
    _zig(target, [*_LINK, *extra, *map(str, objects), "-o", str(out)])


def put(target: str) -> bool:
    """Puts the library where the function of this machine opens it; False when the same one is there already."""
    content = library(target).read_bytes()
    place = Path(LIBRARY)
    if place.exists() and place.read_bytes() == content:
        return False
    # Never written to in place: a process may have it mapped.
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".engine-", delete=False) as file:
        file.write(content)
    os.chmod(file.name, 0o755)
    os.replace(file.name, place)
    return True


def _fingerprint() -> str:
    try:
        compiler = importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        raise SetupError(
            f"The compiler of the engine is not here; install it with: {sys.executable} -m pip install "
            f"--require-hashes -r {_SERVICE / 'requirements-engine.lock'}"
        ) from None
    digest = hashlib.sha256(f"{compiler}\0".encode())
    for path in [*sorted(_SOURCES.glob("*.[ch]")), Path(__file__)]:
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _zig(target: str, arguments: list[str]) -> None:
    # In the folder of the sources, whose names are then all that a message of theirs can have of a path.
    command = [sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[target], *arguments]
    caches = {f"ZIG_{kind}_CACHE_DIR": str(_CACHE / "zig") for kind in ("GLOBAL", "LOCAL")}
    run = subprocess.run(
        command, cwd=_SOURCES, env=os.environ | caches, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if run.returncode:
        raise SetupError(f"The engine cannot be built for {target}: {run.stdout.strip() or 'zig gave no reason'}")


def main() -> int:
    """Exit status 0 with the library's path on stdout, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tools.engine", description="Build the engine's library.")
    parser.add_argument(
        "target",
        nargs="?",
        choices=TARGETS,
        help="build it for this target and say where it is (default: put the one for this machine into burst_ner)",
    )
    target = parser.parse_args().target
    try:
        if target:
            print(library(target))
        else:
            put(this_machine())
            print(LIBRARY)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
