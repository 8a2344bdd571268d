"""Runs the examples of GoogleSQL's documentation that have a result table: ``make googlesql DOCS=folder``.

The folder has the pages of https://github.com/google/googlesql/tree/master/docs; nothing of them is kept.
What differs is printed to be read by eye: pages print numbers and times in formats of their own.
"""

from __future__ import annotations

import argparse
import base64
import re
import sys
import tempfile
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from airflow_provider_jobs.sandbox.bigquery.engine import JobProblem
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import googlesql
from tests.integration.sandbox.engine_bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"^```(?:zetasql|googlesql|sql)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_TABLE = re.compile(  # drawn in a comment, or as it is; the line below a comment's table may miss a part
    r"/\*-[-+*]*\n((?:[ \t]*[|+][^\n]*\n)+)[ \t]*[*+]?[-+]*\*?/?|"
    r"(?:^\+[-+]+\+\n)(.*?)(?=^\+[-+]+\+\n(?!\|))",
    re.DOTALL | re.MULTILINE,
)
_ZONES = (ZoneInfo("UTC"), ZoneInfo("America/Los_Angeles"))  # of the engines that pages were made with


class Example(NamedTuple):
    """A query of a page, the rows that the page prints below it, and what the page calls tables above it."""

    place: str
    sql: str
    rows: list[list[str]]
    tables: dict[str, str]


def examples(page: Path) -> Iterator[Example]:
    """Give a page's examples in order."""
    text = page.read_text(encoding="utf-8")
    tables: dict[str, str] = {}
    for block in _FENCE.finditer(text):
        tables |= named_queries(block[1])
        end = 0
        for table in _TABLE.finditer(block[1]):
            sql = re.sub(r"/\*.*?\*/", "", block[1][end : table.start()], flags=re.DOTALL).strip()
            sql = re.sub(r"\A(?:(?:--|#).*\n|\s)+", "", sql).rstrip(";")
            end = table.end()
            lines = [line.strip() for line in (table[1] or table[2]).splitlines()]
            cells = [
                [cell.strip() for cell in line.strip("|").split("|")]
                for line in lines
                if line.startswith("|")
            ]
            if re.match(r"\s*(?:\(|SELECT|WITH|FROM)\b", sql, re.IGNORECASE) and len(cells) > 1:
                line = text.count("\n", 0, block.start(1) + table.start()) + 1
                yield Example(f"{page.name}:{line}", sql, cells[1:], dict(tables))


def named_queries(sql: str) -> dict[str, str]:
    """Give the queries of WITH clauses by their names, in parentheses."""
    found = {}
    for named in re.finditer(r"\b(\w+)\s+AS\s*(?=\(\s*SELECT\b)", sql, re.IGNORECASE):
        depth, end = 0, named.end()
        for end, letter in enumerate(sql[named.end() :], named.end() + 1):  # noqa: B007 - where it closes
            depth += (letter == "(") - (letter == ")")
            if not depth:
                break
        found[named[1]] = sql[named.end() : end]
    return found


def with_tables(example: Example) -> str:
    """Give an example's SQL with the tables that the page has shown before, and that it lacks."""
    own = named_queries(example.sql)
    added = [
        f"{name} AS {query}"
        for name, query in example.tables.items()
        if name not in own and re.search(rf"\b{name}\b", example.sql)
    ]
    opening = re.match(r"WITH(?:\s+RECURSIVE)?\b", example.sql, re.IGNORECASE)
    begin, rest = (opening[0], example.sql[opening.end() :]) if opening else ("WITH", example.sql)
    return f"{begin} {', '.join(added)}{',' if opening else ''} {rest}" if added else example.sql


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
    if field["type"] == "BYTES":
        held = base64.b64decode(value)
        return held.decode() if held.isascii() and held.decode().isprintable() else repr(held)[2:-1]
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


def outcome(bench: Bench, example: Example, sql: str) -> tuple[str, str]:
    """Run an example: equal, different, or refused, and what is to be read."""
    rows: list[list[str]] = []
    try:
        for zone in _ZONES:
            rows = answer(bench, sql, zone)
            if any(agree(order(rows), order(example.rows)) for order in (list, sorted)):
                return "equal", ""
    except JobProblem as problem:
        complete = with_tables(example)
        if "Not found: Table" in problem.message and complete != sql:
            return outcome(bench, example, complete)
        known = "the sandbox lacks it" if problem.message.startswith("The sandbox cannot") else "refused"
        return known, " ".join(problem.message.split())
    return "different", f"\n   found   {rows}\n   printed {example.rows}"


def answer(bench: Bench, sql: str, zone: ZoneInfo) -> list[list[str]]:
    """Give the rows of a query where a zone is the default one, as it is not in BigQuery."""
    with googlesql().instance() as instance:
        instance.language._analyzer.default_timezone = zone.key
    done = bench.query(sql, useQueryCache=False)
    last = done.children[-1].statistics if done.children else done.statistics  # of several queries, the last
    fields = last["query"]["schema"]["fields"]
    cells = bench.cells(done.configuration["query"]["destinationTable"])
    return [[spelled(field, cell, zone) for field, cell in zip(fields, row, strict=True)] for row in cells]


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
            what, words = outcome(bench, example, example.sql)
            counts[what] += 1
            if what != "equal":
                print(f"{example.place}: {what}: {' '.join(example.sql.split())[:200]} {words}")
        bench.engine.close()
    print(f"{counts.total()} examples: {dict(counts)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
