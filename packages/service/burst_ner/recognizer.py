"""What finds entities, whatever runs the model, and what it is given at once."""

from collections.abc import Callable, Iterable, Iterator

#: What is worked on together, so that a clock is looked at between and little waits in memory: code points, of which a
#: longer text, which is alone, has more; and texts.
MAX_GROUP_CHARACTERS, MAX_GROUP_TEXTS = 20_000, 1_024


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
