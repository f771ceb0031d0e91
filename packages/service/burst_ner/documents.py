"""The documents of a part of a file: JSON Lines of any range of bytes, and CSV and gzip of a whole file."""

import csv
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator

from .errors import PartError

#: Bytes that a line may have; of a longer one no more are kept.
MAX_LINE = 16 * 1024 * 1024
#: Bytes that are unpacked at once, and at most lost before a place where the file is damaged.
_UNZIPPED = 64 * 1024
_MARK = b"\xef\xbb\xbf"
_FOREIGN = {
    b"\x1f\x8b": "is compressed by gzip and not called .gz; rename it",
    b"\xff\xfe": "is UTF-16; convert it to UTF-8 first",
    b"\xfe\xff": "is UTF-16; convert it to UTF-8 first",
    b"PAR1": "is a Parquet file; write it as JSON Lines first",
    b"PK\x03\x04": "is a zip archive; unpack it first",
    b"BZh": "is compressed by bzip2; use gzip",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd; use gzip",
}

_SURROGATE = re.compile(r"[\ud800-\udfff]")

csv.field_size_limit(MAX_LINE)


def well_formed(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, which JSON can hold and UTF-8 cannot."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


class Document:
    """A document, or what stands in its place.

    Attributes:
        byte: where it begins in its file, bytes; of a compressed one as if it were not.
        end: where the next begins.
        id: what the record has as its id; None without one.
        text: well-formed Unicode; None when there is none to read.
        error: then one sentence that says why, and does not quote the record.
    """

    __slots__ = ("byte", "end", "error", "id", "text")

    def __init__(self, byte: int, end: int, id: object = None, text: str | None = None, error: str = "") -> None:
        self.byte = byte
        self.end = end
        self.id = id
        self.text = text
        self.error = error


def read_documents(part: dict, fields: dict, read: Callable[[int], Iterator[bytes]], name: str) -> Iterator[Document]:
    """The documents that begin in a part: from byte `start` on, and before `end`.

    A line belongs to the part in which it begins. Files that cannot be cut (CSV, where a line break may be within
    quotes, and gzip) are one part, with `end` null, and are read from their beginning even when `start` is further on.

    Args:
        part: format (jsonl, csv or tsv), gzip, start, end.
        fields: text and id, the names of fields or columns; id may be null.
        read: the file's bytes from an offset on.
        name: of the file, for errors.

    Raises:
        PartError: nothing of the file can be read; one sentence says why.
    """
    start, end = part["start"], part["end"]
    at = start - 1 if end is not None and start > 0 else 0
    blocks = read(at)
    if at == 0:
        blocks = _checked(blocks, part["gzip"], name)
    found = _lines(_unzipped(blocks) if part["gzip"] else blocks, at)
    if at > 0:
        next(found, None)  # it begins before
    delimiter = {"csv": None, "tsv": "\t"}.get(part["format"], "")
    documents = _objects(found, fields) if delimiter == "" else _rows(found, fields, name, delimiter)
    for document in documents:
        if end is not None and document.byte >= end:
            return
        if document.byte >= start:
            yield document


def _checked(blocks: Iterator[bytes], gzip: bool, name: str) -> Iterator[bytes]:
    for number, block in enumerate(blocks):
        if number == 0:
            for magic, advice in _FOREIGN.items():
                if block.startswith(magic) and not (gzip and magic == b"\x1f\x8b"):
                    raise PartError(f"{name} {advice}.")
        yield block


class _Damaged(Exception):
    """The rest of a file cannot be read."""


def _unzipped(blocks: Iterable[bytes]) -> Iterator[bytes]:
    member = zlib.decompressobj(31)
    try:
        for block in blocks:
            while block:
                if member.eof:  # one gzip file may follow another, and zeros that fill up a block
                    block = block.lstrip(b"\0")
                    if not block:
                        break
                    member = zlib.decompressobj(31)
                data = member.decompress(block, _UNZIPPED)
                block = member.unused_data if member.eof else member.unconsumed_tail
                if data:
                    yield data
        while data := b"" if member.eof else member.decompress(b"", _UNZIPPED):
            yield data
    except zlib.error:
        raise _Damaged("is damaged: what follows is not gzip") from None
    if not member.eof:
        raise _Damaged("ends too early")


def _lines(blocks: Iterable[bytes], at: int) -> Iterator[tuple[int, int, bytes | None, str]]:
    """(begin, end, line with its break or None, why None) of each line. What cannot be read is one more."""
    parts: list[bytes] = []
    size = 0

    def line() -> tuple[int, int, bytes | None, str]:
        if size > MAX_LINE:
            return at, at + size, None, f"is longer than {MAX_LINE >> 20} MiB; cut it"
        whole = parts[0] if len(parts) == 1 else b"".join(parts)
        if at == 0 and whole.startswith(_MARK):
            whole = whole[len(_MARK) :]
        return at, at + size, whole, ""

    try:
        for block in blocks:
            start = 0
            while start < len(block):
                end = block.find(b"\n", start) + 1 or len(block)
                size += end - start
                if size <= MAX_LINE:
                    parts.append(block[start:end])
                elif parts:
                    parts.clear()
                start = end
                if block[end - 1] == 10:
                    yield line()
                    at += size
                    parts.clear()
                    size = 0
    except _Damaged as error:
        yield at, at + size + 1, None, f"{error}; the rest of it is not done"
        return
    if size:
        yield line()


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity, which Python reads and JSON does not have


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


def _writable(id: object, deep: int = 100) -> bool:
    """Whether an id can be written as it was read: 1e999 is infinite to Python, and its writer goes less deep."""
    if isinstance(id, float):
        return math.isfinite(id)
    inner = id.values() if isinstance(id, dict) else id if isinstance(id, list) else ()
    return deep > 0 and all(_writable(value, deep - 1) for value in inner)


def _objects(lines: Iterable[tuple[int, int, bytes | None, str]], fields: dict) -> Iterator[Document]:
    text_field, id_field = fields["text"], fields["id"]
    for begin, end, line, problem in lines:
        if line is None:
            yield Document(begin, end, error=f"The line {problem}.")
            continue
        if not line.strip():
            continue
        try:
            record = _decode(line.decode())
        except UnicodeDecodeError:
            yield Document(begin, end, error="The line is not UTF-8.")
            continue
        except (ValueError, RecursionError):
            yield Document(begin, end, error="The line is not valid JSON.")
            continue
        if not isinstance(record, dict):
            yield Document(begin, end, error='The line is not a JSON object, such as {"text": "…"}.')
            continue
        id = record.get(id_field) if id_field else record.get("id", record.get("_id"))
        if isinstance(id, (list, bool)):
            id = None
        elif not _writable(id):
            error = "The record has an id that is infinite, or nested too deep; make it a string."
            yield Document(begin, end, error=error)
            continue
        text = record.get(text_field)
        if isinstance(text, str):
            yield Document(begin, end, id, well_formed(text))
        else:
            what = "has no field" if text_field not in record else "has no string in the field"
            yield Document(begin, end, id, error=f'The record {what} "{text_field}".')


def _rows(
    lines: Iterator[tuple[int, int, bytes | None, str]], fields: dict, name: str, delimiter: str | None
) -> Iterator[Document]:
    at = 0
    damage = ""

    def decoded() -> Iterator[str]:
        nonlocal at, damage
        for _, end, line, problem in lines:
            at = end
            if line is None:
                damage = problem
                return
            yield line.decode(errors="surrogateescape")

    source = decoded()
    header = next(source, "")
    if damage and not header:
        raise PartError(f"{name} {damage}.")
    if delimiter is None:
        delimiter = max(",;\t|", key=header.count)

    def chained() -> Iterator[str]:
        yield header
        yield from source

    rows = csv.reader(chained(), delimiter=delimiter, strict=True)
    try:
        columns = [cell.strip() for cell in next(rows, [])]
    except csv.Error:
        why = "its lines end with CR alone" if "\r" in header.rstrip("\r\n") else "its quotes do not match"
        raise PartError(f"{name} has a header that is not valid CSV: {why}; mend it.") from None
    if fields["text"] not in columns:
        raise PartError(f'{name} has no column "{fields["text"]}"; its first line must be a header that names it.')
    text_at = columns.index(fields["text"])
    id_field = fields["id"] or next((field for field in ("id", "_id") if field in columns), "")
    id_at = columns.index(id_field) if id_field in columns else -1
    while True:
        begin = at
        try:
            row = next(rows, None)
        except csv.Error:
            yield Document(begin, at, error="The row is not valid CSV: its quotes do not match.")
            continue
        if row is None:
            break
        if not row:
            continue
        if len(row) < len(columns) or any(row[len(columns) :]):
            error = f"The row has {len(row)} cells instead of {len(columns)}."
            yield Document(begin, at, error=error)
            continue
        text, id = row[text_at], row[id_at] if id_at >= 0 else None
        try:
            (text + (id or "")).encode()
        except UnicodeEncodeError:
            yield Document(begin, at, error="The row is not UTF-8.")
        else:
            yield Document(begin, at, id, text)
    if damage:
        yield Document(at, at + 1, error=f"The file {damage}.")
