"""The execution environment: how Lambda initialised it, and whether a request found it cold."""

import os
import time
from collections.abc import Callable

#: A first request that begins later than this after the initialisation did not wait for it: Lambda initialised the
#: environment ahead of need.
COLD_WITHIN_S = 1.0

# The values of AWS_LAMBDA_INITIALIZATION_TYPE, by the names of the x-ner-init-type header.
_INIT_TYPES = {"on-demand": "on-demand", "provisioned-concurrency": "provisioned", "snap-start": "snapstart"}


class Environment:
    """Made when the initialisation is over.

    Attributes:
        init_type: `on-demand`, `provisioned`, `snapstart`, or, once the first request has told, `proactive`.
        instance: a random id of this environment.
        requests: how many have begun.
    """

    def __init__(self, initialization_type: str = "on-demand", now: Callable[[], float] = time.time) -> None:
        """`now` gives seconds. The wall clock, because a monotonic one may stand still in a frozen environment."""
        self.init_type = _INIT_TYPES.get(initialization_type, "on-demand")
        self.instance = os.urandom(16).hex()
        self._now = now
        self._ready_at = now()
        self.requests = 0

    def begin_request(self) -> bool:
        """Tells at the beginning of each request whether this one waited for an initialisation on demand."""
        self.requests += 1
        if self.requests > 1 or self.init_type != "on-demand":
            return False
        cold = self._now() - self._ready_at < COLD_WITHIN_S
        if not cold:
            self.init_type = "proactive"
        return cold
