"""The links of tasks, as Airflow's pages get them: of the serialized DAG, after a run of it."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from airflow_provider_jobs import compat
from airflow_provider_jobs.testing.dag_runs import AirflowHome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.lab import Lab

DAG = """
from airflow.sdk import DAG
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor

with DAG("links", schedule=None):
    BigQueryQueryOperator.partial(task_id="mapped", deferrable=True, inline_wait=0).expand_kwargs(
        [{"sql": "SELECT 1 AS x", "destination_table": f"shop.{name}"} for name in "ab"]
    )
    fails = BigQueryQueryOperator(task_id="fails", sql="SELECT ERROR('no')")
    submitted = BigQueryQueryOperator(task_id="submitted", sql="SELECT 2 AS x", wait=False)
    for name, options in {"poked": {"poke_interval": 0.2}, "deferred": {"deferrable": True}}.items():
        BigQueryJobSensor(task_id=name, job=submitted.output, **options)
    job = "{{ ti.xcom_pull(task_ids='fails', key='job')['job_id'] }}"
    fails >> BigQueryJobSensor(task_id="sees_failure", job=job, trigger_rule="all_done")
"""


@pytest.fixture
def links(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, dict[str, Any]]]:
    """Run the DAG, and return the links of each task instance, and its XCom ``job`` as the link ``job``."""
    lab.dataset("shop")
    (tmp_path / "links.py").write_text(DAG)
    home = AirflowHome(tmp_path)
    with home.lent(tmp_path, tmp_path):
        result = home.run_dag("links", tmp_path, monkeypatch, {})
        assert result.state == "failed"
        with warnings.catch_warnings(action="ignore"):
            yield shown(tmp_path)


def shown(folder: Path) -> dict[str, dict[str, Any]]:
    from airflow.models.taskinstance import TaskInstance  # noqa: PLC0415 - Airflow has its database only now
    from airflow.models.xcom import XComModel  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    module = importlib.import_module("airflow.serialization.serialized_objects")
    kind = getattr(module, "DagSerialization", None) or module.SerializedDAG
    # A scheduler needs no links, and has all of its process do without: so may what ran before in this one.
    with mock.patch.object(kind, "_load_operator_extra_links", new=True):
        dag = kind.from_dict(kind.to_dict(compat.dag_bag(folder).dags["links"]))
    found: dict[str, dict[str, Any]] = {}
    with create_session() as session:
        for ti in session.scalars(select(TaskInstance)):
            task = dag.get_task(ti.task_id)
            each = {name: task.get_extra_links(ti, name) for name in sorted(task.extra_links)}
            jobs = select(XComModel.value).where(
                XComModel.key == "job", XComModel.task_id == ti.task_id, XComModel.map_index == ti.map_index
            )
            job = session.scalar(jobs)
            name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
            found[name] = {**each, "job": str(job)}
    return found


def test_the_links_of_a_run(links: dict[str, dict[str, Any]], lab: Lab) -> None:
    job_of = {name: each["BigQuery job"] or "" for name, each in links.items()}
    assert all(url.startswith("https://console.cloud.google.com/bigquery?") for url in job_of.values())
    for index, table in enumerate("ab"):
        mapped = links[f"mapped[{index}]"]
        assert mapped["BigQuery table"].endswith(f"&p={lab.project}&d=shop&t={table}&page=table")
        assert mapped["BigQuery job"] in mapped["job"]
    assert job_of["mapped[0]"] != job_of["mapped[1]"]
    assert not links["fails"]["BigQuery table"], "of a query without a table there is nothing to show"
    assert job_of["poked"] == job_of["deferred"] == job_of["submitted"]
    assert job_of["sees_failure"] == job_of["fails"]
