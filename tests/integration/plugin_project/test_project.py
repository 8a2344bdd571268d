"""Tests of a user whose files import Airflow when pytest reads them."""

import os

import airflow.settings as airflow_settings
import pytest

BEFORE = airflow_settings.SQL_ALCHEMY_CONN
ENVIRONMENT = dict(os.environ)


def test_a_mapped_task_a_retry_and_the_callbacks_of_the_dag(jobs_sandbox, monkeypatch, tmp_path):
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    run = jobs_sandbox.run_dag("cities")

    assert run.state == "failed"
    assert run.tasks == {"visit[0]": "success", "visit[1]": "failed"}
    assert str(run.errors["visit[1]"]) == "ROME is far from Oslo"
    with pytest.raises(AssertionError, match=r"(?s)ended as failed:.*visit\[1\] failed: ROME is far"):
        run.assert_success()
    assert (tmp_path / "told").read_text() == "visit"


def test_salesforce(jobs_sandbox, tmp_path):
    (tmp_path / "seeds" / "salesforce").mkdir(parents=True)
    (tmp_path / "seeds" / "salesforce" / "Contact.csv").write_text("LastName\nLovelace\n")
    jobs_sandbox.seed(tmp_path / "seeds")

    jobs_sandbox.run_dag("people", conf={"path": str(tmp_path / "people.csv")}).assert_success()

    assert (tmp_path / "people.csv").read_text() == '"LastName"\n"Lovelace"\n'
    assert jobs_sandbox.one_job("salesforce", about="FROM Contact").state == "succeeded"


DAG = """
from airflow.sdk import DAG, task

with DAG("report", schedule=None):
    for name in {names}:
        task(lambda: None, task_id=name)()
"""


def test_a_dag_of_the_same_name_may_have_other_tasks(jobs_sandbox, tmp_path):
    for names in (["read"], ["read", "write"], ["send"]):
        (tmp_path / "report.py").write_text(DAG.format(names=names))
        run = jobs_sandbox.run_dag("report", folder=tmp_path)
        assert run.tasks == dict.fromkeys(names, "success"), run.errors


def test_a_dag_that_is_not_there_is_named_with_the_errors_of_its_folder(jobs_sandbox):
    with pytest.raises(
        LookupError, match=r"(?s)no DAG 'absent'; it has \['cities', 'people'\].*cannot be imported"
    ):
        jobs_sandbox.run_dag("absent")


def test_afterwards_everything_is_as_it_was():
    """Airflow's database, which the fixture has changed, and the environment."""
    assert airflow_settings.SQL_ALCHEMY_CONN == BEFORE
    assert str(airflow_settings.engine.url) == BEFORE
    changed = {
        name
        for name in os.environ.keys() | ENVIRONMENT.keys()
        if os.environ.get(name) != ENVIRONMENT.get(name)
    }
    assert not {name for name in changed if name.startswith("AIRFLOW")}
