"""Who finds entities: the engine, or spaCy where a model needs it."""

import os
from collections.abc import Callable, Iterable, Iterator

from .errors import SetupError
from .prepared import MODEL, PIPELINE, PreparedModel, is_prepared, open_prepared

#: What is worked on together, so that a clock is looked at between and little waits in memory: code points, of which a
#: longer text, which is alone, has more; and texts.
MAX_GROUP_CHARACTERS, MAX_GROUP_TEXTS = 20_000, 1_024

TYPE_CHECKING = False  # for type checkers True; importing typing for it would take as long as all else here
if TYPE_CHECKING:
    from .model import Pipeline


class OutOfTime(Exception):
    """There was not enough time for these texts; nothing of them is kept."""


class Recognizer:
    """Finds entities.

    Attributes:
        labels: those that entities may have, sorted.
        limits: of a request; see schema.py.
    """

    labels: list[str]
    limits: dict[str, int]

    def recognize(self, texts: list[str], seconds: float) -> list[list[dict]]:
        """The entities of each text, in the order of the texts, which must all be well-formed Unicode.

        Args:
            texts: any number.
            seconds: after them no more work is begun, as far as this recognizer can look at a clock while it works.

        Returns:
            For each text a list of `{text, label, start_char, end_char}`; offsets count code points, as spaCy does.

        Raises:
            OutOfTime: the seconds are over.
        """
        raise NotImplementedError


def groups(items: Iterable, length: Callable[..., int] = len) -> Iterator[list]:
    """Items in their order, in groups that are worked on together: one that is long is alone.

    Args:
        items: texts, or anything else with `length`.
        length: of an item, in code points.
    """
    group: list = []
    characters = 0
    for item in items:
        more = length(item)
        if group and (characters + more > MAX_GROUP_CHARACTERS or len(group) == MAX_GROUP_TEXTS):
            yield group
            group, characters = [], 0
        group.append(item)
        characters += more
    if group:
        yield group


def load(folder: str | os.PathLike[str]) -> "tuple[Recognizer, PreparedModel | Pipeline]":
    """Opens a prepared model, or the folder of a plain spaCy pipeline, which takes seconds.

    Returns:
        Who finds its entities, and what has its name, version and digest.

    Raises:
        SetupError: one sentence that says what is wrong with the folder, and what to do.
    """
    if not os.path.isdir(folder):
        raise SetupError(f"There is no folder {folder}; give that of a prepared model, or of a spaCy pipeline.")
    prepared = open_prepared(folder) if is_prepared(folder) else None
    # What follows is imported where it is used: a cold start on the engine does not pay for spaCy.
    if prepared and prepared.on_engine:
        from .engine import Engine

        return Engine(os.path.join(folder, MODEL)), prepared

    from .imports import require_spacy

    require_spacy(folder)
    from .plain import Plain

    if prepared:
        return Plain(os.path.join(folder, PIPELINE)), prepared

    from pathlib import Path

    from .model import open_pipeline

    pipeline = open_pipeline(Path(folder))
    return Plain(pipeline.folder), pipeline
