"""A real Airflow as most of its users run it: Celery, Redis, PostgreSQL, two workers, two triggerers."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery

from tests.demo.airflow import START_SECONDS, Airflow
from tests.system.cluster.servers import Postgres, Redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.demo.processes import Program

ROOT = Path(__file__).parents[3]
WORKERS = TRIGGERERS = 2
#: Tasks that a worker runs at a time.
SLOTS = 2
#: Between two heartbeats of a task.
HEARTBEAT_SECONDS = 5
#: As many task instances as Airflow tells at a time.
PAGE = 100
#: Of one component in one scenario.
MOST_RESTARTS = 5
#: How long Celery's workers have to answer, in seconds.
PING_SECONDS = 1.0
SETTINGS = {
    "PYTHONPATH": str(ROOT),
    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
    "AIRFLOW__CORE__HOSTNAME_CALLABLE": "tests.system.cluster.hostname.hostname",
    "AIRFLOW__CORE__PARALLELISM": "32",
    "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "1000",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
    # Airflow's own: three heartbeats that fail, five seconds apart, end a task. The demo has one second.
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": str(HEARTBEAT_SECONDS),
    # What is gone is missed soon, and what is only busy is not.
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    # DAG files that change are read at once.
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
}


class Cluster(Airflow):
    """Starts on entering, ends on leaving. What ends by itself is started again, as systemd or Kubernetes do.

    :param dags: The DAG folder.
    :param postgres: Which runs.
    :param redis: Which runs.
    """

    def __init__(
        self,
        dags: Path,
        postgres: Postgres,
        redis: Redis,
        environment: Mapping[str, str] | None = None,
        *,
        pause: Callable[[float], None] = time.sleep,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.postgres, self.redis = postgres, redis
        self.dags = dags
        places = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres.url,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": postgres.async_url,
            "AIRFLOW__CELERY__BROKER_URL": redis.url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{postgres.url}",
        }
        super().__init__(dags, {**SETTINGS, **places, **(environment or {})}, pause=pause, report=report)
        #: How often each component was started again since it had ended by itself.
        self.restarts: Counter[str] = Counter()
        self.triggerers = [self.triggerer, *(self.add_triggerer() for _ in range(TRIGGERERS - 1))]
        self.workers = [self._worker(number) for number in range(1, WORKERS + 1)]
        self.programs += self.workers
        numbers = self.home / "numbers.csv"
        numbers.write_text("number\n1\n2\n")
        for program in self.programs:
            program.environment |= {
                "AIRFLOW_VAR_ENDS_FILE": str(numbers),
                "CLUSTER_HOST": program.log.stem,
            }

    def _worker(self, number: int) -> Program:
        name = f"worker_{number}"
        return self._program("celery", "worker", "--skip-serve-logs", "--celery-hostname", name, log=name)

    def start(self) -> None:
        """Start everything, and wait until the workers and both triggerers are there too."""
        super().start()
        self.wait_whole()

    @property
    def folders(self) -> list[Path]:
        """Where Airflow keeps its logs and its database."""
        return [self.home, self.postgres.folder]

    def tune_database(self) -> None:
        """Leave PostgreSQL as it is."""

    def look_after_programs(self) -> None:
        """Start again what ended by itself.

        :raises ProgramFailed: one ends again and again.
        """
        for program in self.programs:
            if program.ended_by_itself:
                if self.restarts[program.log.stem] >= MOST_RESTARTS:
                    program.ensure_alive()
                self.restarts[program.log.stem] += 1
                program.start()

    def wait_whole(self) -> None:
        """Wait until every component is there, and able to work."""
        self.wait_healthy()
        what = "both workers and both triggerers"
        self.wait(self.is_whole, START_SECONDS, what, PING_SECONDS)

    def is_whole(self) -> bool:
        """Return whether both workers and both triggerers are there."""
        # A connection of its own: those that Celery keeps do not outlive a restart of Redis.
        with Celery(broker=self.redis.url) as celery, celery.connection_for_write() as connection:
            answers = celery.control.ping(timeout=PING_SECONDS, connection=connection)
        return len(answers) == WORKERS and len(self.triggerers_alive()) == TRIGGERERS

    def triggerers_alive(self) -> list[str]:
        """Return the names of the triggerers that Airflow has heard of lately."""
        answer = self.rest.call("GET", "/jobs", params={"job_type": "TriggererJob", "is_alive": "true"})
        return sorted({str(job["hostname"]) for job in answer["jobs"]})

    def restart(self, *programs: Program) -> None:
        """Kill programs as the loss of their machines does, and start others in their places."""
        for program in programs:
            program.kill()
        for program in programs:
            program.start()

    @contextlib.contextmanager
    def other_workers(self, settings: Mapping[str, str]) -> Iterator[None]:
        """Let the workers have other settings for a while."""
        usual = [worker.environment for worker in self.workers]
        try:
            for worker in self.workers:
                worker.environment = {**worker.environment, **settings}
            self.restart(*self.workers)
            self.wait_whole()
            yield
        finally:
            for worker, environment in zip(self.workers, usual, strict=True):
                worker.environment = environment
            self.restart(*self.workers)

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return all tasks of a run, as the API spells them."""
        found: list[dict[str, Any]] = []
        total = 1
        while len(found) < total:
            path = f"/dags/{dag_id}/dagRuns/{run_id.replace('+', '%2B')}/taskInstances"
            page = self.rest.call("GET", path, params={"limit": PAGE, "offset": len(found)})
            total = page["total_entries"]
            found += page["task_instances"]
        return found

    def let_pass(self, seconds: float) -> None:
        """Let time pass."""
        until = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() > until, seconds + 60, "time to pass")

    def miss_the_dead(self, run_id: str) -> None:
        """Let Airflow miss tasks whose processes have ended without a word: it waits five minutes for them.

        Those that live are heard of every five seconds.
        """
        self.let_pass(3 * HEARTBEAT_SECONDS)
        self._age(run_id, "running", "last_heartbeat_at", 2 * HEARTBEAT_SECONDS)

    def forget_messages(self, run_id: str) -> None:
        """Let Airflow believe that a run's queued tasks have waited for longer than its ten minutes."""
        self._age(run_id, "queued", "queued_dttm", 0)

    def _age(self, run_id: str, state: str, column: str, seconds: float) -> None:
        """Let a moment that is longer ago than so many seconds be eleven minutes further back."""
        self.postgres.rows(
            f"UPDATE task_instance SET {column} = {column} - interval '11 minutes'"  # noqa: S608 - ours
            f" WHERE run_id = %(run)s AND state = %(state)s AND {column} < now() - %(age)s::interval",
            run=run_id,
            state=state,
            age=f"{seconds} seconds",
        )

    def add_connection(self, conn_id: str, connection: dict[str, Any]) -> None:
        """Store a connection, as the UI does."""
        body = {"connection_id": conn_id, **connection}
        self.rest.call("POST", "/connections", json=body)


@contextlib.contextmanager
def running(
    dags: Path,
    environment: Mapping[str, str] | None = None,
    pause: Callable[[float], None] = time.sleep,
    report: Callable[[str], None] = lambda _: None,
) -> Iterator[Cluster]:
    """Start a cluster with its database and its broker; end all of it on leaving."""
    report("starting PostgreSQL and Redis")
    with (
        Postgres(pause) as postgres,
        Redis(pause) as redis,
        Cluster(dags, postgres, redis, environment, pause=pause, report=report) as cluster,
    ):
        yield cluster
