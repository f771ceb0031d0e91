"""Files in and out of the kernel's page cache. Linux only."""

import ctypes
import mmap
import os
from collections.abc import Iterable
from pathlib import Path

from function import BenchError

_libc = ctypes.CDLL(None, use_errno=True)


def fill(files: Iterable[Path]) -> None:
    for path in files:
        path.read_bytes()


def evict(files: Iterable[Path]) -> None:
    """Drops files from the page cache, as far as they are written and no process has them mapped."""
    for path in files:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident(files: Iterable[Path]) -> int:
    """How many bytes of the files are in the page cache; source: mincore(2)."""
    return sum(map(_resident, files)) * mmap.PAGESIZE


def read_ahead_kb(folder: Path) -> int | None:
    """How far the kernel reads ahead on the folder's device, in KiB; None where the device does not tell."""
    device = folder.stat().st_dev
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    for queue in (block / "queue", block.parent / "queue"):  # a partition has its disk's queue
        if (queue / "read_ahead_kb").is_file():
            return int((queue / "read_ahead_kb").read_text())
    return None


def _resident(path: Path) -> int:
    """Pages of the file in the page cache."""
    size = path.stat().st_size
    if not size:
        return 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
        start = ctypes.c_char.from_buffer(mapped)
        pages = (ctypes.c_ubyte * (-(-size // mmap.PAGESIZE)))()
        failed = _libc.mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size), pages)
        del start  # or the map cannot be closed
    if failed:
        raise BenchError(f"mincore fails on {path}: {os.strerror(ctypes.get_errno())}.")
    return sum(page & 1 for page in pages)
