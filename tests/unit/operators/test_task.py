"""What ends in the trigger, and what a worker has to see to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.errors import JobsError
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator, RedivisUploadOperator
from airflow_provider_jobs.operators.salesforce import SalesforceIngestOperator, SalesforceQueryOperator
from airflow_provider_jobs.operators.task import ending_of
from airflow_provider_jobs.sensors.redivis import RedivisUploadSensor
from airflow_provider_jobs.sensors.salesforce import SalesforceJobSensor
from tests.unit.operators.salesforce.tasks import Client
from tests.unit.tasks import status

if TYPE_CHECKING:
    from airflow_provider_jobs.operators.task import ServiceTask

SOQL: dict[str, Any] = {"task_id": "t", "soql": "SELECT Id FROM Account"}
FILE: dict[str, Any] = {"task_id": "t", "source": "/a.csv"}
PLAIN: list[ServiceTask] = [
    SalesforceQueryOperator(**SOQL),
    SalesforceIngestOperator(**FILE, object_name="Account", operation="insert"),
    RedivisUploadOperator(**FILE, table="a.b.c"),
    RedivisReleaseOperator(task_id="t", dataset="a.b"),
    SalesforceJobSensor(task_id="t", job="7500000000000AB"),
    RedivisUploadSensor(task_id="t", upload="/u"),
]
INGEST = JobRef("salesforce", "org", "7500000000000AB", "v59.0/jobs/ingest")
UPLOAD = JobRef("redivis", "a.b.c", "/u")


@pytest.mark.parametrize("task", PLAIN, ids=lambda task: type(task).__name__)
def test_tasks_of_every_service_end_in_their_trigger(task: ServiceTask) -> None:
    assert task.ends_in_trigger()
    ending = ending_of(task)
    assert ending
    assert ending["task"].endswith(f":{type(task).__name__}")


@pytest.mark.parametrize("more", [{"results_path": "/r.csv"}, {"results_path": "/r.csv", "delete_job": True}])
def test_a_download_needs_a_worker(more: dict[str, Any]) -> None:
    assert not SalesforceQueryOperator(**SOQL, **more).ends_in_trigger()


@pytest.mark.parametrize(
    ("kind", "found", "carried"),
    [
        (SalesforceIngestOperator, {"record_count": 3, "failed_record_count": 1}, {"sent": {INGEST.id: 3}}),
        (SalesforceIngestOperator, {"record_count": 3, "failed_record_count": 0}, {"sent": {INGEST.id: 4}}),
    ],
)
def test_what_did_not_arrive_as_sent_needs_a_worker(kind: Any, found: Any, carried: Any) -> None:
    with pytest.raises(JobsError):
        kind.xcoms(Client(), [status(ref=INGEST, statistics=found)], carried)


def test_records_that_were_all_taken_do_not() -> None:
    found = {"record_count": 3, "failed_record_count": 0}
    xcoms = SalesforceIngestOperator.xcoms(
        Client(), [status(ref=INGEST, statistics=found)], {"sent": {"7500000000000AB": 3}}
    )
    assert xcoms["job"] == xcoms["return_value"]
    assert xcoms["job"]["record_count"] == 3


def test_uploads_tell_of_each_other_in_a_result() -> None:
    xcoms = RedivisUploadOperator.xcoms(None, [status(ref=UPLOAD), status(ref=UPLOAD)], {})
    assert len(xcoms["job"]["uploads"]) == 2
