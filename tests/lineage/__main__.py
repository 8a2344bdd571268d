"""Tells what OpenLineage learns of each task, here and from Google's operators: ``make lineage``.

Airflow, the providers and OpenLineage's events are real; the sandbox plays the services. It fails if a fact
is missing here that Google's operators tell, or if the table of docs/lineage.md is another.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_jobs.lineage.datasets import Dataset
from airflow_provider_jobs.sandbox import Sandbox
from tests.lineage import events
from tests.lineage.facts import events_of, facets, facts_of

if TYPE_CHECKING:
    from tests.lineage.facts import Fact

DAGS = Path(__file__).parent / "dags"
DOCS = Path(__file__).parents[2] / "docs" / "lineage.md"
_BEGIN, _END = "<!-- the table of make lineage -->\n", "<!-- its end -->"
#: Tasks that the rows of the table are about: both ways to wait have to tell the same.
_WAYS = ("sync", "deferred", "more")
#: Operators that make their SQL themselves: its text is each one's own.
_WITH_OWN_SQL = frozenset({"interval_check", "column_check", "table_check"})


def missing(here: set[Fact], there: set[Fact]) -> set[Fact]:
    """Return what Google's operators tell and ours do not.

    Of statistics ours may be other numbers: of a MERGE the rows that it has changed, not those it has read.
    """
    found = there - here
    counted = {fact[:5] for fact in here if len(fact) > 5 and fact[3] == "outputStatistics"}
    return {fact for fact in found if fact[3:4] != ("outputStatistics",) or fact[:5] not in counted}


def comparable(name: str, there: set[Fact], ours: events.Told, job: str) -> set[Fact]:
    """Return what Google's operator tells of a task without what cannot be told of ours.

    Its checks ask Google itself, wherever a connection leads; nobody answers here, and only they fail.
    """
    left = there - ({("errorMessage",)} if ours.of(job) else set())
    return {fact for fact in left if not (name in _WITH_OWN_SQL and fact[0] == "sql" and len(fact) > 1)}


def untold(told: events.Told, way: str, task: str) -> list[str]:
    """Return the datasets that a task has written, and that Airflow's assets were not told of."""
    [*_, end] = [*told.of(f"{way}.{task}"), *told.of(f"{way}.{task}", "FAIL")]
    uris = {each["uri"] for each in told.assets if (each["dag"], each["task"]) == (way, task)}
    written = [Dataset(each["namespace"], each["name"]).uri for each in end["outputs"]]
    return [
        f"{way}.{task}: no event of {uri}"
        for uri in written
        if uri not in uris and end["eventType"] != "FAIL"
    ]


def row(task: str, here: set[Fact], there: set[Fact] | None) -> str:
    """Return the row of a task."""
    ours, theirs = facets(here), set() if there is None else facets(there)
    both = ", ".join(sorted(ours & theirs)) or "-"
    more = ", ".join(sorted(ours - theirs)) or "-"
    return f"| {task} | {'no such operator' if there is None else both} | {more} |"


def compare(ours: events.Told, theirs: events.Told | None) -> tuple[str, list[str]]:
    """Return the table, and what is wrong, a line each."""
    rows: dict[str, str] = {}
    wrong: list[str] = []
    for way in _WAYS:
        jobs = dict.fromkeys(each["job"]["name"] for each in ours.events)
        for name in (job.partition(".")[2] for job in jobs if job.partition(".")[0] == way):
            if not name or "." in name:
                continue
            here = facts_of(ours, f"{way}.{name}")
            known = theirs is not None and bool(events_of(theirs, f"theirs.{name}"))
            there = facts_of(theirs, f"theirs.{name}") if theirs and known else None
            if there is not None:
                there = comparable(name, there, ours, f"{way}.{name}")
            wrong += [f"{way}.{name}: {fact}" for fact in sorted(missing(here, there or set()), key=str)]
            wrong += untold(ours, way, name)
            line = row(name, here, there)
            if rows.setdefault(name, line) != line:
                wrong.append(f"{way}.{name}: {line} is not {rows[name]}")
    head = "| task | told by both | told here alone |\n|---|---|---|\n"
    return head + "\n".join(rows.values()) + "\n", wrong


def main() -> int:
    """Run the DAGs, compare, and return 1 if something is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--peer", help="the Python of an environment with Google's provider and OpenLineage's"
    )
    parser.add_argument("--write", action="store_true", help="write the table into docs/lineage.md")
    arguments = parser.parse_args()
    with Sandbox() as sandbox, tempfile.TemporaryDirectory() as folder:
        files = Path(folder)
        events.prepare(sandbox, files)
        sandbox.timing(project=events.PROJECT, running_seconds=0.1)
        ours = events.run(sandbox, files, DAGS / "ours.py", *_WAYS)
        theirs = events.theirs(sandbox, files, DAGS, arguments.peer) if arguments.peer else None
    table, wrong = compare(ours, theirs)
    sys.stdout.write(table)
    if theirs:
        before, _, rest = DOCS.read_text(encoding="utf-8").partition(_BEGIN)
        written, _, after = rest.partition(_END)
        if arguments.write:
            DOCS.write_text(before + _BEGIN + table + _END + after, encoding="utf-8")
        elif written != table:
            wrong.append(f"{DOCS.name} has another table: make lineage WRITE=yes")
    sys.stderr.write("".join(f"missing: {each}\n" for each in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
