"""Whoever adds an operator, or a sensor, adds it to the matrix of faults."""

from __future__ import annotations

from tests.kinds import PUBLIC
from tests.proof.faults import FAULTS
from tests.proof.table import BEGIN, END, PAGE, ROWS_OF_THE_TABLE, every_case, markdown


def test_every_operator_has_a_row() -> None:
    assert {row.kind for row in ROWS_OF_THE_TABLE} == set(PUBLIC)


def test_every_operator_meets_every_fault_in_both_modes() -> None:
    for row in ROWS_OF_THE_TABLE:
        met = {(case.operation, case.fault.name, case.deferrable) for case in every_case(row)}
        assert len(met) == 2 * len(row.asks) * len(FAULTS)


def test_the_page_has_the_table_that_is_proven() -> None:
    """``python -m tests.proof.table`` writes it."""
    text = PAGE.read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == markdown()
