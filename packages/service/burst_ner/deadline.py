"""The clock of one request."""

from collections.abc import Callable

#: Seconds that are left for the work at hand to end and for the answer to be written, before Lambda ends the process.
RESERVE_S = 3.0
#: Seconds after which a request starts no more work, however much time Lambda would give.
MAX_WORK_S = 20.0


class Deadline:
    """Says how long a request may still begin work.

    Attributes:
        full: whether the request has MAX_WORK_S. Lambda counts an initialisation that it had to repeat within the time
            of the first request, which then has less.
    """

    def __init__(
        self,
        remaining_s: float,
        now: Callable[[], float],
        *,
        reserve_s: float = RESERVE_S,
        max_work_s: float = MAX_WORK_S,
    ) -> None:
        """
        Args:
            remaining_s: seconds until Lambda ends the process.
            now: gives seconds, by a clock that never goes back.
            reserve_s: see RESERVE_S.
            max_work_s: see MAX_WORK_S.
        """
        work_s = min(remaining_s - reserve_s, max_work_s)
        self.full = work_s == max_work_s
        self._now = now
        self._at = now() + work_s

    def left(self) -> float:
        """Seconds; 0 or less when no more work may begin."""
        return self._at - self._now()
