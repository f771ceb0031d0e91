"""The engine's model file, as engine/format.h describes it: its numbers, a writer, and a reader."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field
from enum import IntEnum, auto
from pathlib import Path

import numpy as np

MAGIC = b"BURSTNER"
FORMAT_VERSION = 2
HEADER_BYTES, ENTRY_BYTES, ALIGNMENT = 64, 32, 64


class Section(IntEnum):
    """The tables. All of them are there; one that a model does not need has no bytes."""

    INFO = 1
    SET_FIRST = auto()
    SET_RANGES = auto()
    SET_ASCII = auto()
    ALTERNATIVES = auto()
    PATTERN_FIRST = auto()
    DISPATCH_FIRST = auto()
    DISPATCH = auto()
    CODE = auto()
    LOWER_KEYS = auto()
    LOWER_FIRST = auto()
    LOWER_CHARS = auto()
    RULE_IDS = auto()
    RULE_FIRST = auto()
    RULE_CHARS = auto()
    RULE_TOKENS_FIRST = auto()
    RULE_TOKENS = auto()
    TRIE_FIRST = auto()
    TRIE_KEYS = auto()
    TRIE_NEXT = auto()
    TRIE_END = auto()
    SYMBOL_HASHES = auto()
    SYMBOL_IDS = auto()
    NORM_KEYS = auto()
    NORM_VALUES = auto()
    LABELS_FIRST = auto()
    LABELS = auto()
    OUTSIDE = auto()
    PARSER_MOVES = auto()
    PUNCTUATION = auto()
    PARTS = auto()
    VECTOR_KEYS = auto()
    VECTOR_ROWS = auto()
    TABLES = auto()


class Array(IntEnum):
    """Where the arrays of each network begin; one that a model does not need is left out."""

    TOK2VEC = 0x1000
    NER = 0x3000
    PARSER = 0x4000
    SENTER = 0x5000


#: Tables too large to be hashed when a file is opened.
_NOT_HASHED = {Section.VECTOR_KEYS, Section.VECTOR_ROWS}


@dataclass
class Tok2VecInfo:
    width: int = 0
    stride: int = 0
    parts: int = 0
    inputs: int = 0
    depth: int = 0
    window: int = 0
    pieces: int = 0
    activation: int = 0
    normalized: int = 0
    padded: int = 0
    vector_attr: int = 0
    vector_width: int = 0
    vector_rows: int = 0


@dataclass
class SearchInfo:
    hidden: int = 0
    pieces: int = 0
    columns: int = 0
    moves: int = 0
    has_upper: int = 0


@dataclass
class Info:
    """struct Info, field by field."""

    sentences: int = 0
    shared: int = 0
    half: int = 0
    space: int = 0
    alpha: int = 0
    upper: int = 0
    digit: int = 0
    cased: int = 0
    case_ignorable: int = 0
    punct: int = 0
    root_label: int = 0
    tok2vec: tuple[Tok2VecInfo, Tok2VecInfo] = field(default_factory=lambda: (Tok2VecInfo(), Tok2VecInfo()))
    ner: SearchInfo = field(default_factory=SearchInfo)
    parser: SearchInfo = field(default_factory=SearchInfo)

    def pack(self) -> bytes:
        return np.array(list(_flat(astuple(self))), dtype="<u4").tobytes()


def _flat(values: Iterable) -> Iterator[int]:
    for value in values:
        if isinstance(value, tuple):
            yield from _flat(value)
        else:
            yield value


@dataclass
class Blocks:
    """The bytes of a large array, made block by block when they are written."""

    bytes: int
    blocks: Iterable[bytes]


def hash64(data: bytes) -> int:
    """MurmurHash64A with seed 1, as spaCy's StringStore takes it of a string's UTF-8."""
    mask, factor = (1 << 64) - 1, 0xC6A4A7935BD1E995
    whole = len(data) // 8 * 8
    # The mixing of each word by itself is numpy's; what goes from one word to the next is a loop.
    with np.errstate(over="ignore"):
        words = np.frombuffer(data, "<u8", whole // 8) * np.uint64(factor)
        words = (words ^ (words >> np.uint64(47))) * np.uint64(factor)
    result = 1 ^ (len(data) * factor & mask)
    for word in words.tolist():
        result = (result ^ word) * factor & mask
    if rest := data[whole:]:
        result = (result ^ int.from_bytes(rest, "little")) * factor & mask
    result = (result ^ (result >> 47)) * factor & mask
    return result ^ (result >> 47)


def write(path: Path, sections: dict[int, bytes | Blocks]) -> None:
    """Writes a model file; tables that are not given are empty.

    Args:
        sections: content by number, of Section, or an Array's and its part.
    """
    content: dict[int, bytes | Blocks] = dict.fromkeys(range(1, Section.TABLES), b"")
    content |= sections
    at = _aligned(HEADER_BYTES + ENTRY_BYTES * len(content))
    entries = b""
    for number, data in sorted(content.items()):
        size = data.bytes if isinstance(data, Blocks) else len(data)
        hashed = number < Section.TABLES and number not in _NOT_HASHED and isinstance(data, bytes)
        entries += struct.pack("<IIQQQ", number, 0, at, size, hash64(data) if hashed else 0)
        at = _aligned(at + size)
    with path.open("wb") as file:
        header = MAGIC + struct.pack("<IIQQ", FORMAT_VERSION, len(content), at, hash64(entries))
        file.write(header.ljust(HEADER_BYTES, b"\0") + entries)
        for _, data in sorted(content.items()):
            file.write(bytes(_aligned(file.tell()) - file.tell()))
            for block in data.blocks if isinstance(data, Blocks) else [data]:
                file.write(block)
        file.write(bytes(at - file.tell()))


def read(path: Path) -> dict[int, memoryview]:
    """The sections of a model file, by number. For tests: what the engine checks is not checked here."""
    data = memoryview(path.read_bytes())
    _, count, _, _ = struct.unpack_from("<IIQQ", data, len(MAGIC))
    entries = (struct.unpack_from("<IIQQQ", data, HEADER_BYTES + ENTRY_BYTES * i) for i in range(count))
    return {number: data[at : at + size] for number, _, at, size, _ in entries}


def _aligned(at: int) -> int:
    return -(-at // ALIGNMENT) * ALIGNMENT
