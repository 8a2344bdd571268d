"""One statement of a script, and where in the text something is: error messages end with places."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import span
from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem

_TAB = 8  # columns, as the analyzer counts them
_PLACE = re.compile(r" \[at (\d+):(\d+)\]")


@dataclass(frozen=True)
class Statement:
    """One statement of a script."""

    script: str  # the whole text: positions are counted in it
    start: int  # offset of the first character
    end: int  # offset behind the last character
    node: Any = field(compare=False)  # the parser's tree, whose places are bytes of the script
    is_expression: bool = False  # not a statement, but an expression in one

    @property
    def text(self) -> str:
        """The statement as it was written."""
        return self.script[self.start : self.end]

    @property
    def first_byte(self) -> int:
        """Where the statement begins in the script's bytes."""
        return len(self.script[: self.start].encode())

    @property
    def keyword(self) -> str:
        """The first word, in capitals."""
        return self.text.split(maxsplit=1)[0].upper()

    def inner(self, node: Any, *, is_expression: bool = False) -> Statement:
        """Give a query in the statement, or an expression, as a statement of its own."""
        data = self.script.encode()
        start, end = (len(data[:place].decode()) for place in span(node))
        return Statement(self.script, start, end, node, is_expression)


@dataclass(frozen=True)
class Edit:
    """A part of a statement's text in other words."""

    start: int  # bytes of the statement
    end: int
    text: str


def _order(edit: Edit) -> tuple[int, int]:
    return edit.start, edit.end


def edited(text: str, edits: list[Edit]) -> str:
    """Give a statement's text with its edits."""
    data = text.encode()
    for edit in sorted(edits, key=_order, reverse=True):
        data = data[: edit.start] + edit.text.encode() + data[edit.end :]
    return data.decode()


def position(script: str, offset: int) -> tuple[int, int]:
    """Give line and column of an offset, both counted from 1; a tab goes on to the next eighth column."""
    before = script[:offset]
    column = 0
    for character in before[before.rfind("\n") + 1 :]:
        column = column + _TAB - column % _TAB if character == "\t" else column + 1
    return before.count("\n") + 1, column + 1


def _offset(text: str, line: int, column: int) -> int:
    """Give the offset of a position; the opposite of ``position``."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    offset = start
    while offset < len(text) and position(text[start:], offset - start)[1] < column:
        offset += 1
    return offset


def at(script: str, offset: int) -> str:
    """Give the end of an error message: `` at [line:column]``."""
    line, column = position(script, offset)
    return f" at [{line}:{column}]"


def in_script(message: str, statement: Statement, edits: list[Edit]) -> str:
    """Give the analyzer's message about an edited statement with places in the script, as BigQuery does."""

    def moved(found: re.Match[str]) -> str:
        text = edited(statement.text, edits)
        there = len(text[: _offset(text, int(found[1]), int(found[2]))].encode())
        for edit in sorted(edits, key=_order):
            if there <= edit.start:
                break
            # What is inside of other words is where these begin.
            there = max(edit.start, there - len(edit.text.encode()) + edit.end - edit.start)
        before = statement.text.encode()[:there].decode(errors="ignore")
        return at(statement.script, statement.start + len(before))

    return _PLACE.sub(moved, message)


def invalid_query(message: str) -> JobProblem:
    """How a query fails that BigQuery does not accept."""
    return JobProblem("invalidQuery", message, "query")


def unsupported(what: str) -> JobProblem:
    """How a query fails that the sandbox cannot run, and BigQuery can."""
    return invalid_query(f"The sandbox cannot {what}, BigQuery can")
