"""The whole matrix, and every parser with ten thousand inputs: ``python -m tests.proof``.

Prints what is wrong, and fails if anything is; writes the table of docs/proof.md.
"""

from __future__ import annotations

import argparse
import functools
import logging
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
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


def prove_row(number: int) -> tuple[str, int, list[str]]:
    """Run every case of an operator; return its name, how many there are, and what is wrong."""
    logging.getLogger("airflow").setLevel(logging.ERROR)
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


def main() -> None:
    """Prove everything, or what is asked for."""
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="", help="a part of the names of operators and parsers")
    options.add_argument("--inputs", type=int, default=10_000, help="of each parser")
    options.add_argument("--processes", type=int, default=2)
    given = options.parse_args()
    began, total = time.time(), 0
    found: list[str] = []
    rows = [number for number, row in enumerate(ROWS_OF_THE_TABLE) if given.only in row.name]
    parsers = [number for number, parser in enumerate(PARSERS) if given.only in parser.name]
    with ProcessPoolExecutor(given.processes, max_tasks_per_child=1) as pool:
        results = [pool.submit(prove_row, number) for number in rows]
        results += [pool.submit(functools.partial(prove_parser, given.inputs), number) for number in parsers]
        for result in results:
            name, count, wrong = result.result()
            print(f"{name}: {count} cases, {len(wrong)} wrong", flush=True)
            print(*(f"  {each}" for each in wrong), sep="\n", end="\n" if wrong else "", flush=True)
            total, found = total + count, [*found, *wrong]
    print(f"{total} cases in {(time.time() - began) / 60:.0f} minutes, {len(found)} wrong")
    if found:
        sys.exit(1)
    table.main()


if __name__ == "__main__":
    main()
