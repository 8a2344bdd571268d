"""One kill of each kind on a cluster of Celery, Redis and PostgreSQL: the short form of ``make cluster``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.demo.processes import session_members
from tests.system.cluster.table import SHORT, Expected, Outcome

if TYPE_CHECKING:
    from pathlib import Path

servers = pytest.importorskip("tests.system.cluster.servers", reason="the extra `cluster` is not installed")
LACKING = servers.missing()


@pytest.mark.skipif(bool(LACKING), reason=LACKING)
def test_no_kill_loses_a_task_or_makes_a_job_twice(tmp_path: Path) -> None:
    """Workers, scheduler and a triggerer are killed under the same eight tasks; nothing is left running."""
    from tests.system.cluster.cluster import running  # noqa: PLC0415 - needs the extra
    from tests.system.cluster.perform import perform  # noqa: PLC0415 - as above

    with running(tmp_path) as cluster:
        [result] = perform(cluster, [SHORT])
        programs = [*cluster.programs, cluster.postgres.program, cluster.redis.program]
        sessions = [program.pid for program in programs]
    assert result.right, f"{result.line()}\n{result.problem}"
    assert not [session for session in sessions if session_members(session)]
    assert not cluster.postgres.answers()
    assert not cluster.redis.answers()


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "POSTGRES_FOLDERS", f"{tmp_path}/*/bin")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert servers.missing().endswith("apt-get install --yes postgresql redis-server")


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(("failed", "success"), (1, 1), 4, 0),
        Outcome(("success",), (1, 2), 4, 0),
        Outcome(("success",), (1, 1), 5, 0),
        Outcome(("success",), (1, 1), 4, 1),
    ],
)
def test_an_outcome_that_must_not_be_is_told(outcome: Outcome) -> None:
    assert Expected().allows(Outcome(("success",), (1, 1), 4, 0))
    assert not Expected().allows(outcome)


@pytest.mark.parametrize(
    ("jobs", "cancels", "allowed"),
    [(4, 0, True), (4, 1, True), (5, 1, True), (8, 4, True), (5, 0, False), (3, 1, False), (8, 5, False)],
)
def test_where_jobs_end_while_tasks_are_stopped_each_new_one_is_for_a_cancelled_one(
    jobs: int, cancels: int, allowed: bool
) -> None:
    expected = Expected(2, jobs=8, cancels=4, race=True)
    assert expected.allows(Outcome(("success",), (2, 2), jobs, cancels)) is allowed
