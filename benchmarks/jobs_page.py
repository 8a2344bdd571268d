"""What it costs to open the page with all jobs: on PostgreSQL, in headless Chromium, from a real API server.

All task instances have a job, a result and a link, of the last seven days, which the page shows when it is
opened. The first opening is told apart: the server makes its connections then. Ends with 1 if a bar is
missed.

python -m benchmarks.jobs_page [--tasks 50000] [--dags 100] [--openings 7] [--explain]
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import psutil
from airflow.models.dag import DagModel
from sqlalchemy.orm import Session

from airflow_provider_jobs.jobs_page.queries import JobQueries, Wanted
from tests.integration.jobs_page.seed import GIB, Job, bigquery, store
from tests.integration.jobs_page.server import ApiServer
from tests.integration.sandbox.browser import Browser
from tests.system.cluster.servers import Postgres, missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOURS = 7 * 24 - 1
ROWS = "document.querySelectorAll('#jobs tbody tr').length"
DONE = f"{ROWS} && document.querySelector('#main').ariaBusy === 'false'"


@dataclass(frozen=True)
class Opening:
    """What one opening took.

    :param first_rows_seconds: From the navigation until rows are in the document.
    :param all_seconds: Until the sums are there too.
    :param cpu_seconds: Of the API server.
    """

    first_rows_seconds: float
    all_seconds: float
    requests: int
    cpu_seconds: float


BARS = {"first_rows_seconds": 1.0, "requests": 5, "cpu_seconds": 0.3}


def jobs(tasks: int, dags: int) -> Iterator[Job]:
    """Yield the XComs of tasks: one of fifty has failed."""
    chance = random.Random(7)  # noqa: S311 - the same each time
    for number in range(tasks):
        state = "failed" if number % 50 == 0 else "succeeded"
        value = bigquery(
            state,
            statement_type="MERGE",
            bytes_processed=chance.randrange(GIB, 500 * GIB),
            bytes_billed=chance.randrange(GIB, 500 * GIB),
            cache_hit=False,
            slot_ms=chance.randrange(10**7),
            duration_seconds=chance.random() * 900,
            row_count=chance.randrange(10**7),
            destination_table=f"shop.sales.table_{number % 1000}",
        )
        of_task: dict[str, Any] = {
            "hours": chance.random() * HOURS,
            "dag_id": f"dag_{number % dags}",
            "task_id": f"task_{number // dags % 10}",
            "task_state": "failed" if state == "failed" else "success",
            "run_id": f"scheduled__{number // (dags * 10)}",
        }
        yield Job(value, **of_task)


def fill(server: ApiServer, tasks: int, dags: int) -> None:
    """Write all of it, with statistics for the planner, as an old database has them."""
    engine = server.engine()
    with Session(engine) as session, session.begin():
        names = [f"dag_{number}" for number in range(dags)]
        session.add_all(DagModel(dag_id=name, bundle_name="dags-folder", fileloc="x") for name in names)
    made = list(jobs(tasks, dags))
    made.sort(key=lambda job: job.run_id)
    with engine.begin() as connection:
        store(connection, made, ("return_value", "_link_BigQueryJobLink"))
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


def opening(browser: Browser, server: ApiServer) -> Opening:
    """Open the page once, as Airflow's frame does."""
    process = psutil.Process(server.server.pid)
    before = cpu(process)
    browser.open(f"{server.url}jobs-page/")
    browser.until(DONE)
    drawn, count, last = browser.run(
        "const told = performance.getEntriesByType('resource');"
        "return [performance.getEntriesByName('jobs drawn')[0].startTime, told.length + 1,"
        "Math.max(...told.map((each) => each.responseEnd))]"
    )
    return Opening(drawn / 1000, last / 1000, count, cpu(process) - before)


def cpu(process: psutil.Process) -> float:
    """Return the seconds that a process and its children have computed."""
    found = [process, *process.children(recursive=True)]
    return sum(sum(each.cpu_times()[:2]) for each in found)


def explain(server: ApiServer, dags: Sequence[str]) -> None:
    """Print how PostgreSQL answers both questions."""
    queries, wanted = JobQueries("postgresql"), Wanted(dags)
    with server.engine().connect() as connection:
        for query in (queries.page(wanted, "newest", 0, 51), queries.sums(wanted)):
            bound = query.compile(connection, compile_kwargs={"render_postcompile": True})
            told = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS) {bound}", bound.params)
            print("\n".join(line for (line,) in told), end="\n\n")


def main() -> int:
    """Measure, and print the table of benchmarks/README.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=50_000)
    parser.add_argument("--dags", type=int, default=100)
    parser.add_argument("--openings", type=int, default=7)
    parser.add_argument("--explain", action="store_true")
    given = parser.parse_args()
    if absent := missing():
        print(absent)
        return 1
    with Postgres() as postgres, ApiServer("/", (postgres.url, postgres.async_url)) as server:
        fill(server, given.tasks, given.dags)
        if given.explain:
            explain(server, [f"dag_{number}" for number in range(given.dags)])
        with Browser() as browser:
            browser.open(f"{server.url}jobs-page/icon.svg")
            browser.cookie("_token", server.token("admin"), "/")
            first, *found = [opening(browser, server) for _ in range(given.openings)]
    return tell(given.tasks, first, found)


def tell(tasks: int, first: Opening, others: Sequence[Opening]) -> int:
    """Print the table; return 1 if a bar is missed."""
    print(f"| {tasks:,} task instances | the first opening | median of {len(others)} | bar |")
    print("|---|---|---|---|")
    missed = False
    for each in fields(Opening):
        bar = BARS.get(each.name)
        median = statistics.median(getattr(one, each.name) for one in others)
        missed |= bar is not None and median > bar
        shown = "" if bar is None else f"{bar:g}"
        print(f"| {each.name.replace('_', ' ')} | {getattr(first, each.name):.2f} | {median:.2f} | {shown} |")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
