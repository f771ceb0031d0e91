"""The results of many texts, within the time and the size of one answer."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .deadline import Deadline
from .recognizer import Entity, Recognizer, batches
from .request import text_error
from .schema import MAX_ANSWER_BYTES

OUT_OF_TIME = {"error": "No time was left for this text; send it again.", "code": "deadline_exceeded"}
OUT_OF_ROOM = {
    "error": "The answer had no room left for this text; send it again in a request with fewer texts.",
    "code": "response_too_large",
}
FAILED = {"error": "This text could not be processed.", "code": "internal"}

# Room in the answer for an error in place of each result, and for all that is not results, bytes.
_ERROR_BYTES = 200
_ENVELOPE_BYTES = 10_000


def results_of(
    texts: Sequence[Any], recognizer: Recognizer, deadline: Deadline, failed: Callable[[Exception], None]
) -> list[dict[str, Any]]:
    """`{entities}` or `{error, code}` for each text, in order; a text that cannot be processed disturbs no other.

    When time or room runs out, the texts before have their entities and those beyond say why they have none. `failed`
    gets what went wrong within spaCy.
    """
    results = [text_error(text) for text in texts]
    places = [place for place, error in enumerate(results) if error is None]
    room = MAX_ANSWER_BYTES - _ENVELOPE_BYTES - _ERROR_BYTES * len(texts)
    unanswered = OUT_OF_TIME
    found = _found(batches(texts[place] for place in places), recognizer, deadline, failed)
    for place, entities in zip(places, found, strict=False):
        result = FAILED if entities is None else {"entities": entities}
        room -= _wire_bytes(result)
        if room < 0:
            unanswered = OUT_OF_ROOM
            break
        results[place] = result
    return [result or unanswered for result in results]


#: Writes JSON.
serialize = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _found(
    batches: Iterable[Sequence[str]], recognizer: Recognizer, deadline: Deadline, failed: Callable[[Exception], None]
) -> Iterator[list[Entity] | None]:
    for batch in batches:
        if deadline.passed():
            return
        try:
            found = recognizer.recognize(batch)
        except Exception as error:
            failed(error)
            # One text may be the reason, and is found by taking each alone.
            alone = [[text] for text in batch]
            yield from [None] if len(batch) == 1 else _found(alone, recognizer, deadline, failed)
        else:
            yield from found


def _wire_bytes(result: dict[str, Any]) -> int:
    # The body travels to Lambda as a string within JSON, and before Python 3.12 its runtime escapes all that is not
    # ASCII. So does this, which is never less than what is sent.
    return len(json.dumps(serialize(result)))
