"""The tables, as Markdown and as JSON, in docs/benchmarks/service.md, and the machine that they are from."""

import dataclasses
import importlib.metadata
import json
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

import page_cache
from figure import Figure, Row
from function import CACHE, ROOT

DOCUMENT = ROOT / "docs/benchmarks/service.md"
HEADS = ("what", "model", "must", "plain handler", "this service", "ratio", "verdict", "note")


def machine() -> str:
    """What the figures depend on."""
    cpu = re.search("model name\\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search("MemTotal: +([0-9]+) kB", Path("/proc/meminfo").read_text())
    ahead = page_cache.read_ahead_kb(CACHE)
    return (
        f"{os.cpu_count()} cores, {cpu[1] if cpu else platform.machine()}, {int(memory[1]) / 1e6:.0f} GB memory, "
        f"Linux {platform.release()}, Python {platform.python_version()}, spaCy {importlib.metadata.version('spacy')}, "
        f"read-ahead of the disk {'unknown' if ahead is None else f'{ahead:,} KiB'}"
    )


def markdown(part: str, quick: bool, rows: list[Row]) -> str:
    """When, how and where, and the table of one part."""
    command = f"npm run bench -- service {part}{' --quick' if quick else ''}"
    lines = [HEADS, *map(cells, rows)]
    used = [column for column in range(len(HEADS)) if any(row[column] for row in lines[1:])]
    widths = {column: max(len(row[column]) for row in lines) for column in used}
    lines.insert(1, tuple("-" * widths.get(column, 0) for column in range(len(HEADS))))
    table = [f"| {' | '.join(row[column].ljust(widths[column]) for column in used)} |" for row in lines]
    return f"{datetime.now(UTC):%Y-%m-%d}, `{command}`\\\n{machine()}\n\n" + "\n".join(table)


def write(part: str, quick: bool, rows: list[Row]) -> None:
    """Puts the table of a part into the document, between its marks."""
    begin, end = f"<!-- service {part}: begin -->\n", f"<!-- service {part}: end -->\n"
    head, rest = DOCUMENT.read_text(encoding="utf-8").split(begin)
    table = f"{begin}\n{markdown(part, quick, rows)}\n\n{end}"
    DOCUMENT.write_text(head + table + rest.split(end)[1], encoding="utf-8")


def as_json(tables: dict[str, list[Row]]) -> str:
    rows = {
        part: [dataclasses.asdict(row) | {"verdict": row.verdict} for row in table] for part, table in tables.items()
    }
    return json.dumps({"machine": machine(), "parts": rows}, ensure_ascii=False, indent=2)


def cells(row: Row) -> tuple[str, ...]:
    """As HEADS."""
    return (
        row.what,
        row.model,
        f"{row.must.sign} {row.must.bound:g} {row.must.unit}".rstrip() if row.must else "",
        _figure(row.plain, row.unit),
        _figure(row.service, row.unit),
        _figure(row.ratio, "x"),
        row.verdict,
        row.note,
    )


def _figure(figure: Figure | None, unit: str) -> str:
    if figure is None:
        return ""
    numbers = [f"{n:,.0f}" if abs(n) >= 100 else f"{n:.3g}" for n in (figure.median, figure.low, figure.high)]
    return f"{numbers[0]} {unit}".rstrip() + (f" [{numbers[1]} to {numbers[2]}]" if figure.n > 1 else "")
