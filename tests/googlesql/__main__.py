"""Runs the examples of GoogleSQL's documentation that have a result table: ``make googlesql DOCS=folder``.

The folder has the pages of https://github.com/google/googlesql/tree/master/docs; nothing of them is kept.
What differs is printed to be read by eye: pages print numbers and times in formats of their own.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from airflow_provider_jobs.sandbox.bigquery.engine import JobProblem
from tests.integration.sandbox.engine_bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"^```(?:zetasql|googlesql|sql)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_TABLE = re.compile(
    r"/\*-[-+*]*\n(.*?)\*?-*\*?/|(?:^\+[-+]+\+\n)(.*?)(?=^\+[-+]+\+\n(?!\|))", re.DOTALL | re.MULTILINE
)
_ZONES = (ZoneInfo("UTC"), ZoneInfo("America/Los_Angeles"))  # that pages print times in


class Example(NamedTuple):
    """A query of a page, and the rows that the page prints below it."""

    place: str
    sql: str
    rows: list[list[str]]


def examples(page: Path) -> Iterator[Example]:
    """Give a page's examples in order."""
    text = page.read_text(encoding="utf-8")
    for block in _FENCE.finditer(text):
        end = 0
        for table in _TABLE.finditer(block[1]):
            sql = re.sub(r"/\*.*?\*/", "", block[1][end : table.start()], flags=re.DOTALL).strip().rstrip(";")
            end = table.end()
            lines = [line.strip() for line in (table[1] or table[2]).splitlines()]
            cells = [
                [cell.strip() for cell in line.strip("|").split("|")]
                for line in lines
                if line.startswith("|")
            ]
            if re.match(r"\s*(?:\(|SELECT|WITH|FROM)\b", sql, re.IGNORECASE) and len(cells) > 1:
                line = text.count("\n", 0, block.start(1) + table.start()) + 1
                yield Example(f"{page.name}:{line}", sql, cells[1:])


def spelled(field: dict[str, Any], value: Any, zone: ZoneInfo) -> str:
    """Spell a value as the pages do, as far as they agree among themselves."""
    if field["mode"] == "REPEATED":
        element = {**field, "mode": "NULLABLE"}
        return f"[{', '.join(spelled(element, item['v'], zone) for item in value)}]"
    if value is None:
        return "NULL"
    if field["type"] == "RECORD":
        parts = zip(field["fields"], value["f"], strict=True)
        return f"{{{', '.join(spelled(inner, cell['v'], zone) for inner, cell in parts)}}}"
    if field["type"] == "TIMESTAMP":
        return datetime.fromtimestamp(float(value), zone).isoformat(sep=" ")
    return str(value).replace("T", " ") if field["type"] == "DATETIME" else str(value)


def same(found: str, printed: str) -> bool:
    """Whether two texts are one value: quotes, names of fields, zeros and an empty array for NULL aside."""
    return plain(found) == plain(printed)


def plain(text: str) -> list[str]:
    """Give the words and numbers of a value."""
    text = re.sub(r"\b\w+:(?=\S)", "", text) if "{" in text else text
    words = re.findall(r"[^\s\[\]{}()\"',]+", text.replace("America/Los_Angeles", "").replace("NULL", "null"))
    return [
        number(re.sub(r"(:\d\d)\.0+\b|[+-]\d\d(?::?00)?$", r"\1", word)) for word in words if word != "null"
    ]


def number(word: str) -> str:
    """Give a number in one spelling."""
    try:
        return f"{float(word):.6g}"
    except ValueError:
        return word.lower() if word.lower() in {"true", "false", "nan", "inf", "-inf"} else word


def outcome(bench: Bench, example: Example) -> tuple[str, str]:
    """Run an example: equal, different, or refused, and what is to be read."""
    try:
        done = bench.query(example.sql)
    except JobProblem as problem:
        known = "the sandbox lacks it" if problem.message.startswith("The sandbox cannot") else "refused"
        return known, " ".join(problem.message.split())
    fields = done.statistics["query"]["schema"]["fields"]
    table = done.configuration["query"]["destinationTable"]
    rows: list[list[str]] = []
    for zone in _ZONES:
        rows = [
            [spelled(field, cell, zone) for field, cell in zip(fields, row, strict=True)]
            for row in bench.cells(table)
        ]
        if any(agree(order(rows), order(example.rows)) for order in (list, sorted)):
            return "equal", ""
    return "different", f"\n   found   {rows}\n   printed {example.rows}"


def agree(found: list[list[str]], printed: list[list[str]]) -> bool:
    """Whether rows are the same, cell by cell."""
    return len(found) == len(printed) and all(
        len(a) == len(b) and all(map(same, a, b)) for a, b in zip(found, printed, strict=True)
    )


def main() -> int:
    """Print what is not equal, and the counts."""
    parser = argparse.ArgumentParser(prog="make googlesql", description=__doc__)
    parser.add_argument("docs", type=Path, help="the folder with the pages")
    pages = sorted(parser.parse_args().docs.glob("*.md"))
    if not pages:
        print("no pages in this folder: make googlesql DOCS=folder", file=sys.stderr)
        return 1
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        for example in (example for page in pages for example in examples(page)):
            what, words = outcome(bench, example)
            counts[what] += 1
            if what != "equal":
                print(f"{example.place}: {what}: {' '.join(example.sql.split())[:200]} {words}")
        bench.engine.close()
    print(f"{counts.total()} examples: {dict(counts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
