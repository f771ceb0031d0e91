"""What leaves the function beside its answers: one line of JSON a request, and nothing that quotes a text."""

import json
import time
from collections.abc import Callable

NAMESPACE = "BurstNer"

#: The fields of the line that CloudWatch makes metrics of, with their units. Each costs money a month, so they are few,
#: and their one dimension is the function's name.
METRICS = {
    "cold_start": "Count",
    "init_ms": "Milliseconds",
    "texts": "Count",
    "characters": "Count",
    "entities": "Count",
    "errors": "Count",
}


def write(fields: dict, *, metrics: bool = True, now: Callable[[], float] = time.time) -> None:
    """Prints the line of a request, in CloudWatch's embedded metric format.

    Args:
        fields: ids, sizes and timings; `function` and those of METRICS that are known become metrics.
        metrics: whether they do.
        now: gives seconds since 1970.

    Source of the format: Amazon CloudWatch User Guide, "Specification: Embedded metric format".
    """
    line = dict(fields)
    if metrics:
        names = [{"Name": name, "Unit": unit} for name, unit in METRICS.items() if name in fields]
        directive = {"Namespace": NAMESPACE, "Dimensions": [["function"]], "Metrics": names}
        line["_aws"] = {"Timestamp": int(now() * 1000), "CloudWatchMetrics": [directive]}
    print(json.dumps(line), flush=True)
