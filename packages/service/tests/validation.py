"""What checking requests costs, by hand and by pydantic: `PYTHONPATH=. .venv/bin/python tests/validation.py`.

For docs/decisions/validation.md. Medians of fresh processes.
"""

import statistics
import subprocess
import sys

PYDANTIC = """
from typing import Annotated, Any
import pydantic
class OneText(pydantic.BaseModel, strict=True, extra="ignore"):
    text: Annotated[str, pydantic.Field(min_length=1, max_length=1_048_576)]
class ManyTexts(pydantic.BaseModel, strict=True, extra="forbid"):
    texts: Annotated[list[Any], pydantic.Field(max_length=1_024)]
"""
OURS = """
from burst_ner.request import parse_request
from burst_ner.schema import LIMITS, RequestSchema
schema = RequestSchema(LIMITS)
"""
CASES = {
    "pydantic": (PYDANTIC, "OneText.model_validate_json(one)", "ManyTexts.model_validate_json(many)"),
    "by hand": (OURS, "parse_request(one, schema)", "parse_request(many, schema)"),
}
MEASURE = """
import time, timeit
started = time.process_time()
exec({imports!r})
print((time.process_time() - started) * 1000)
import json
one, many = json.dumps({{"text": "x" * 1000}}).encode(), json.dumps({{"texts": ["x" * 200] * 1024}}).encode()
for statement in ({one!r}, {many!r}):
    print(min(timeit.repeat(statement, globals=globals(), number=20, repeat=5)) / 20 * 1000)
"""

for name, (imports, one, many) in CASES.items():
    code = MEASURE.format(imports=imports, one=one, many=many)
    runs = [
        [float(line) for line in subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()]
        for _ in range(10)
    ]
    start, a_text, many_texts = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"{name:<8} start {start:6.1f} ms of CPU, 1,000 characters {a_text:.3f} ms, 1,024 texts {many_texts:.3f} ms")
