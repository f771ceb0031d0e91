"""The results of many texts, within the time and the size of one answer."""

import json
from collections.abc import Callable, Iterable, Iterator

from .deadline import Deadline
from .recognizer import OutOfTime, Recognizer, groups
from .request import text_error
from .schema import RequestSchema

OUT_OF_TIME = {"error": "No time was left for this text; send it again.", "code": "deadline_exceeded"}
OUT_OF_ROOM = {
    "error": "The answer had no room left for this text; send it again in a request with fewer texts.",
    "code": "response_too_large",
}
TOO_SLOW = {"error": "This text takes longer than a request may; send it in parts.", "code": "too_large"}
FAILED = {"error": "This text could not be processed.", "code": "internal"}

# Room in the answer for an error in place of each result, and for all that is not results, bytes.
_ERROR_BYTES = 200
_ENVELOPE_BYTES = 10_000


def results_of(
    texts: list,
    recognizer: Recognizer,
    schema: RequestSchema,
    deadline: Deadline,
    failed: Callable[[Exception], None],
) -> list[dict]:
    """`{entities}` or `{error, code}` for each text, in order; a text that cannot be processed disturbs no other.

    When time or room runs out, the texts before have their entities and those beyond say why they have none. `failed`
    gets what went wrong within the recognizer.
    """
    results = [text_error(text, schema) for text in texts]
    places = [place for place, error in enumerate(results) if error is None]
    room = schema.limits["max_answer_bytes"] - _ENVELOPE_BYTES - _ERROR_BYTES * len(texts)
    unanswered = OUT_OF_TIME
    answers = found(groups(texts[place] for place in places), recognizer, deadline, failed)
    for place, result in zip(places, answers, strict=False):
        room -= _wire_bytes(result)
        if room < 0:
            unanswered = OUT_OF_ROOM
            break
        results[place] = result
    return [result or unanswered for result in results]


#: Writes JSON.
serialize = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def found(
    work: Iterable[list[str]], recognizer: Recognizer, deadline: Deadline, failed: Callable[[Exception], None]
) -> Iterator[dict]:
    """`{entities}`, or why there are none, for each text of these groups, until the time is over; `failed` as above."""
    for number, group in enumerate(work):
        left = deadline.left()
        if left <= 0:
            return
        try:
            entities_of = recognizer.recognize(group, left)
        except OutOfTime:
            # Sent again it would have no more time than now.
            if deadline.full and number == 0 and len(group) == 1:
                yield TOO_SLOW
            return
        except Exception as error:
            failed(error)
            # One text may be the reason, and is found by taking each alone.
            yield from [FAILED] if len(group) == 1 else found([[text] for text in group], recognizer, deadline, failed)
        else:
            yield from ({"entities": entities} for entities in entities_of)


def _wire_bytes(result: dict) -> int:
    # The body travels to Lambda as a string within JSON, and before Python 3.12 its runtime escapes all that is not
    # ASCII. So does this, which is never less than what is sent.
    return len(json.dumps(serialize(result)))
