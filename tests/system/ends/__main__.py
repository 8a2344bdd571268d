"""Bring every end of a task about on a real Airflow, and print what was left of each: ``make ends``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.system.ends.table import markdown
from tests.system.ends.theatre import Theatre


def main() -> int:
    """Print the table that was seen; return 1 if it is not the one that has to be."""
    with tempfile.TemporaryDirectory() as folder, Theatre(Path(folder, "numbers.csv")) as theatre:
        results = theatre.perform()
    sys.stdout.write(markdown({(each.end.name, each.service): each.outcome for each in results}) + "\n")
    wrong = [each for each in results if not each.right]
    for each in wrong:
        expected = each.end.expected(each.service)
        sys.stderr.write(f"\n{each.end.what}, {each.service}: expected {expected}\n{each.story}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
