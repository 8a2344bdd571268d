"""DAGs as they are written for Google's operators run with another prefix in their import lines."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pendulum
import pytest
from airflow.utils.db import initdb

from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.operators import base
from airflow_provider_jobs.triggers import job as job_triggers

if TYPE_CHECKING:
    from types import ModuleType

    from tests.integration.lab import Lab

pytestmark = pytest.mark.filterwarnings("ignore")  # Airflow's own

DAGS = Path(__file__).parent / "dags"
GOOGLES, OURS = "airflow.providers.google.cloud", "airflow_provider_jobs"
DAY = pendulum.datetime(2026, 1, 2)
SCHEMA = [
    {"name": "id", "type": "INT64"},
    {"name": "amount", "type": "INT64"},
    {"name": "day", "type": "DATE"},
]


def text(prefix: str, name: str = "google_shapes", **capitals: Any) -> str:
    """Return a DAG's text with another prefix of import lines, and other values of what is in capitals."""
    found = (DAGS / f"{name}.py").read_text(encoding="utf-8").replace(f"from {GOOGLES}.", f"from {prefix}.")
    before = {"PROJECT": '"google-project"', "DEFERRABLE": "False"}
    for capital, value in capitals.items():
        found = found.replace(f"{capital} = {before[capital]}", f"{capital} = {value!r}")
    return found


def loaded(text: str, name: str = "google_shapes") -> ModuleType:
    """Return the module of a DAG that is in Airflow's folder, where its database knows it."""
    folder = Path(os.environ["AIRFLOW_HOME"], "dags")
    shutil.copytree(DAGS / "sql", folder / "sql", dirs_exist_ok=True)
    (path := folder / f"{name}.py").write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("shapes_of_tests", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def database() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        initdb()


def furnish(lab: Lab) -> None:
    files = {
        "schemas/orders.json": json.dumps(SCHEMA),
        "days/2026-01-02.csv": "1;'10';2026-01-02\n2;'20';2026-01-02\n",
        "json/a.json": '{"a": 1}\n',
        "json/b.json": '{"a": 2}\n',
    }
    for name, content in files.items():
        path = lab.sandbox.buckets / lab.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_triggers, "FIRST_POLL_SECONDS", 0.0)
    for name in ("FIRST_POLL_SECONDS", "INLINE_SECONDS", "HOP_SECONDS"):
        monkeypatch.setattr(base, name, 0.0)


both_ways = pytest.mark.parametrize("deferrable", [False, True], ids=["synchronous", "deferred"])


@both_ways
def test_every_shape_runs_with_changed_import_lines(
    lab: Lab, database: None, at_once: None, *, deferrable: bool
) -> None:
    furnish(lab)
    dag = loaded(text(OURS, PROJECT=lab.project, DEFERRABLE=deferrable)).dag
    run = dag.test(logical_date=DAY)
    states = {f"{ti.task_id}[{ti.map_index}]": str(ti.state) for ti in run.get_task_instances()}
    assert set(states.values()) == {"success"}, states
    (exported,) = (lab.sandbox.buckets / lab.project / "export").iterdir()
    assert gzip.decompress(exported.read_bytes()).startswith(b"id,amount,day\n")
    results = {ti.task_id: ti.xcom_pull(ti.task_id) for ti in run.get_task_instances() if ti.map_index < 0}
    assert str(results["schema_object"]) == "9"
    assert results["to_gcs"] == [f"gs://{lab.project}/export/orders-*.csv.gz"]
    assert [row[0] for row in results["get_data"]] == [2, 3, 9]
    (templated,) = (job for job in lab.jobs() if job["jobReference"]["jobId"].startswith("orders_20260102_"))
    labels = templated["configuration"]["labels"]
    assert (labels["airflow-task"], labels["team"]) == ("templated", "shop")


@both_ways
def test_classes_that_build_on_googles_work_on(
    lab: Lab, database: None, at_once: None, *, deferrable: bool
) -> None:
    """With attributes of their own, overridden methods, and what they look at once the job has ended."""
    name = "google_subclasses"
    module = loaded(text(OURS, name, PROJECT=lab.project, DEFERRABLE=deferrable), name)
    run = module.dag.test(logical_date=DAY)
    states = {f"{ti.task_id}[{ti.map_index}]": str(ti.state) for ti in run.get_task_instances()}
    assert set(states.values()) == {"success"}, states
    assert module.SEEN["noted"][1:] == (True, "SELECT day FROM sub.t")
    assert module.SEEN["poked"]
    assert list(BigQueryHook().get_records("SELECT day FROM sub.t")) == [("2026-01-02",)]
    files = (lab.sandbox.buckets / lab.project / "sub").iterdir()
    assert {path.name for path in files} == {"a.json", "b.json"}
    (made,) = (job for job in lab.jobs() if "_make_" in job["jobReference"]["jobId"])
    assert made["configuration"]["labels"]["team"] == "shop"


@pytest.mark.parametrize("name", ["google_shapes", "google_subclasses"])
def test_the_text_is_one_that_googles_operators_take(name: str) -> None:
    """Where their provider is installed: all parameters are theirs."""
    pytest.importorskip("airflow.providers.google")
    loaded(text(GOOGLES, name), name)
