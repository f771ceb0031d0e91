"""Every parser in Python with damaged input, a few seconds in all; `npm run bench -- fuzz` runs each for minutes."""

import gzip
from pathlib import Path

import fuzz
import pytest

from burst_ner.documents import read_documents
from burst_ner.errors import PartError


@pytest.mark.parametrize(("name", "inputs"), [("documents", 700), ("events", 400), ("prepared", 1_000)])
def test_gives_a_value_or_its_own_error(name: str, inputs: int, tmp_path: Path) -> None:
    _, found = fuzz.run(fuzz.CHECKS[name](tmp_path), 1, 60, inputs)
    assert found is None


def read(data: bytes, kind: str) -> list[str]:
    part = {"format": kind, "gzip": False, "start": 0, "end": None}
    return [one.error for one in read_documents(part, {"text": "text", "id": None}, lambda at: iter([data[at:]]), "a")]


@pytest.mark.parametrize("header", [b'"text\n1\n', b'text,"id"x\n', b"te\rxt\n"])
def test_a_header_whose_quotes_do_not_match_is_told(header: bytes) -> None:
    with pytest.raises(PartError, match="a has a header that is not valid CSV"):
        read(header, "csv")


@pytest.mark.parametrize("id", [b"1e999", b'{"a": 1e999}', b'{"a":' * 120 + b"1" + b"}" * 120])
def test_an_id_that_could_not_be_written_is_told(id: bytes) -> None:
    line = b'{"id": ' + id + b', "text": "Paris"}\n'
    error = "The record has an id that is infinite, or nested too deep; make it a string."
    assert read(line + b'{"text": "Rome"}', "jsonl") == [error, ""]


def test_a_packed_table_that_is_damaged_is_told_as_that() -> None:
    part = {"format": "csv", "gzip": True, "start": 0, "end": None}
    damaged = gzip.compress(b"id,text\n1,Paris\n")[:10] + b"\xff" * 20
    with pytest.raises(PartError, match="a is damaged: what follows is not gzip"):
        list(read_documents(part, {"text": "text", "id": None}, lambda at: iter([damaged[at:]]), "a"))
