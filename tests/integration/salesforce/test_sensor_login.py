"""A sensor that has to log in to know what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_jobs.sensors.salesforce import SalesforceJobSensor
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from tests.integration.salesforce.lab import SalesforceLab


@pytest.fixture
def left(lab: SalesforceLab) -> dict[str, Any]:
    """Return the job that somebody else has begun; who asks for it has to log in."""
    job: dict[str, Any] = lab.query(wait=False).execute(TaskRun().context())
    lab.connect(consumer_key=lab.account.consumer_key, consumer_secret=lab.account.consumer_secret)
    return job


def sensor(job: Any, **changes: Any) -> SalesforceJobSensor:
    settings: dict[str, Any] = {"task_id": "s", "poke_interval": 0.2, "timeout": 30, **changes}
    return SalesforceJobSensor(job=job, **settings)


@pytest.mark.parametrize("deferrable", [False, True])
def test_bears_an_outage_of_the_login(lab: SalesforceLab, left: Any, *, deferrable: bool) -> None:
    lab.fault("login.*", "cut", times=9)
    assert perform(sensor(left, deferrable=deferrable))["state"] == "succeeded"
    assert len([each for each in lab.sandbox.requests() if "login" in each["operation"]]) == 10


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("soft_fail", [False, True])
def test_fails_without_retry_if_the_connection_is_wrong(
    lab: SalesforceLab, left: Any, *, deferrable: bool, soft_fail: bool
) -> None:
    lab.connect()
    with pytest.raises(AirflowSkipException if soft_fail else AirflowFailException):
        perform(sensor(left, deferrable=deferrable, soft_fail=soft_fail))
