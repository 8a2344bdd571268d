"""One scenario while it happens: its tasks, its jobs, and what can be done to both."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import requests

from airflow_provider_jobs.sandbox import Sandbox
from tests.system.cluster.table import COPY_DATASET, MODES, TASK_SERVICES, Outcome
from tests.system.ends.services import KNOWN, PROJECT, TESTER, ask, tester_token

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tests.system.cluster.cluster import Cluster
    from tests.system.cluster.table import Scenario

#: Jobs run until the scenario lets them end.
HELD_SECONDS = 3600.0
#: The state of tasks that wait.
WAITING = {"deferred": "deferred", "worker": "running"}
#: For one step of a scenario on a busy machine, in seconds.
STEP_SECONDS = 300.0
#: For each task of a crowd besides.
TASK_SECONDS = 5.0
#: What ends a job: BigQuery's word, Salesforce's, Redivis's.
CANCELS = ("cancel", "abort", "delete")
#: Drops what a transfer wants no more, and ends no job.
LEFTOVERS = "bigquery.tables.delete"
TERMINAL = frozenset({"success", "failed", "upstream_failed", "skipped", "removed"})


class Party:
    """The tasks of a scenario that wait in one way, with a sandbox of their own.

    :param services: Those that they ask.
    :param first: Those whose jobs they wait for at first.
    """

    def __init__(self, mode: str, services: frozenset[str], first: frozenset[str], sandbox: Sandbox) -> None:
        self.mode = mode
        self.services = services
        self.looked_at = first
        self.sandbox = sandbox
        self._token = tester_token(sandbox)
        #: As Airflow's REST API shows them, renewed at each look.
        self.tasks: list[dict[str, Any]] = []

    def connections(self, name: str) -> dict[str, dict[str, Any]]:
        """Return Airflow's connections to the sandbox."""
        made = {}
        for service in self.services:
            fields = KNOWN[service].connection(self.sandbox)
            extra = {"extra": json.dumps(fields["extra"])} if "extra" in fields else {}
            made[f"{name}_{self.mode}_{service}"] = fields | extra
        return made

    def last(self, seconds: float, *services: str) -> None:
        """Let jobs last so long from now on, those under way too: of these services, or of all."""
        for service in services or self.services:
            self.sandbox.timing(project=KNOWN[service].timed, running_seconds=seconds)

    def jobs(self, *services: str) -> int:
        """Return how many jobs were made: of these services, or of all."""
        return sum(len(KNOWN[each].jobs(self.sandbox, self._token)) for each in services or self.services)

    def make_dataset(self, name: str) -> None:
        """Make a dataset of BigQuery."""
        url = f"{self.sandbox.bigquery}/bigquery/v2/projects/{PROJECT}/datasets"
        body = {"datasetReference": {"projectId": PROJECT, "datasetId": name}}
        headers = {"Authorization": f"Bearer {self._token}"}
        requests.post(url, json=body, headers=headers, timeout=30).raise_for_status()

    def row_count(self, table: str) -> int:
        """Return how many rows a table of BigQuery has."""
        path = f"{PROJECT}/datasets/{table.replace('.', '/tables/')}"
        return int(ask(f"{self.sandbox.bigquery}/bigquery/v2/projects/{path}", self._token)["numRows"])

    def cancels(self) -> int:
        """Return how often it was asked to end a job that had not ended."""
        asked = [entry for entry in self._requests() if entry["operation"] != LEFTOVERS]
        ends = {
            job["jobReference"]["jobId"]: int(job["statistics"]["endTime"]) / 1000
            for job in self.sandbox.bigquery_jobs()
            if "endTime" in job["statistics"]
        }
        # A triggerer that was slow hears late that another one has taken its trigger, and seen the job end.
        late = [each for each in asked if each["started_at"] > ends.get(_job_id(each["path"]), float("inf"))]
        return sum(each["operation"].endswith(CANCELS) for each in asked if each not in late)

    def looked(self, since: float) -> bool:
        """Return whether the jobs of each service were looked at since a moment."""
        seen = {entry["operation"] for entry in self._requests() if entry["started_at"] > since}
        return all(seen & set(KNOWN[service].looks) for service in self.looked_at)

    def _requests(self) -> list[dict[str, Any]]:
        return [entry for entry in self.sandbox.requests() if entry["account"] != TESTER]

    def all_in(self, *states: str) -> bool:
        """Return whether all its tasks are in one of the states."""
        return bool(self.tasks) and all(task["state"] in states for task in self.tasks)

    def outcome(self) -> Outcome:
        """Return what is left of it now."""
        attempts = [int(task["try_number"]) for task in self.tasks] or [0]
        states = sorted({str(task["state"]) for task in self.tasks})
        return Outcome(tuple(states), (min(attempts), max(attempts)), self.jobs(), self.cancels())


