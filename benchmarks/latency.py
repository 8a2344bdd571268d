"""How soon after its job a task is over, and what it costs, beside Google's operator and an earlier build.

    python -m benchmarks.latency --peer PYTHON --before CHECKOUT [--rounds 5] [--many 100] [--many-rounds 5]

PEER is the interpreter of an environment with apache-airflow-providers-google, BEFORE a checkout of the build
to compare with. Two real Airflows, of this build with Google's and of the build before, take turns; the one
whose turn it is not has nothing to do.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import requests

from airflow_provider_jobs.sandbox import Sandbox
from tests.demo.airflow import Airflow
from tests.demo.processes import session_members

if TYPE_CHECKING:
    from collections.abc import Sequence

HERE = Path(__file__).parent
#: What the jobs take.
SECONDS = (0.2, 2, 4, 7, 12, 20, 40)
LOOK_SECONDS = 0.05
#: Between two questions whether a run is over: each costs the API server CPU that is not the tasks'.
ASK_SECONDS = 5.0
IDLE_SECONDS = 20.0
TURN_SECONDS = 600.0
#: Parts of Airflow whose CPU is told apart; workers are the scheduler's.
PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
NAMES = {
    "ours": "this build",
    "from_trigger": "this build, `from_trigger`",
    "before": "the build before",
    "google": "Google's operator",
}


class Meter:
    """Counts, while it is entered, the seconds of worker slots and of CPU that an Airflow takes."""

    def __init__(self, airflow: Airflow) -> None:
        self._airflow = airflow
        self._over = threading.Event()
        self.slot_seconds = self.seconds = 0.0
        self.cpu_seconds: dict[str, float] = {}
        self.busy = 0

    def __enter__(self) -> Self:
        self._began, self._cpu = time.monotonic(), cpu_seconds(self._airflow)
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.seconds = time.monotonic() - self._began
        after = cpu_seconds(self._airflow)
        self.cpu_seconds = {name: after[name] - before for name, before in self._cpu.items()}

    def _look(self) -> None:
        before = time.monotonic()
        while not self._over.wait(LOOK_SECONDS):
            self.busy = busy_slots(self._airflow)
            now = time.monotonic()
            self.slot_seconds += self.busy * (now - before)
            before = now


def busy_slots(airflow: Airflow) -> int:
    """Return how many workers of the LocalExecutor have a task, as their titles say."""
    titles = (_read(pid, "cmdline") for pid in session_members(airflow.scheduler.pid))
    return sum("LocalExecutor" in title and "<idle>" not in title for title in titles)


def cpu_seconds(airflow: Airflow) -> dict[str, float]:
    """Return what the processes of each part of an Airflow have used, and those that they have seen end."""
    ticks = dict.fromkeys(PARTS, 0)
    for program in airflow.programs:
        for pid in session_members(program.pid):
            fields = _read(pid, "stat").rpartition(")")[2].split()
            ticks[program.name] += sum(map(int, fields[11:15]))
    return {name: count / os.sysconf("SC_CLK_TCK") for name, count in ticks.items()}


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return ""


@dataclass
class Turn:
    """What one run of a DAG took."""

    late: list[float]
    slot_seconds: float
    cpu_a_task: dict[str, float]
    wall_seconds: float
    failed: int


class Builds:
    """One Airflow, and the operators in it.

    :param names: Keys of :data:`NAMES`.
    :param many: Mapped tasks.
    """

    def __init__(
        self, opened: ExitStack, sandbox: Sandbox, python: str, path: Path, names: Sequence[str], many: int
    ) -> None:
        connection = {
            "project": "latency",
            "api_endpoint": sandbox.bigquery,
            "iam_endpoint": sandbox.url,
            "key_path": str(sandbox.key_file),
        }
        settings = {
            "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": json.dumps(
                {"conn_type": "google_cloud_platform", "extra": connection}
            ),
            "BIGQUERY_EMULATOR_HOST": sandbox.bigquery,  # Google's client asks there
            "PYTHONPATH": str(path),
            "LATENCY_BUILDS": ",".join(names),
            "LATENCY_MANY": str(many),
            # As Airflow comes.
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
            "AIRFLOW__CORE__PARALLELISM": "4",
        }
        self.sandbox, self.names, self.many = sandbox, names, many
        self.airflow = opened.enter_context(
            Airflow(HERE / "dags", settings, apart=True, python=python, report=_say)
        )
        self.airflow.wait_dags(*(f"latency_{name}" for name in names), seconds=300)
        pool = {"name": "two", "slots": 2, "include_deferred": False}
        self.airflow.rest.call("POST", "/pools", json=pool)
        for name in names:
            for number, seconds in enumerate(SECONDS):
                sandbox.timing(project=project_of(name, number), running_seconds=seconds)
            sandbox.timing(project=project_of(name, "many"), running_seconds=0.2)
        with Meter(self.airflow) as idle:
            time.sleep(IDLE_SECONDS)
        self._idle = {name: used / idle.seconds for name, used in idle.cpu_seconds.items()}

    def turn(self, dag_id: str) -> Turn:
        """Run a DAG, and wait until no worker has anything to do with it."""
        name = dag_id.partition("_")[2]
        with Meter(self.airflow) as meter:
            run_id = self.airflow.rest.trigger(dag_id)
            self._wait_run(dag_id, run_id)
            while meter.busy:
                time.sleep(LOOK_SECONDS)
        tasks = self._tasks(dag_id, run_id)
        spans = [(_time(task["start_date"]), _time(task["end_date"])) for task in tasks]
        late = []
        if dag_id.startswith("latency"):
            for task in tasks:
                number = int(task["task_id"].rpartition("_")[2])
                late.append(_time(task["end_date"]) - self._job_end(project_of(name, number)))
        return Turn(
            late,
            meter.slot_seconds,
            {
                name: (used - self._idle[name] * meter.seconds) / len(tasks)
                for name, used in meter.cpu_seconds.items()
            },
            max(end for _, end in spans) - min(start for start, _ in spans),
            sum(task["state"] != "success" for task in tasks),
        )

    def _wait_run(self, dag_id: str, run_id: str) -> None:
        ends = {"success", "failed"}
        self.airflow.wait(
            lambda: self.airflow.rest.run_state(dag_id, run_id) in ends or None,
            TURN_SECONDS,
            f"run {run_id}",
            ASK_SECONDS,
        )

    def _tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        path = f"/dags/{dag_id}/dagRuns/{run_id.replace('+', '%2B')}/taskInstances"
        found: list[dict[str, Any]] = self.airflow.rest.call("GET", path, params={"limit": 100})[
            "task_instances"
        ]
        return found

    def _job_end(self, project: str) -> float:
        url = f"{self.sandbox.bigquery}/bigquery/v2/projects/{project}/jobs"
        headers = {"Authorization": f"Bearer {self.sandbox.token}"}
        filters = {"allUsers": "true", "maxResults": "1", "projection": "full"}
        reply = requests.get(url, params=filters, headers=headers, timeout=30)
        reply.raise_for_status()
        return int(reply.json()["jobs"][0]["statistics"]["endTime"]) / 1000


def project_of(build: str, what: object) -> str:
    """Return the project that the jobs of one task run in."""
    return f"latency-{build.replace('_', '-')}-{what}"


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def median(values: Sequence[float]) -> float:
    """Return the middle one."""
    return statistics.median(values)


def _cpu(rounds: Sequence[Turn]) -> str:
    """Return the CPU seconds a task, in all and of each part."""
    parts = [f"{median([turn.cpu_a_task[name] for turn in rounds]):.2f}" for name in PARTS]
    whole = median([sum(turn.cpu_a_task.values()) for turn in rounds])
    return f"{whole:.2f} ({', '.join(parts)})"


def table(turns: dict[str, list[Turn]]) -> None:
    """Print what jobs of each length took."""
    seconds = " | ".join(f"{each:g} s" for each in SECONDS)
    print(f"\n| late by, s; jobs of | {seconds} | p50 of 2 to 40 s | p95 | slot s | CPU s a task |")
    print("|---" * (len(SECONDS) + 5) + "|")
    for name, rounds in turns.items():
        each = [median([turn.late[number] for turn in rounds]) for number in range(len(SECONDS))]
        long = sorted(late for turn in rounds for late in turn.late[1:])
        p95 = long[min(len(long) - 1, int(len(long) * 0.95))]
        figures = [*each, median(long), p95]
        cells = " | ".join(f"{figure:.1f}" for figure in figures)
        slots = median([turn.slot_seconds for turn in rounds])
        print(f"| {NAMES[name]} | {cells} | {slots:.1f} | {_cpu(rounds)} |", flush=True)


def many_table(turns: dict[str, list[Turn]], many: int) -> None:
    """Print what many mapped tasks took."""
    print(f"\n| {many} mapped tasks, jobs of 0.2 s | wall s | ours x | failed | slot s | CPU s a task |")
    print("|---|---|---|---|---|---|")
    for name, rounds in turns.items():
        parts = [
            ours.wall_seconds / turn.wall_seconds for ours, turn in zip(turns["ours"], rounds, strict=True)
        ]
        wall = median([turn.wall_seconds for turn in rounds])
        failed = sum(turn.failed for turn in rounds)
        slots = median([turn.slot_seconds for turn in rounds])
        print(
            f"| {NAMES[name]} | {wall:.0f} | {median(parts):.2f} | {failed} of {many * len(rounds)} "
            f"| {slots:.0f} | {_cpu(rounds)} |",
            flush=True,
        )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", required=True, help="interpreter of an environment with Google's provider")
    parser.add_argument("--before", type=Path, help="a checkout of the build to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=100, help="mapped tasks")
    parser.add_argument("--many-rounds", type=int, default=5)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to stop"))  # and leave no Airflow behind
    with ExitStack() as opened:
        sandbox = opened.enter_context(Sandbox())
        here = Builds(
            opened, sandbox, options.peer, HERE.parent, ["ours", "from_trigger", "google"], options.many
        )
        builds = dict.fromkeys(here.names, here)
        if options.before:
            builds["before"] = Builds(opened, sandbox, options.peer, options.before, ["before"], options.many)
        for name, there in builds.items():  # what a triggerer learns once in its life is not measured
            _say(f"to warm up, {name}: {there.turn(f'latency_{name}')}")
        turns: dict[str, list[Turn]] = {name: [] for name in builds}
        for number in range(options.rounds):
            for name, there in builds.items():
                turns[name].append(turn := there.turn(f"latency_{name}"))
                _say(f"round {number + 1}, {name}: {turn}")
        if options.rounds:
            table(turns)
        many: dict[str, list[Turn]] = {name: [] for name in builds if name != "from_trigger"}
        for number in range(options.many_rounds):
            for name, rounds in many.items():
                rounds.append(turn := builds[name].turn(f"many_{name}"))
                _say(f"round {number + 1}, {name}: {turn}")
        if options.many_rounds:
            many_table(many, options.many)


if __name__ == "__main__":
    main()
