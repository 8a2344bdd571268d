"""What a process of ``make proof`` does: one operator, or one reader of replies.

A process that is started anew finds functions by their module, and those of a ``__main__`` not at all.
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import pytest

import tests.conftest  # noqa: F401 - an Airflow home of its own, before Airflow is imported
from airflow_provider_jobs.sandbox import Sandbox
from tests.proof import fuzz, table
from tests.proof.judge import problems
from tests.proof.parsers import PARSERS
from tests.proof.play import operations, play
from tests.proof.stage import Stage
from tests.proof.table import ROWS_OF_THE_TABLE


def be_quiet() -> None:
    """Let a process show nothing: what tasks say is judged, and what is wrong is returned."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for shown in (1, 2):
        os.dup2(nothing, shown)


def prove_row(number: int) -> tuple[str, int, list[str]]:
    """Run every case of an operator; return its name, how many there are, and what is wrong."""
    row, count, found = ROWS_OF_THE_TABLE[number], 0, []
    with (
        Sandbox() as sandbox,
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as folder,
    ):
        stage = Stage(sandbox, patch, Path(folder))
        for deferrable in (False, True):
            asked = operations(stage, row, deferrable=deferrable)
            if set(asked) != set(row.asks):
                found.append(f"{row.name} asks for {asked}, and the table has {row.asks}")
        for case in table.every_case(row):
            outcome = play(stage, case)
            count += 1
            found += [f"{case}: {each}" for each in problems(stage, case, outcome)]
    return row.name, count, found


def prove_parser(inputs: int, number: int) -> tuple[str, int, list[str]]:
    """Give a parser so many inputs."""
    parser = PARSERS[number]
    logging.disable(logging.CRITICAL)
    return parser.name, inputs, fuzz.problems(parser, inputs)
