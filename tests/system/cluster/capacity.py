"""What many deferred tasks take of a cluster: ``make cluster-capacity``.

One task is deferred as usual; its rows in the database are then copied, each with a trigger and a job of its
own, which takes seconds for ten thousand. Their jobs are those of the benchmark's server, and never end.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import requests

from benchmarks.waiting import serving
from tests.demo.__main__ import Interruption, Narrator
from tests.demo.processes import PROC, session_members
from tests.system.cluster.cluster import running
from tests.system.cluster.servers import missing
from tests.system.cluster.stage import Stage
from tests.system.cluster.table import QUERIES, Expected, Mapped, Scenario
from tests.system.ends.services import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.demo.processes import Program
    from tests.system.cluster.cluster import Cluster

NAME = "capacity"
COUNTS = (1000, 10_000)
#: How long the cluster is watched at each number of tasks.
WATCHED_SECONDS = 60.0
#: For all triggers to be with a triggerer, and for all jobs to be looked at.
START_SECONDS = 900.0
#: Jobs end next year.
JOB_SECONDS = 3.2e7
#: Both at once: a trigger without a task is removed.
COPY = (
    "WITH copied AS (INSERT INTO trigger SELECT (jsonb_populate_record(old, jsonb_build_object("
    "'id', %(trigger)s, 'kwargs', %(kwargs)s, 'triggerer_id', null))).*"
    " FROM trigger old WHERE old.id = %(old)s)"
    " INSERT INTO task_instance SELECT (jsonb_populate_record(old, jsonb_build_object("
    "'id', gen_random_uuid(), 'map_index', %(index)s, 'trigger_id', %(trigger)s))).*"
    " FROM task_instance old WHERE old.trigger_id = %(old)s"
)


@dataclass(frozen=True)
class Figures:
    """What so many tasks take.

    :param connections: Of each component to PostgreSQL.
    :param megabytes: Of each component, shared memory counted once.
    :param cpu: Seconds a minute.
    :param picked_seconds: Until each trigger was with a triggerer.
    """

    tasks: int
    held: dict[str, int]
    connections: dict[str, int]
    megabytes: dict[str, float]
    cpu: dict[str, float]
    picked_seconds: float
    requests: int


def main() -> int:
    """Measure, and print the table of docs/cluster.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=COUNTS, help="how many tasks wait")
    counts = sorted(parser.parse_args().counts)
    if lacking := missing():
        print(lacking, file=sys.stderr)
        return 1
    interruption, narrator = Interruption(), Narrator()
    interruption.install()

    def pause(seconds: float) -> None:
        time.sleep(seconds)  # between two looks at a condition
        interruption.check()

    with tempfile.TemporaryDirectory(prefix="jobs-cluster-") as folder, serving() as server:
        dags = Path(folder, "dags")
        dags.mkdir()
        connection = {"project": PROJECT, "api_endpoint": server, "access_token": "t"}
        environment = {
            "AIRFLOW__TRIGGERER__CAPACITY": str(max(counts)),
            f"AIRFLOW_CONN_{NAME}".upper(): json.dumps({"conn_type": "bigquery_jobs", "extra": connection}),
        }
        figures: list[Figures] = []
        try:
            with running(dags, environment, pause, narrator.step) as cluster:
                measure(cluster, server, counts, narrator.step, figures)
        finally:  # what was seen before something went wrong, too
            if figures:
                print(markdown(figures))
    return 0


def measure(
    cluster: Cluster,
    server: str,
    counts: Sequence[int],
    report: Callable[[str], None],
    figures: list[Figures],
) -> None:
    """Add the figures of no task, and of each number of tasks."""
    one = Mapped(QUERIES.task_id, 1, QUERIES.services)
    with Stage(cluster, Scenario(NAME, "", Expected(jobs=1), worker=None, mapped=one)) as stage:
        figures.append(watch(cluster, server, 0, 0.0))
        stage.begin()
        made = 0
        for count in counts:
            settings = {"ends": [time.time() + JOB_SECONDS] * count, "created": time.time(), "latency": 0.05}
            ask(server, settings)
            report(f"{count:,} deferred tasks")
            begun = time.monotonic()
            copy(cluster, range(made, count))
            cluster.wait(lambda: held(cluster).get("", 0) == 0, START_SECONDS, "all triggers", 1.0)
            seconds = time.monotonic() - begun
            made = count
            cluster.let_pass(WATCHED_SECONDS)  # until each has begun to wait
            figures.append(watch(cluster, server, count, seconds))


