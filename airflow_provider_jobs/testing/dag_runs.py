"""A DAG of the user's folder, run in this process by ``dag.test()``, on an Airflow database of its own."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

DAGS_FOLDER = "AIRFLOW__CORE__DAGS_FOLDER"
AT_ONCE = {"retry_delay": dt.timedelta(0), "retry_exponential_backoff": False}
BUNDLE = "airflow.dag_processing.bundles.local.LocalDagBundle"


@dataclass(frozen=True)
class DagRunResult:
    """How a run of a DAG has ended.

    :param state: of the run: ``success`` or ``failed``.
    :param tasks: the state of each task by its id; of a mapped one as ``task[0]``.
    :param errors: what each failed task has raised.
    """

    state: str
    tasks: dict[str, str | None]
    errors: dict[str, BaseException]

    def assert_success(self) -> None:
        """Assert that the run has succeeded, or tell what each task came to."""
        __tracebackhide__ = True
        if self.state != "success":
            lines = [f"\n  {name} {state}: {self.errors.get(name, '')}" for name, state in self.tasks.items()]
            raise AssertionError(f"the run ended as {self.state}:{''.join(lines)}")


class AirflowHome:
    """An ``AIRFLOW_HOME`` for tests, in a temporary folder; its database is made when a DAG is first run."""

    def __init__(self, folder: Path) -> None:
        self._folder = self._dags = folder
        self._database = f"sqlite:///{folder}/airflow.db"
        self._made = False
        self._borrowed = False  # Airflow worked on another database before

    @contextlib.contextmanager
    def lent(self, tests: Path, root: Path) -> Iterator[None]:
        """Let the environment lead to this home, and to the DAGs nearest to the tests, for a while."""
        above = [path for path in (tests, *tests.parents) if path == root or root in path.parents]
        self._dags = next((path / "dags" for path in above if (path / "dags").is_dir()), tests)
        here = {  # and away from the machine's own databases, secrets and logs
            "AIRFLOW_HOME": str(self._folder),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self._database,
            DAGS_FOLDER: str(self._dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": (
                f'[{{"name": "dags-folder", "classpath": "{BUNDLE}", "kwargs": {{}}}}]'
            ),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(self._folder / "logs"),
            "AIRFLOW__LOGGING__REMOTE_LOGGING": "False",
            "AIRFLOW__SECRETS__BACKEND": "",
            "AIRFLOW__WORKERS__SECRETS_BACKEND": "",
        }
        with mock.patch.dict(os.environ, here):  # afterwards also what Airflow has put into it is gone
            os.environ.pop("AIRFLOW_CONFIG", None)
            os.environ.pop("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC", None)
            yield
        if self._borrowed:
            self._borrowed = False
            _point_airflow()

    def run_dag(
        self, dag_id: str, folder: Path | None, patch: pytest.MonkeyPatch, arguments: dict[str, Any]
    ) -> DagRunResult:
        """Run a DAG to its end by ``dag.test()``, with these arguments; LookupError if it is not there."""
        dags = folder or self._dags
        patch.setenv(DAGS_FOLDER, str(dags))
        patch.syspath_prepend(dags)
        with warnings.catch_warnings(action="default"):  # Airflow's own are no errors where a project's are
            self._prepare()
            dag = _find_dag(dags, dag_id)
            for task in dag.tasks:  # of a mapped task, of a plain one
                getattr(task, "partial_kwargs", vars(task)).update(AT_ONCE)
            from airflow_provider_jobs import compat  # noqa: PLC0415 - it imports Airflow

            compat.forget_namesake(dag)
            with compat.shared_test_api(), _watched() as errors:
                run = dag.test(**arguments)
        tasks = {_name(ti): ti.state and str(ti.state) for ti in run.get_task_instances()}
        return DagRunResult(str(run.state), tasks, errors)

    def _prepare(self) -> None:
        """Let Airflow, which may have been imported with other settings, work on a database of ours."""
        known = sys.modules.get("airflow.settings")
        self._borrowed |= known is not None and self._database != known.SQL_ALCHEMY_CONN
        _point_airflow()
        if not self._made:
            from airflow.utils.db import initdb  # noqa: PLC0415 - as below

            initdb()
            self._made = True


def _point_airflow() -> None:
    """Let Airflow read from the environment again where its database and DAGs are."""
    import airflow.settings as settings  # noqa: PLC0415, PLR0402 - a module that reads settings when imported

    before = settings.SQL_ALCHEMY_CONN
    settings.configure_vars()
    if before != settings.SQL_ALCHEMY_CONN:
        settings.dispose_orm(do_log=False)
        settings.configure_orm()


def _find_dag(folder: Path, dag_id: str) -> Any:
    from airflow_provider_jobs import compat  # noqa: PLC0415 - it imports Airflow

    bag = compat.dag_bag(folder)
    if dag_id in bag.dags:
        return bag.dags[dag_id]
    broken = "".join(f"\n{path}: {error}" for path, error in bag.import_errors.items())
    raise LookupError(f"{folder} has no DAG {dag_id!r}; it has {sorted(bag.dags)}{broken}")


@contextlib.contextmanager
def _watched() -> Iterator[dict[str, BaseException]]:
    """Keep what tasks raise at their end: their callbacks learn it on Airflow 3.2 or newer only."""
    from airflow.sdk.execution_time import task_runner  # noqa: PLC0415 - as above

    errors, finalize = dict[str, BaseException](), task_runner.finalize

    def keeping(ti: Any, state: Any, context: Any, log: Any, error: BaseException | None) -> None:
        errors.update({_name(ti): error} if error is not None and state == "failed" else {})
        finalize(ti, state, context, log, error)

    with mock.patch.object(task_runner, "finalize", keeping):
        yield errors


def _name(ti: Any) -> str:
    return str(ti.task_id) if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
