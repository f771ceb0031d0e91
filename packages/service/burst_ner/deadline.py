"""The clock of one request."""

from collections.abc import Callable

#: Seconds that are left for the work at hand to end and for the answer to be written, before Lambda ends the process.
RESERVE_S = 3.0
#: Seconds after which a request starts no more work, however much time Lambda would give.
MAX_WORK_S = 20.0


class Deadline:
    """Says when a request starts no more work; work that has begun is never broken off."""

    def __init__(self, remaining_s: float, now: Callable[[], float]) -> None:
        """
        Args:
            remaining_s: seconds until Lambda ends the process.
            now: gives seconds, by a clock that never goes back.
        """
        self._now = now
        self._at = now() + min(remaining_s - RESERVE_S, MAX_WORK_S)

    def passed(self) -> bool:
        return self._now() >= self._at
