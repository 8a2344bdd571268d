"""A short form of ``make proof``: operators and faults in turns, every parser with some changed replies."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.proof import fuzz
from tests.proof.judge import problems
from tests.proof.parsers import PARSERS, Parser
from tests.proof.play import Case, play
from tests.proof.stage import Stage
from tests.proof.table import ROWS_OF_THE_TABLE, some_cases

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.sandbox import Sandbox

#: One of each operator, in modes by turns.
CASES = some_cases(len(ROWS_OF_THE_TABLE))
INPUTS = 200


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_task_under_a_fault_ends_as_documented(
    jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: Case
) -> None:
    stage = Stage(jobs_sandbox, monkeypatch, tmp_path)
    try:
        assert problems(stage, case, play(stage, case)) == []
    finally:
        stage.end()


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_no_reply_breaks_its_parser(parser: Parser, caplog: pytest.LogCaptureFixture) -> None:
    """Errors of this package come out, and no others; in bounded time, with bounded memory."""
    caplog.set_level(logging.CRITICAL)
    assert fuzz.problems(parser, INPUTS) == []