def copy(cluster: Cluster, numbers: range) -> None:
    """Copy the deferred task, with a job of its own each; a worker writes a trigger's arguments as JSON."""
    [(old, text)] = cluster.postgres.rows("SELECT id, kwargs FROM trigger ORDER BY id LIMIT 1")
    [(job_id,)] = {(each,) for each in strings(json.loads(text)) if each.startswith("airflow_")}
    text = text.replace(f"{NAME}_deferred_bigquery", NAME)
    rows = [
        {
            "old": old,
            "trigger": old + 1 + number,
            "index": 1 + number,
            "kwargs": text.replace(job_id, f"j{number}"),
        }
        for number in numbers
    ]
    cluster.postgres.run_many(COPY, rows)


def strings(value: Any) -> set[str]:
    """Return the texts in a JSON document."""
    if isinstance(value, dict):
        return {text for each in value.values() for text in strings(each)}
    if isinstance(value, list):
        return {text for each in value for text in strings(each)}
    return {value} if isinstance(value, str) else set()


def held(cluster: Cluster) -> dict[str, int]:
    """Return how many triggers each triggerer holds, and how many nobody does."""
    rows = cluster.postgres.rows(
        "SELECT coalesce(job.hostname, ''), count(*) FROM trigger"
        " LEFT JOIN job ON job.id = trigger.triggerer_id GROUP BY 1"
    )
    return {str(name): int(count) for name, count in rows}


def watch(cluster: Cluster, server: str, tasks: int, picked: float) -> Figures:
    """Watch the cluster for a while."""
    programs = {program.log.stem: program for program in [*cluster.programs, cluster.postgres.program]}
    before = {name: cpu_seconds(members(cluster, program)) for name, program in programs.items()}
    asked = calls(server) if tasks else 0
    cluster.let_pass(WATCHED_SECONDS)
    after = {name: cpu_seconds(members(cluster, program)) for name, program in programs.items()}
    share = 60.0 / WATCHED_SECONDS
    return Figures(
        tasks,
        held(cluster),
        connections(cluster),
        {name: megabytes(members(cluster, program)) for name, program in programs.items()},
        {name: max(0.0, after[name] - before[name]) * share for name in programs},
        picked,
        round((calls(server) - asked) * share) if tasks else 0,
    )


def members(cluster: Cluster, program: Program) -> list[psutil.Process]:
    """Return a component's processes; PostgreSQL's begin sessions of their own."""
    if program is cluster.postgres.program:
        first = psutil.Process(program.pid)
        return [first, *first.children(recursive=True)]
    return [psutil.Process(pid) for pid in session_members(program.pid)]


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return what processes have used."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def megabytes(processes: list[psutil.Process]) -> float:
    """Return the memory of processes, what they share counted once."""
    total = 0
    for process in processes:
        try:
            text = (PROC / str(process.pid) / "smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def connections(cluster: Cluster) -> dict[str, int]:
    """Return how many connections to PostgreSQL each component has."""
    counted: Counter[str] = Counter()
    for program in cluster.programs:
        for process in members(cluster, program):
            try:
                found = process.net_connections(kind="tcp4")
            except psutil.NoSuchProcess:
                continue
            counted[program.log.stem] += sum(
                bool(each.raddr) and each.raddr.port == cluster.postgres.port and each.status == "ESTABLISHED"
                for each in found
            )
    return dict(counted)


def calls(server: str) -> int:
    """Return how many requests the jobs' server has had."""
    return sum(ask(server)["calls"].values())


def ask(server: str, settings: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make the project at the jobs' server, or ask of it."""
    reply = requests.post(f"{server}/control/{PROJECT}", json=settings, timeout=60)
    reply.raise_for_status()
    told: dict[str, Any] = reply.json()
    return told


def markdown(figures: list[Figures]) -> str:
    """Return the table."""
    names = list(figures[0].megabytes)
    rows = [
        ["", *(f"{each.tasks:,} tasks" for each in figures)],
        ["triggers on each triggerer", *(", ".join(map(str, each.held.values())) for each in figures)],
        ["s until all were held", *(f"{each.picked_seconds:.0f}" for each in figures)],
        ["requests to BigQuery a minute", *(str(each.requests) for each in figures)],
        ["connections to PostgreSQL, all", *(str(sum(each.connections.values())) for each in figures)],
    ]
    for name in names:
        if name != "postgres":
            rows.append([f"{name}: connections", *(str(each.connections.get(name, 0)) for each in figures)])
        rows.append([f"{name}: MB", *(f"{each.megabytes[name]:.0f}" for each in figures)])
        rows.append([f"{name}: CPU s a minute", *(f"{each.cpu[name]:.1f}" for each in figures)])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
