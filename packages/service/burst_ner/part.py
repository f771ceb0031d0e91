"""One part of a batch: a range of a file, or a whole one, to one object of records, or several one after another."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable

from .deadline import Deadline
from .documents import Document, read_documents
from .errors import PartError
from .recognizer import Recognizer, groups
from .record import OFFSETS, Recorder
from .results import found
from .storage import Storage

#: Seconds of an invocation that are kept for writing the object.
RESERVE_S = 30.0
#: Bytes of records that one invocation writes: they wait in /tmp, which has 512 MB.
MAX_OUTPUT = 256 * 1024 * 1024


class Worker:
    """Finds the entities of parts.

    An object is written once, in one piece, under a name that its place in the input gives, and says itself where the
    next one begins. So it does not matter how often a part is tried, by how many at a time, and when they are ended:
    the first object that is complete stays, and everybody goes on behind it.
    """

    def __init__(
        self,
        storage: Storage,
        recognizer: Recognizer,
        model: str,
        *,
        size: dict[str, str] | None = None,
        now: Callable[[], float] = time.monotonic,
        max_output: int = MAX_OUTPUT,
    ) -> None:
        """
        Args:
            storage: where files are, and records go.
            recognizer: finds the entities.
            model: name/version/digest, for records.
            size: what an object's metadata says of where the worker runs, for its price.
            now: gives seconds, by a clock that never goes back.
            max_output: see MAX_OUTPUT.
        """
        self._storage = storage
        self._recognizer = recognizer
        self._model = model
        self._told_model = model.encode("ascii", "backslashreplace").decode()  # an object's metadata is ASCII
        self._size = size or {}
        self._now = now
        self._max_output = max_output

    def run(self, event: dict, remaining_s: float, failed: Callable[[Exception], None]) -> dict:
        """Does a part, or as much of it as there is time for.

        Args:
            event: `part` (key, name, etag, size, format, gzip, start, end; places in bytes) and `work` (in: bucket;
                out: bucket, prefix; fields: text, id; offsets).
            remaining_s: seconds until the process is ended.
            failed: gets what goes wrong within the recognizer.

        Returns:
            The event as it is to come again, and `done`: whether it need not.

        Raises:
            PartError: no repetition would help.
            TimeoutError: not one document was done.
        """
        started = self._now()
        work, part = event["work"], dict(event["part"])
        if work["offsets"] not in OFFSETS:
            raise PartError(f"The offsets of a batch are one of {', '.join(OFFSETS)}.")
        bucket = work["out"]["bucket"]
        while True:
            key = f"{work['out']['prefix']}{part['name']}/{part['start']:015d}.jsonl"
            told = self._storage.find(bucket, key)
            if told is None:
                break
            part["start"] = self._behind(told, part, f"s3://{bucket}/{key}")
            if told["done"] == "1":
                return {**event, "done": True, "part": part}
        reserve_s = min(RESERVE_S, remaining_s / 3)
        deadline = Deadline(remaining_s, self._now, reserve_s=reserve_s, max_work_s=remaining_s)
        with tempfile.TemporaryFile() as body:
            told = self._write(part, work, deadline, body, failed)
            told |= self._size
            told["ms"] = str(round((self._now() - started) * 1000))
            body.seek(0)
            if not self._storage.write(bucket, key, body, told):
                told = self._storage.find(bucket, key) or told
        part["start"] = self._behind(told, part, f"s3://{bucket}/{key}")
        return {**event, "done": told["done"] == "1", "part": part}

    def _behind(self, told: dict, part: dict, name: str) -> int:
        if not {"next", "done", "model", "etag"} <= told.keys():
            raise PartError(f"{name} has not the metadata of a batch; give this run another --out.")
        if told["model"] != self._told_model:
            raise PartError(f"{name} is by {told['model']}, and this is {self._model}; give this run another --out.")
        if told["etag"] != part["etag"].strip('"'):
            raise PartError(f"{name} is of an earlier {part['key']}; give this run another --out.")
        return int(told["next"])

    def _write(self, part: dict, work: dict, deadline: Deadline, body, failed: Callable[[Exception], None]) -> dict:
        source, key = work["in"]["bucket"], part["key"]
        name = f"s3://{source}/{key}"
        recorder = Recorder(name, work["offsets"], self._model)
        documents = read_documents(
            part,
            work["fields"],
            lambda start: self._storage.blocks(source, key, part["etag"], start, part["size"]),
            name,
        )
        errors: Counter[str] = Counter()
        count = characters = written = 0
        end, done = part["start"], True
        most = self._recognizer.limits["max_text_characters"]
        for group in groups(documents, lambda document: len(document.text or "")):
            texts = [document.text for document in group if _asked(document, most)]
            deadline.full = count == 0
            results = found([texts] if texts else [], self._recognizer, deadline, failed)
            for document in group:
                if _asked(document, most):
                    result = next(results, None)
                    if result is None:
                        break
                    characters += len(document.text)
                else:
                    result = _too_large(most) if document.text else None
                line = recorder.line(document, result)
                written += body.write(line)
                count += 1
                end = document.end
                if document.text is None:
                    errors["unreadable"] += 1
                elif result and "error" in result:
                    errors[result["code"]] += 1
            else:
                if written < self._max_output and deadline.left() > 0:
                    continue
            # What begins at the part's end is another one's, by that name.
            done = part["end"] is not None and end >= part["end"]
            break
        if count == 0 and not done:
            raise TimeoutError("The time was over before the first document was done.")
        return {
            "next": str(end),
            "done": str(int(done)),
            "etag": part["etag"].strip('"'),
            "model": self._told_model,
            "documents": str(count),
            "characters": str(characters),
            "failed": str(errors.total()),
            "errors": ",".join(f"{code}:{number}" for code, number in sorted(errors.items())),
        }


def _asked(document: Document, most: int) -> bool:
    """Whether the model is asked."""
    return document.text is not None and 0 < len(document.text) <= most


def _too_large(most: int) -> dict:
    return {"error": f"This text has more than {most:,} characters; cut it.", "code": "too_large"}