def _job_id(path: str) -> str:
    """Return the id of the job whose cancel has this path; empty if it is another path."""
    return path.removesuffix("/cancel").rpartition("/")[2] if path.endswith("/cancel") else ""


class Stage:
    """A scenario on a cluster: begins on entering, and is over on leaving."""

    def __init__(self, cluster: Cluster, scenario: Scenario) -> None:
        self.cluster = cluster
        self.scenario = scenario
        self.dag_id = f"cluster_{scenario.name}"
        self.run_id = ""
        self.file = cluster.dags / f"{self.dag_id}.py"
        self.parties: dict[str, Party] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            for mode in MODES:
                if self.scenario.expected(mode):
                    sandbox = opened.enter_context(Sandbox())
                    mapped = self.scenario.mapped
                    services = mapped.services if mapped else TASK_SERVICES.values()
                    first = mapped.services[:1] if mapped else services
                    self.parties[mode] = Party(mode, frozenset(services), frozenset(first), sandbox)
            for party in self.parties.values():
                party.last(HELD_SECONDS)
                if "bigquery" in party.services:
                    party.make_dataset(COPY_DATASET)
                for conn_id, connection in party.connections(self.scenario.name).items():
                    self.cluster.add_connection(conn_id, connection)
            name, mapped = self.scenario.name, self.scenario.mapped
            made = f"{mapped.task_id}({name!r}, {mapped.count})" if mapped else f"dag({name!r})"
            self.write(f"tasks.{made}")
            if self.scenario.settings:
                opened.enter_context(self.cluster.other_workers(self.scenario.settings))
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.unlink(missing_ok=True)
        self._open.close()

    def write(self, made: str) -> None:
        """Write the DAG's file.

        :param made: The expression that makes the DAG.
        """
        lines = ["# a dag of airflow", "from tests.system.cluster import tasks", "", f"dag = {made}", ""]
        self.file.write_text("\n".join(lines))

    def begin(self) -> None:
        """Start a run, and wait until somebody looks at the jobs of all its tasks."""
        self.cluster.wait_dags(self.dag_id)
        self.run_id = self.cluster.rest.trigger(self.dag_id)
        for mode, party in self.parties.items():
            self.wait(partial(party.all_in, WAITING[mode]), f"the {mode} tasks")
            self.look(party)

    def look(self, *parties: Party) -> None:
        """Wait until somebody looks at the jobs again."""
        since = time.time()
        asked = parties or tuple(self.parties.values())
        self.wait(lambda: all(party.looked(since) for party in asked), "a look at each job")

    def release(self) -> None:
        """Let the jobs end."""
        for party in self.parties.values():
            party.last(0.0)

    def end(self) -> None:
        """Wait until all tasks have ended."""
        parties = self.parties.values()
        self.wait(lambda: all(party.all_in(*TERMINAL) for party in parties), "the end of all tasks")

    def refresh(self) -> None:
        """See how the tasks are doing."""
        found = self.cluster.tasks(self.dag_id, self.run_id)
        for mode, party in self.parties.items():
            whole = self.scenario.mapped.task_id if self.scenario.mapped else mode
            party.tasks = [task for task in found if str(task["task_id"]).startswith(whole)]

    def wait(self, condition: Callable[[], object], what: str) -> None:
        """Wait, and see before each look how the tasks are doing."""
        mapped = self.scenario.mapped
        seconds = STEP_SECONDS + (mapped.count * len(mapped.services) * TASK_SECONDS if mapped else 0.0)

        def look() -> object:
            self.refresh()
            return condition()

        self.cluster.wait(look, seconds, f"{self.scenario.name}: {what}", 0.5)


@dataclass(frozen=True)
class Result:
    """What was left of a scenario.

    :param story: What to read if that is not what has to be.
    """

    scenario: Scenario
    outcomes: dict[str, Outcome]
    seconds: float
    restarts: dict[str, int]
    problem: str

    @property
    def right(self) -> bool:
        """Return whether that is what has to be."""
        expected = {mode: self.scenario.expected(mode) for mode in MODES}
        return not self.problem and all(
            each is None or (mode in self.outcomes and each.allows(self.outcomes[mode]))
            for mode, each in expected.items()
        )

    def line(self) -> str:
        """Return it as a line."""
        told = "; ".join(f"{mode}: {outcome}" for mode, outcome in self.outcomes.items())
        again = f"; started again: {self.restarts}" if self.restarts else ""
        verdict = "ok" if self.right else "FAILED"
        return f"{verdict:6}  {self.scenario.what}, {self.seconds:.0f} s: {told}{again}"
