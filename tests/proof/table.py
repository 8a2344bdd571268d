"""The matrix as documentation, and which of its cases are run: all of them, or some in rotation.

``python -m tests.proof.table`` writes docs/proof.md.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from tests.proof.as_googles import ROWS_AS_GOOGLES
from tests.proof.faults import FAULTS
from tests.proof.judge import ends
from tests.proof.play import SUCCESS, Case
from tests.proof.rows import ROWS_OF_SERVICES
from tests.proof.transfers import ROWS_OF_TRANSFERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.proof.faults import Fault
    from tests.proof.rows import Row

PAGE = Path(__file__).parents[2] / "docs" / "proof.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
ROWS_OF_THE_TABLE = (*ROWS_OF_SERVICES, *ROWS_AS_GOOGLES, *ROWS_OF_TRANSFERS)
TABLES = {
    "bigquery": "BigQuery",
    "salesforce": "Salesforce",
    "redivis": "Redivis",
    "transfers": "Transfers",
}
#: Faults that last as long as the attempt, so that its error can be read: one of each kind of words.
LASTING = ("connection refused", "401", "403", "404", "503", "200 with half the JSON", "connection reset")


def every_case(row: Row) -> Iterator[Case]:
    """Yield every case of an operator: each fault at each operation, once, in both modes; some all along."""
    for deferrable, operation, fault in itertools.product((False, True), row.asks, FAULTS):
        yield Case(row, operation, fault, 1, deferrable)
        if fault.name in LASTING:
            yield Case(row, operation, fault, 0, deferrable)


def some_cases(count: int, turn: int = 0) -> list[Case]:
    """Return cases in which faults, operators, operations and modes take turns; none of those that wait."""
    quick = [fault for fault in FAULTS if not fault.waits and "Retry-After" not in fault.name]
    rows = itertools.islice(itertools.cycle(ROWS_OF_THE_TABLE), count)
    return [
        Case(
            row,
            row.asks[(turn + number // len(ROWS_OF_THE_TABLE) + number) % len(row.asks)],
            quick[(turn + 7 * number) % len(quick)],
            1,
            deferrable=bool((turn + number + number // len(ROWS_OF_THE_TABLE)) % 2),
        )
        for number, row in enumerate(rows)
    ]


def markdown() -> str:
    """Return the tables of docs/proof.md: a line for each fault, a column for each operator."""
    return "\n\n".join(_table(name) for name in TABLES)


def _table(name: str) -> str:
    rows = [row for row in ROWS_OF_THE_TABLE if row.table == name]
    names = [row.name.removeprefix(TABLES[name]).replace("Operator", "") for row in rows]
    lines = [f"| {TABLES[name]} | {' | '.join(names)} |", "|---" * (len(rows) + 1) + "|"]
    lines += [f"| {fault.name} | {' | '.join(_cell(row, fault) for row in rows)} |" for fault in FAULTS]
    return "\n".join(lines)


def _cell(row: Row, fault: Fault) -> str:
    """Return how a task ends that meets a fault: success, or what else at which operations."""
    others: dict[str, list[str]] = {}
    for operation in row.asks:
        if (end := ends(row, operation, fault)) != SUCCESS:
            others.setdefault(end.replace("up_for_", ""), []).append(operation.partition(".")[2])
    return "; ".join(f"{end}: {', '.join(where)}" for end, where in others.items()) or SUCCESS


def main() -> None:
    """Write the table into the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    written = f"{before}{BEGIN}\n{markdown()}\n{after}"
    if written != text:
        PAGE.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
