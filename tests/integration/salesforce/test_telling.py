"""What the log of a Salesforce task and its XCom ``job`` say of what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from tests.integration.task_log import MODES, check_told, frames_of_ours, lines_of, run_task
from tests.integration.task_run import Attempts, perform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.salesforce.lab import SalesforceLab

WORK = {
    "query": "query: SELECT Id FROM Account LIMIT 3",
    "parts": 'insert: {"object": "Account"',
}


@pytest.mark.parametrize("name", WORK)
def test_all_is_said_once_and_the_same_wherever_the_task_ends(
    lab: SalesforceLab, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text("Name\n" + "".join(f"{lab.mark} {n}\n" for n in range(4)))

    def make(**settings: Any) -> Any:
        if name == "query":
            return lab.query("SELECT Id\n  FROM Account\n  LIMIT 3", **settings)
        return lab.ingest(str(file), part_bytes=40, **settings)

    lab.slow(0.2)
    found = []
    modes = MODES if name == "query" else (MODES[0], MODES[2])
    for mode in modes:
        lines_of(capsys)
        found.append(run_task(make, mode, Attempts(run_id=mode)))
        check_told(lines_of(capsys), found[-1], WORK[name])
    assert all(job.keys() == found[0].keys() for job in found)
    assert found[0]["record_count"] == (3 if name == "query" else 4)
    assert ("jobs" in found[0]) == (name == "parts")


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_failure_is_told_as_every_end_is(
    lab: SalesforceLab, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, deferrable: bool
) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text(f"Name,AnnualRevenue\n{lab.mark},5\n{lab.mark},much\n")
    run = Attempts()
    lab.slow(0.2)
    with pytest.raises(AirflowFailException) as caught:
        perform(lab.ingest(str(file), deferrable=deferrable), run.context())
    assert not frames_of_ours(caught.value)
    job = run.xcoms["job"]
    assert (job["state"], job["record_count"], job["failed_record_count"]) == ("failed", 2, 1)
    assert job["error"] == "rejected records: 1 of 2 records were rejected"
    assert lines_of(capsys)[-1].startswith("the job failed in ")
