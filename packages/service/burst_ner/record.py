"""What is written of one document: a line of JSON in the form that the client's command writes (docs/command.md)."""

import hashlib
import json
import re
from bisect import bisect_left

from .documents import Document, well_formed

#: How the offsets of entities count, as records name it.
OFFSETS = ("utf-16", "code-points")

_BEYOND = re.compile(r"[\U00010000-\U0010ffff]")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Recorder:
    """Writes the records of one file."""

    def __init__(self, source: str, offsets: str, model: str) -> None:
        """
        Args:
            source: what the records call the file.
            offsets: one of OFFSETS.
            model: name/version/digest, as in the header x-ner-model.
        """
        self._source = source
        self._utf16 = offsets == "utf-16"
        self._ending = {"offsets": offsets, "model": model}

    def line(self, document: Document, result: dict | None) -> bytes:
        """A record with its line break.

        Args:
            document: as it was read.
            result: `{entities}` or `{error, code}`; None when nothing was asked of the model.
        """
        record: dict = {"source": self._source, "byte": document.byte}
        if document.id is not None:
            record["id"] = document.id
        if document.text is None:
            record["error"] = {"code": "unreadable", "message": document.error}
        else:
            if result is None:
                record["entities"] = []
            elif "error" in result:
                record["error"] = {"code": result["code"], "message": result["error"]}
            else:
                record["entities"] = self._entities(document.text, result["entities"])
                record |= self._ending
            record["hash"] = hashlib.sha256(document.text.encode()).hexdigest()[:16]
        return well_formed(_encode(record)).encode() + b"\n"

    def _entities(self, text: str, found: list[dict]) -> list[dict]:
        beyond = () if text.isascii() or not self._utf16 else [match.start() for match in _BEYOND.finditer(text)]
        return [
            {
                "text": entity["text"],
                "label": entity["label"],
                "start": entity["start_char"] + bisect_left(beyond, entity["start_char"]),
                "end": entity["end_char"] + bisect_left(beyond, entity["end_char"]),
            }
            for entity in found
        ]
