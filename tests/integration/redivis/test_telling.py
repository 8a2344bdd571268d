"""What the log of a Redivis task and its XCom ``job`` say of what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator
from tests.integration.redivis.lab import OWNER
from tests.integration.task_log import MODES, check_told, frames_of_ours, lines_of, run_task
from tests.integration.task_run import Attempts, perform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.redivis.lab import RedivisLab

ROWS = "id,text\n1,a\n2,b\n"


@pytest.mark.parametrize("files", [1, 2])
def test_all_is_said_once_and_the_same_wherever_the_task_ends(
    lab: RedivisLab, files: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.sandbox.timing(project=OWNER, running_seconds=0.3)
    found = []
    for number, mode in enumerate(MODES):
        for file in range(files):
            (tmp_path / f"{number}-{file}.csv").write_text(ROWS)
        source = str(tmp_path / f"{number}-*.csv")
        lines_of(capsys)
        found.append(run_task(lambda s=source, **more: lab.operator(s, **more), mode, Attempts(run_id=mode)))
        check_told(lines_of(capsys), found[-1], 'upload: {"table": "')
    assert found[0].keys() == found[1].keys() == found[2].keys()
    each = [job["uploads"][0] if files > 1 else job for job in found]
    assert each[0].keys() == each[1].keys() == each[2].keys()
    assert {"row_count", "size_bytes", "duration_seconds", "table"} <= each[0].keys()


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_failure_is_told_as_every_end_is(
    lab: RedivisLab, tmp_path: Path, capsys: pytest.CaptureFixture[str], *, deferrable: bool
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(ROWS)
    lab.sandbox.timing(project=OWNER, running_seconds=0.3)
    run = Attempts()
    task = lab.operator(str(file), deferrable=deferrable, expected_row_count=7)
    with pytest.raises(AirflowFailException) as caught:
        perform(task, run.context())
    assert not frames_of_ours(caught.value)
    assert run.xcoms["job"]["state"] == "failed"
    assert "row count is 7 here, 2 there" in run.xcoms["job"]["error"]
    assert lines_of(capsys)[-1].startswith("the job failed in ")


def test_a_release_names_its_version(
    lab: RedivisLab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(ROWS)
    perform(lab.operator(str(file)), Attempts(task_id="upload").context())
    lines_of(capsys)

    def make(**settings: Any) -> Any:
        return RedivisReleaseOperator(
            task_id="task", dataset=f"{OWNER}.{lab.dataset}", poll_interval=0.2, **settings
        )

    job = run_task(make, "synchronous", Attempts())
    assert lines_of(capsys)[-1].startswith(f"the job succeeded in {job['duration_seconds']:.1f} s: version ")
