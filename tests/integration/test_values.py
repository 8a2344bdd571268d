"""Values that come as text, or in Python's types: what BigQuery is told is what they say."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.operators.bigquery import BigQueryInsertJobOperator, BigQueryQueryOperator
from tests.integration.task_run import TaskRun

if TYPE_CHECKING:
    from tests.integration.lab import Lab

SELECT = {"query": "SELECT 1 AS n", "useLegacySql": "False", "useQueryCache": "false"}


@pytest.mark.parametrize("false", ["False", "false", False])
def test_a_dry_run_is_one_if_its_field_says_so(lab: Lab, false: Any) -> None:
    """A job is not started under an id that nobody knows."""
    make: Any = BigQueryInsertJobOperator
    configuration = {"query": SELECT, "dryRun": false, "labels": {"year": 2026}}
    job_id = make(task_id="task", configuration=configuration).execute(TaskRun().context())
    (job,) = lab.jobs()
    assert job["jobReference"]["jobId"] == job_id
    assert job["configuration"]["labels"]["year"] == "2026"
    assert not job["configuration"].get("dryRun")
    estimate = make(task_id="task", configuration={"query": SELECT, "dryRun": "True"})
    assert estimate.execute(TaskRun().context())["dry_run"] is True
    lab.client.insert_job(
        {
            "jobReference": {"projectId": lab.project, "jobId": "mine"},
            "configuration": {"query": SELECT, "dryRun": false},
        }
    )
    assert len(lab.jobs()) == 2


@pytest.mark.parametrize("dry_run", [False, "False"])
def test_a_parameter_of_an_operator_may_be_text_too(lab: Lab, dry_run: Any) -> None:
    task = BigQueryQueryOperator(task_id="task", sql="SELECT 1", dry_run=dry_run, use_legacy_sql=dry_run)
    assert task.execute(TaskRun().context())["job_id"]
    assert len(lab.jobs()) == 1


def test_query_parameters(lab: Lab) -> None:
    """Numbers that NUMERIC cannot hold, no values, and arrays with nothing in them."""
    parameters = {
        "large": Decimal("1234567890123456789.0123456789"),
        "small": Decimal("1e-19"),
        "numeric": Decimal("-99999999999999999999999999999.999999999"),
        "ids": [1, None, 3],
        "mixed": [Decimal(1), None, Decimal("1e-15")],
        "nothing": {"parameterType": {"type": "INT64"}},
        "empty": {"parameterType": {"type": "ARRAY", "arrayType": {"type": "INT64"}}},
        "struct": {"n": {"parameterType": {"type": "INT64"}}, "day": dt.date(2026, 1, 2)},
        "moment": dt.datetime(2026, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=2))),
    }
    sql = """
        SELECT CAST(@large AS STRING) AS large, CAST(@small AS STRING) AS small, @numeric AS numeric,
          (SELECT COUNT(*) FROM UNNEST(@ids) AS id) AS ids, ARRAY_LENGTH(@mixed) AS mixed,
          IFNULL(@nothing + 1, -1) AS nothing, ARRAY_LENGTH(@empty) AS empty, @struct.n IS NULL AS n,
          EXTRACT(YEAR FROM @struct.day) AS year, @moment = TIMESTAMP '2026-01-02 01:00:00+00' AS moment
    """
    result = BigQueryQueryOperator(task_id="task", sql=sql, parameters=parameters).execute(
        TaskRun().context()
    )
    (row,) = lab.client.get_query_results(result["job_id"], location=result["location"])
    assert row == {
        "large": "1234567890123456789.0123456789",
        "small": "0.0000000000000000001",
        "numeric": parameters["numeric"],
        "ids": 3,
        "mixed": 3,
        "nothing": -1,
        "empty": 0,
        "n": True,
        "year": 2026,
        "moment": True,
    }
