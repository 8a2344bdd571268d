"""What was rejected is believed of a list that is seen to be whole, and of no part of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Output
from airflow_provider_jobs.errors import ConfigurationError, NotFoundError, ResultsUnavailable
from tests.integration.salesforce.lab import SalesforceLab, expected, states, write, written
from tests.integration.task_run import Attempts, perform

if TYPE_CHECKING:
    from pathlib import Path

LOCK = "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--"
HEADER = '"sf__Id","sf__Error","Name","External_Id__c","Industry"\n'


def answers(lab: SalesforceLab) -> dict[str, dict[str, Any]]:
    """Return replies that are good by their status, and hold a part of three records at most."""
    one = f'{HEADER}"","{LOCK}","A","{lab.mark}-9","Energy"\n'
    return {
        "fewer records": {"body": one, "content_type": "text/csv"},
        "cut inside quotes": {"body": one + '"","' + LOCK[:20], "content_type": "text/csv"},
        "nothing": {"body": "", "content_type": "text/csv"},
        "page": {"body": "<html>\nno\nno\nno\n</html>\n"},
    }


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("name", ["fewer records", "cut inside quotes", "nothing", "page"])
def test_a_part_of_the_list_is_asked_for_again(
    lab: SalesforceLab, tmp_path: Path, name: str, nth: int
) -> None:
    """Whether it is counted first, or read for what a lock kept out."""
    lab.fault("ingest.run", "lock_records", records=3, error=LOCK, times=1)
    lab.fault("ingest.results", "answer", path="failedResults", nth=nth, status=200, **answers(lab)[name])
    result = perform(lab.ingest(write(lab, tmp_path, 10)))
    assert (result["record_count"], result["failed_record_count"]) == (10, 0)
    assert written(lab) == expected(lab, 10)
    assert sum(job["numberRecordsProcessed"] for job in lab.jobs("ingest")) == 10 + 3


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("name", ["fewer records", "cut inside quotes", "nothing", "page"])
def test_of_a_list_that_stays_a_part_nothing_is_sent_again(
    lab: SalesforceLab, tmp_path: Path, name: str, *, deferrable: bool
) -> None:
    """The task says that its results could not be read; the retry sends what a lock kept out."""
    run, path = Attempts(max_tries=1), write(lab, tmp_path, 10)
    lab.slow(0.1)
    lab.fault("ingest.run", "lock_records", records=3, error=LOCK, times=1)
    lab.fault("ingest.results", "answer", path="failedResults", status=200, times=0, **answers(lab)[name])
    with pytest.raises(ResultsUnavailable, match="completed, and the results could not be read"):
        perform(lab.ingest(path, deferrable=deferrable), run.context(1))
    assert states(lab) == ["JobComplete"]
    lab.sandbox.clear_faults()
    assert perform(lab.ingest(path, deferrable=deferrable), run.context(2))["failed_record_count"] == 0
    assert written(lab) == expected(lab, 10)


@pytest.mark.parametrize("name", ["cut inside quotes", "page"])
def test_no_part_of_a_list_is_shown_as_what_was_rejected(
    lab: SalesforceLab, tmp_path: Path, name: str
) -> None:
    lab.fault("ingest.results", "answer", path="failedResults", nth=2, status=200, **answers(lab)[name])
    with pytest.raises(AirflowFailException, match="3 of 13 records were rejected") as caught:
        perform(lab.ingest(write(lab, tmp_path, 10, bad=3), lock_retries=0))
    assert str(caught.value).count("REQUIRED_FIELD_MISSING") == 3


def test_an_ingest_job_whose_results_are_opened_is_named_as_what_it_is(
    lab: SalesforceLab, tmp_path: Path
) -> None:
    """By its reference, and by its id, which does not tell."""
    perform(lab.ingest(write(lab, tmp_path, 3)))
    job_id, client = lab.jobs()[0]["id"], lab.client
    told = rf"jobs/ingest:{job_id} is not a query: .* download_ingested"
    for job in (job_id, client.ref(job_id, "ingest")):
        with pytest.raises(ConfigurationError, match=told):
            list(client.open_results(job))
    with pytest.raises(ConfigurationError, match=told):
        client.download(job_id, Output("a.csv"), LocalSink(tmp_path))
    with pytest.raises(NotFoundError):
        list(client.open_results(f"{job_id[:-5]}AAAAA"))
