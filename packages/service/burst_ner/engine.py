"""The engine: a compiled library that finds the entities of a model file, without spaCy.

engine/engine.h says what its functions do, tools/engine.py builds it.
"""

import ctypes
import os
import sys
import threading

from .errors import SetupError
from .recognizer import OutOfTime, Recognizer
from .schema import LIMITS

#: The library for this machine.
LIBRARY = os.path.join(os.path.dirname(__file__), f"libburst_ner.{'dylib' if sys.platform == 'darwin' else 'so'}")

_NO_MEMORY, _OUT_OF_TIME, _NOT_UNICODE = -1, -2, -3
_U32 = ctypes.POINTER(ctypes.c_uint32)
_FUNCTIONS = {
    "ner_open": (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t),
    "ner_close": (None, ctypes.c_void_p),
    "ner_labels": (ctypes.c_uint32, ctypes.c_void_p),
    "ner_label": (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, _U32),
    "ner_find": (
        *(ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, _U32, ctypes.c_uint32, ctypes.c_double),
        ctypes.POINTER(ctypes.c_void_p),
    ),
    "ner_tokens": (
        *(ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32, ctypes.POINTER(ctypes.c_void_p)),
    ),
    "ner_simd": (ctypes.c_int32, ctypes.c_int32),
}


class Engine(Recognizer):
    """A model file that is open. One thread at a time is at work in it; others wait.

    A process that is forked opens the file for itself: a thread may have been at work when it began.
    """

    limits = LIMITS

    def __init__(self, model: str | os.PathLike[str]) -> None:
        """Maps the file, which must not change from now on.

        Raises:
            SetupError: the library or the file cannot be used; one sentence says why.
        """
        self._model = os.fsencode(model)
        self._library = open_library()
        self._opened = self._open()
        _, engine, _ = self._opened
        self._labels = [self._label(engine, number) for number in range(self._library.ner_labels(engine))]
        self.labels = sorted(self._labels)

    def __del__(self) -> None:
        process, engine, _ = getattr(self, "_opened", (None, None, None))
        if process == os.getpid():
            self._library.ner_close(engine)

    def recognize(self, texts, seconds):
        chars = "".join(texts).encode("utf-32-le")
        lengths = (ctypes.c_uint32 * len(texts))(*map(len, texts))
        found = ctypes.c_void_p()
        results = [[] for _ in texts]
        engine, lock = self._here()
        with lock:
            count = self._library.ner_find(engine, chars, lengths, len(texts), seconds, found)
            rows = _rows(found, _checked(count), "I")
        for place, start, end, label in rows:
            text, label = texts[place][start:end], self._labels[label]
            results[place].append({"text": text, "label": label, "start_char": start, "end_char": end})
        return results

    def tokens(self, text: str) -> list[tuple[int, int, int, int]]:
        """(start, end, norm, 1 where a sentence begins) of each token, for tests and proofs."""
        found = ctypes.c_void_p()
        engine, lock = self._here()
        with lock:
            count = self._library.ner_tokens(engine, text.encode("utf-32-le"), len(text), found)
            return _rows(found, _checked(count), "Q")

    def _open(self) -> tuple[int, int, threading.Lock]:
        error = ctypes.create_string_buffer(1_000)
        engine = self._library.ner_open(self._model, error, len(error))
        if not engine:
            raise SetupError(error.value.decode(errors="replace"))
        return os.getpid(), engine, threading.Lock()

    def _here(self) -> tuple[int, threading.Lock]:
        """The engine of this process, and the lock of who is at work in it."""
        process, engine, lock = self._opened
        if process != os.getpid():
            self._opened = _, engine, lock = self._open()
        return engine, lock

    def _label(self, engine: int, number: int) -> str:
        size = ctypes.c_uint32()
        return ctypes.string_at(self._library.ner_label(engine, number, size), size.value).decode()


def open_library() -> ctypes.CDLL:
    """The library with its functions declared.

    Raises:
        SetupError: it is not there, or not for this machine.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise SetupError(
            f"The engine cannot be opened ({error}); pip brings it with burst-ner for Linux (glibc 2.26 or newer) and "
            "macOS 11 on x86_64 and arm64, and in a checkout this builds it: python -m tools.engine"
        ) from error
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _checked(count: int) -> int:
    if count == _OUT_OF_TIME:
        raise OutOfTime
    if count == _NO_MEMORY:
        raise MemoryError
    if count == _NOT_UNICODE:
        raise ValueError("a code point that is no character")
    return count


def _rows(found: ctypes.c_void_p, count: int, kind: str) -> list:
    """`count` rows of four numbers, copied: the engine keeps them until its next call only."""
    if not count:
        return []
    size = 4 * count * ctypes.sizeof(ctypes.c_uint32 if kind == "I" else ctypes.c_uint64)
    numbers = iter(memoryview(ctypes.string_at(found, size)).cast(kind))
    return list(zip(*[numbers] * 4, strict=True))
