"""The whole matrix, and every parser with ten thousand inputs: ``python -m tests.proof``.

Prints what is wrong, and fails if anything is; writes the table of docs/proof.md.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import tests.conftest  # noqa: F401 - an Airflow home of its own, before Airflow is imported
from tests.proof import table
from tests.proof.parsers import PARSERS
from tests.proof.prove import be_quiet, prove_parser, prove_row
from tests.proof.table import ROWS_OF_THE_TABLE


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
    with ProcessPoolExecutor(given.processes, max_tasks_per_child=1, initializer=be_quiet) as pool:
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
