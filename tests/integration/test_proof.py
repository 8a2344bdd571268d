"""A short form of ``make proof``: operators and faults in turns, every parser with some changed replies."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.proof import fuzz
from tests.proof.judge import problems
from tests.proof.parsers import PARSERS, Parser
from tests.proof.play import Case, play
from tests.proof.stage import Stage
from tests.proof.table import ROWS_OF_THE_TABLE, some_cases

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

#: One of each operator, in modes by turns.
CASES = some_cases(len(ROWS_OF_THE_TABLE))
INPUTS = 200
ROOT = Path(__file__).parents[2]


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


def test_the_whole_proof_starts_its_processes() -> None:
    """Of one reader of replies: the rest takes hours."""
    command = [sys.executable, "-m", "tests.proof", "--only", "a packed body", "--inputs", "20"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "a packed body: 20 cases, 0 wrong"
