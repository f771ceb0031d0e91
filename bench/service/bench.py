"""`npm run bench -- service`: the function beside a plain handler and beside spaCy."""

import argparse
import importlib
import platform
import sys

import report
from burst_ner.errors import SetupError
from figure import REACHED, Row
from function import BenchError, say

#: Each is a module whose `measure` gives the rows of one table. Cold starts are first: what they evict must not be
#: mapped by this process, which later imports spaCy.
PARTS = ("cold", "warm", "growth", "zip", "identity", "tokens", "architectures", "arm64")


def main() -> int:
    """Exit status 0; 1 when a figure does not reach its must; 2 with one sentence when the benchmark cannot run."""
    parser = argparse.ArgumentParser(
        prog="npm run bench -- service",
        description="Measures the function beside a plain handler and beside spaCy. Let nothing else run while it "
        "measures times: cold, warm, growth.",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the tables")
    parser.add_argument("--quick", action="store_true", help="a tenth of the vectors, documents and requests")
    parser.add_argument("--write", action="store_true", help="also put the tables into docs/benchmarks/service.md")
    options = parser.parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]}; the parts are {', '.join(PARTS)}")
    tables = {}
    try:
        if platform.system() != "Linux":
            raise BenchError(f"This benchmark reads Linux's /proc and page cache, and this is {platform.system()}.")
        for part in PARTS:
            if part in (options.parts or PARTS):
                tables[part] = list(map(_told, importlib.import_module(part).measure(options.quick)))
                if options.write:
                    report.write(part, options.quick, tables[part])
    except (BenchError, SetupError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(report.as_json(tables))
    else:
        print("\n\n".join(report.markdown(part, options.quick, rows) for part, rows in tables.items()))
    short = [row for rows in tables.values() for row in rows if row.must and row.verdict != REACHED]
    for row in short:
        say(f"{row.verdict}: {row.what} ({row.model})")
    return 1 if short else 0


def _told(row: Row) -> Row:
    """Says a row as soon as it is measured."""
    say(" | ".join(filter(None, report.cells(row))))
    return row


if __name__ == "__main__":
    sys.exit(main())
