"""One kill of each kind on a cluster of Celery, Redis and PostgreSQL: the short form of ``make cluster``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

servers = pytest.importorskip("tests.system.cluster.servers", reason="the extra `cluster` is not installed")
LACKING = servers.missing()


@pytest.mark.skipif(bool(LACKING), reason=LACKING)
def test_no_kill_loses_a_task_or_makes_a_job_twice(tmp_path: Path) -> None:
    """Workers, the scheduler and a triggerer are killed, one after another, under the same eight tasks."""
    from tests.system.cluster.cluster import running  # noqa: PLC0415 - needs the extra
    from tests.system.cluster.perform import perform  # noqa: PLC0415 - as above
    from tests.system.cluster.table import SHORT  # noqa: PLC0415 - as above

    with running(tmp_path) as cluster:
        [result] = perform(cluster, [SHORT])
    assert result.right, f"{result.line()}\n{result.problem}"
