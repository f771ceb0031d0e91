"""The table, as Markdown and as JSON, and the machine that it is from."""

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

HEADS = ("what", "must", "plain handler", "this service", "ratio", "verdict", "note")


def machine(folder: Path) -> dict[str, str]:
    """Facts that the figures depend on; `folder` is where the models are."""
    cpu = re.search("model name\\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = re.search("MemTotal: +([0-9]+) kB", Path("/proc/meminfo").read_text())
    processor = cpu[1] if cpu else platform.machine()
    ahead = page_cache.read_ahead_kb(folder)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {processor}, {int(memory[1]) / 1e6:.0f} GB memory",
        "system": f"Linux {platform.release()}, Python {platform.python_version()}, "
        f"spaCy {importlib.metadata.version('spacy')}, numpy {importlib.metadata.version('numpy')}",
        "read_ahead": "unknown" if ahead is None else f"{ahead:,} KiB",
    }


def markdown(facts: dict[str, str], rows: list[Row]) -> str:
    """The facts, and a table for each pipeline."""
    head = (
        f"{facts['date']}, `{facts['command']}`\\\n{facts['machine']}\\\n{facts['system']}\\\n"
        f"read-ahead of the models' device: {facts['read_ahead']}"
    )
    pipelines = dict.fromkeys(row.pipeline for row in rows)
    tables = [f"**{name}**\n\n{_table([row for row in rows if row.pipeline == name])}" for name in pipelines]
    return "\n\n".join([head, *tables])


def as_json(facts: dict[str, str], rows: list[Row]) -> str:
    return json.dumps(
        facts | {"rows": [dataclasses.asdict(row) | {"verdict": row.verdict} for row in rows]},
        ensure_ascii=False,
        indent=2,
    )


def _table(rows: list[Row]) -> str:
    cells = [HEADS, *map(_cells, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADS))]
    cells.insert(1, tuple("-" * width for width in widths))
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in cells]
    return "\n".join(f"| {' | '.join(row)} |" for row in padded)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.what,
        f"{row.must.sign} {row.must.bound:g} {row.must.unit}" if row.must else "",
        _figure(row.plain, row.unit),
        _figure(row.service, row.unit),
        _figure(row.ratio, "x"),
        row.verdict,
        row.note,
    )


def _figure(figure: Figure | None, unit: str) -> str:
    if figure is None:
        return ""
    # Shares near 100 keep the digits that tell them from 100.
    digits = ".2f" if unit == "%" else ".3g"
    numbers = [f"{n:,.0f}" if abs(n) >= 100 else f"{n:{digits}}" for n in (figure.median, figure.low, figure.high)]
    return f"{numbers[0]} {unit}" + (f" [{numbers[1]} to {numbers[2]}]" if figure.n > 1 else "")
