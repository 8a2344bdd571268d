"""How each scenario is brought about: what is done once all jobs are waited for, until they may end."""

from __future__ import annotations

import os
import signal
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.system.cluster.table import COPIES
from tests.system.cluster.tasks import copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.demo.processes import Program
    from tests.system.cluster.stage import Stage

#: Of each copy.
COPIED_ROWS = 10
#: How long a component that is told to stop may take to end, in seconds.
STOP_SECONDS = 120.0
#: How long tasks are away, in seconds: triggers fire, and the scheduler takes notice.
REMOVED_SECONDS = 25


class Wrong(Exception):
    """All tasks have ended, and what they were for is not there."""


def worker_term(stage: Stage) -> None:
    """Tell Celery's main process alone, as Kubernetes does: it waits until its tasks have ended."""
    told = [(worker, worker.pid) for worker in stage.cluster.workers]
    for _, pid in told:
        os.kill(pid, signal.SIGTERM)
    stage.look()
    stage.release()
    _wait_restarted(stage, told)


def worker_quit(stage: Stage) -> None:
    told = [(worker, worker.pid) for worker in stage.cluster.workers]
    for _, pid in told:
        os.kill(pid, signal.SIGQUIT)
    _wait_restarted(stage, told)
    stage.cluster.miss_the_dead(stage.run_id)
    stage.release()


def worker_kill(stage: Stage) -> None:
    """Kill the workers with all that they have started, as the loss of their machines does."""
    stage.cluster.restart(*stage.cluster.workers)
    stage.cluster.miss_the_dead(stage.run_id)
    stage.release()


def triggerer_term(stage: Stage) -> None:
    """Tell Airflow's process alone, as Kubernetes does; it is started again once it has ended."""
    holder = _holder(stage)
    told = [(holder, holder.pid)]
    os.kill(holder.pid, signal.SIGTERM)
    _wait_restarted(stage, told)
    stage.look(stage.parties["deferred"])
    stage.release()


def triggerer_kill(stage: Stage) -> None:
    """Kill it; the other one takes its triggers."""
    holder = _holder(stage)
    holder.kill()
    left = {each.log.stem for each in stage.cluster.triggerers if each is not holder}
    stage.wait(lambda: _holders(stage).keys() == left, "the other triggerer")
    stage.look(stage.parties["deferred"])
    stage.release()
    stage.end()
    holder.start()


def scheduler_kill(stage: Stage) -> None:
    """Kill it; the jobs end before there is another."""
    stage.cluster.scheduler.kill()
    stage.look()
    stage.release()
    stage.cluster.let_pass(15)
    stage.cluster.scheduler.start()


def kills(stage: Stage) -> None:
    """Kill the workers, the scheduler and the triggerer that holds most; jobs end once all is back."""
    stage.cluster.restart(*stage.cluster.workers)
    stage.cluster.miss_the_dead(stage.run_id)
    stage.cluster.restart(stage.cluster.scheduler, _holder(stage))
    stage.look()
    stage.release()


def redis(stage: Stage) -> None:
    """Let the deferred tasks be sent to workers that have no slot, and lose these messages."""
    stage.parties["deferred"].last(0.0)
    deferred = stage.parties["deferred"]
    stage.wait(lambda: deferred.all_in("queued", "success"), "messages in Redis")
    stage.cluster.redis.restart()
    stage.look(stage.parties["worker"])
    stage.release()
    stage.cluster.wait_whole()
    stage.cluster.forget_messages(stage.run_id)


def postgres(stage: Stage) -> None:
    stage.cluster.postgres.restart()
    stage.cluster.wait_whole()
    stage.look()
    stage.release()


def api_20(stage: Stage) -> None:
    _without_api(stage, 20)


def api_70(stage: Stage) -> None:
    _without_api(stage, 70)


def _without_api(stage: Stage, seconds: float) -> None:
    [server] = stage.cluster.api_servers
    server.stop(STOP_SECONDS)
    stage.cluster.let_pass(seconds)
    server.start()
    stage.cluster.wait_whole()
    stage.cluster.miss_the_dead(stage.run_id)  # who gave up while it was away could not say so
    stage.release()


def file_away(stage: Stage) -> None:
    """Let the jobs end while the DAG's file is away, then put it back."""
    with _away(stage):
        stage.wait(lambda: _is_stale(stage), "the DAG to be missed")
        stage.release()
        stage.cluster.let_pass(30)


def task_removed(stage: Stage) -> None:
    """Remove the tasks of one mode, while the others keep the run going, and put them back; then the others.

    The jobs of the deferred ones end meanwhile.
    """
    _put_back(stage, "worker", "deferred", lambda: None)
    _put_back(stage, "deferred", "worker", lambda: stage.parties["deferred"].last(0.0))
    stage.release()


