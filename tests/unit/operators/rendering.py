"""Tasks whose fields are rendered as a worker does it, by Airflow's own code."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, BaseOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import XComArg

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SECRET = "s3cret"
TEMPLATE = "{{ conn.x.password }}"
#: A template of an author, and what it becomes.
AUTHORED, RENDERED = "{{ 6 * 7 }}", "42"
#: What template files end in; a file of each, "q.sql" and so on, is there to be read, and becomes this.
EXTENSIONS = (".sql", ".json", ".soql", ".txt")
NAMED = f"file {RENDERED} {SECRET}"
ENDINGS = (*EXTENSIONS, ".csv", "")


class Instance:
    """A task instance whose XComs are one value: what Airflow asks one for while it renders."""

    map_index = 0

    @property
    def _upstream_map_indexes(self) -> dict[str, int]:
        return {}

    def __init__(self, task: Any, pulled: Any) -> None:
        self.task = task
        self.pulled = pulled

    def xcom_pull(self, **_: Any) -> Any:
        return json.loads(json.dumps(self.pulled))

    def get_relevant_upstream_map_indexes(self, **_: Any) -> None:
        return None


def render(dag: DAG, pulled: Any, task_id: str = "task") -> Any:
    """Return a task as a worker renders it, all XComs being this value."""
    task = dag.get_task(task_id).prepare_for_execution()
    ti = Instance(task, pulled)
    context: Any = {
        "ti": ti,
        "dag": dag,
        "dag_run": SimpleNamespace(conf={}),
        "conn": {"x": SimpleNamespace(password=SECRET)},
    }
    task.render_template_fields(context, dag.get_template_env())
    return ti.task


def fields_of(task: Any) -> dict[str, Any]:
    return {field: getattr(task, field) for field in task.template_fields}


def dag_of(make: Callable[[XComArg], Any], **options: Any) -> DAG:
    """Return a DAG of the task that is made of an XCom."""
    with DAG("dag", schedule=None, start_date=START, template_searchpath=_FOLDER.name, **options) as dag:
        make(BaseOperator(task_id="before").output)
    return dag


#: The template files.
_FOLDER = tempfile.TemporaryDirectory(prefix="airflow-provider-jobs-templates-")
for _extension in EXTENSIONS:
    Path(_FOLDER.name, f"q{_extension}").write_text(f"file {AUTHORED} {TEMPLATE}", encoding="utf-8")