def _put_back(stage: Stage, mode: str, other: str, meanwhile: Callable[[], None]) -> None:
    name = stage.scenario.name
    stage.write(f"tasks.dag({name!r}, [{other!r}])")
    stage.wait(lambda: not _has_tasks(stage, mode), f"the {mode} tasks to be missed")
    meanwhile()
    stage.cluster.let_pass(REMOVED_SECONDS)
    stage.write(f"tasks.dag({name!r})")
    stage.wait(lambda: _has_tasks(stage, mode), f"the {mode} tasks to be back")


def visibility(stage: Stage) -> None:
    """Let Redis give out again the messages of tasks that run.

    A worker acknowledges a message when its task has ended, or when Airflow has refused to start it twice.
    """
    redis = stage.cluster.redis
    stage.wait(lambda: redis.unacknowledged() == 0, "the messages to be given out again")
    stage.look()
    stage.release()


def crowd(stage: Stage) -> None:
    triggerer_kill(stage)


def transfers(stage: Stage) -> None:
    """Kill a triggerer while Salesforce works, and a worker while records go to their tables."""
    party, holder = stage.parties["deferred"], _holder(stage)
    holder.kill()
    left = {each.log.stem for each in stage.cluster.triggerers if each is not holder}
    stage.wait(lambda: _holders(stage).keys() == left, "the other triggerer")
    stage.look()
    party.last(0.0, "salesforce")
    stage.wait(lambda: party.jobs("bigquery") == COPIES.count and party.all_in("deferred"), "the loads")
    party.looked_at = frozenset({"bigquery"})
    stage.look()
    holder.start()
    stage.release()
    stage.wait(lambda: _busy(stage), "a worker that has begun tasks")
    stage.cluster.restart(_busy(stage)[0])
    stage.cluster.miss_the_dead(stage.run_id)
    stage.end()
    tables = [copy(number)["destination_table"] for number in range(COPIES.count)]
    if wrong := {name: count for name in tables if (count := party.row_count(name)) != COPIED_ROWS}:
        raise Wrong(f"of tables that have to have {COPIED_ROWS} rows each: {wrong}")


def _busy(stage: Stage) -> list[Program]:
    """Return the workers that run tasks."""
    hosts = {task["hostname"] for task in stage.parties["deferred"].tasks if task["state"] == "running"}
    return [worker for worker in stage.cluster.workers if worker.log.stem in hosts]


@contextmanager
def _away(stage: Stage) -> Iterator[None]:
    away = stage.file.with_suffix(".away")
    stage.file.rename(away)
    try:
        yield
    finally:
        away.rename(stage.file)


def _is_stale(stage: Stage) -> bool:
    return bool(stage.cluster.rest.call("GET", f"/dags/{stage.dag_id}")["is_stale"])


def _has_tasks(stage: Stage, mode: str) -> bool:
    tasks = stage.cluster.rest.call("GET", f"/dags/{stage.dag_id}/tasks")["tasks"]
    return any(task["task_id"].startswith(mode) for task in tasks)


def _wait_restarted(stage: Stage, told: list[tuple[Program, int]]) -> None:
    """Wait until programs that were told to stop have ended, and were started again."""
    cluster = stage.cluster

    def again() -> bool:
        return all(program.running and program.pid != pid for program, pid in told)

    cluster.wait(again, STOP_SECONDS, "the end of what was told to stop")
    cluster.wait_whole()


def _holders(stage: Stage) -> Counter[str]:
    """Return how many of the deferred tasks each triggerer holds."""
    tasks = stage.parties["deferred"].tasks
    return Counter(str((task.get("triggerer_job") or {}).get("hostname")) for task in tasks)


def _holder(stage: Stage) -> Program:
    """Return the triggerer that holds the most of the deferred tasks."""
    stage.refresh()
    [(name, _)] = _holders(stage).most_common(1)
    return next(each for each in stage.cluster.triggerers if each.log.stem == name)


ACTS: dict[str, Callable[[Stage], None]] = {
    "worker_term": worker_term,
    "worker_quit": worker_quit,
    "worker_kill": worker_kill,
    "triggerer_term": triggerer_term,
    "triggerer_kill": triggerer_kill,
    "scheduler_kill": scheduler_kill,
    "kills": kills,
    "redis": redis,
    "postgres": postgres,
    "api_20": api_20,
    "api_70": api_70,
    "file_away": file_away,
    "task_removed": task_removed,
    "visibility": visibility,
    "crowd": crowd,
    "transfers": transfers,
}
