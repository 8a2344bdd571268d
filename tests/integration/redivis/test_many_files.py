"""Many uploads: those of one task leave small XComs that name them all, those of several get their names."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.redivis.submit import UploadRequest
from airflow_provider_jobs.core.several import split_ids
from airflow_provider_jobs.core.sources.source import Media, source_of
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import ConflictError, JobsError
from airflow_provider_jobs.sensors.redivis import RedivisUploadSensor
from tests.integration.redivis.lab import RedivisLab, write
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from pathlib import Path

FILES = 300


def test_300_files_are_a_small_xcom_that_names_every_upload(lab: RedivisLab, tmp_path: Path) -> None:
    for number in range(FILES):
        write(tmp_path, b"a,b\n1,2\n", name=f"{number:03}.csv")
    run, manifest = TaskRun(), tmp_path / "manifest.jsonl"
    task = lab.operator(
        str(tmp_path / "*.csv"), deferrable=False, parallel_uploads=8, manifest_path=str(manifest)
    )
    result = perform(task, run.context())
    assert result == run.xcoms["job"]
    assert len(json.dumps(result)) < 16_000
    assert (result["upload_count"], result["row_count"]) == (FILES, FILES)
    assert result["size_bytes"] == FILES * len(b"a,b\n1,2\n")
    assert len(result["uploads"]) == 20
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [line["name"] for line in lines] == [f"{number:03}.csv" for number in range(FILES)]
    assert [line["job_id"] for line in lines] == split_ids(result["job_id"])
    waited = perform(RedivisUploadSensor(task_id="sensor", upload=json.loads(json.dumps(result))))
    assert waited["upload_count"] == FILES
    assert waited["job_id"] == result["job_id"]


@pytest.mark.parametrize("how", ["rename", "skip", "replace", "fail"])
def test_uploads_of_one_name_that_begin_together(lab: RedivisLab, how: str) -> None:
    """As those of mapped tasks: each has seen that the name is free, before any has taken it."""
    together = threading.Barrier(3)

    def upload(number: int) -> Submission | JobsError:
        waits = iter([together.wait])

        def on_progress(*_: Any) -> None:
            next(waits, int)()

        content = b"a\n" + b"1\n" * (number + 1)  # of another size each
        media = Media(source_of(content), on_progress=on_progress)
        request = UploadRequest(lab.table, "data.csv", {}, on_conflict=how, media=media, first=True)
        try:
            return lab.client.submit(request)
        except JobsError as error:
            return error

    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(upload, range(3)))
    names = {each["name"] for each in lab.uploads()}
    lost = [each for each in made if isinstance(each, JobsError)]
    left = [each for each in made if isinstance(each, Submission) and each.left_alone]
    # What is not told yet of one that is under way is compared at its end.
    shared = [each for each in made if isinstance(each, Submission) and each.shared]
    assert len(lost) + len(shared) == (0 if how in {"rename", "skip"} else 2)
    assert len(left) == (2 if how == "skip" else 0)
    assert names == ({"data.csv", "data_2.csv", "data_3.csv"} if how == "rename" else {"data.csv"})
    advice = "run the task again" if how == "replace" else "set on_conflict to"
    assert all(advice in str(each) and each.retryable == (how == "replace") for each in lost)


@pytest.mark.parametrize("flow", ["original", "temporary"])
@pytest.mark.parametrize("how", ["fail", "rename", "skip"])
def test_an_upload_that_another_task_has_just_begun_is_not_written_into(
    lab: RedivisLab, how: str, flow: str
) -> None:
    """Two files would be mixed in it. It was not there yet when this task looked."""
    begun = lab.client.create_upload(lab.table, {"name": "data.csv"})
    lab.fault("uploads.get", "reply", status=404, times=1)
    content = b"a\n1\n"
    media = Media(source_of(content))
    request = UploadRequest(lab.table, "data.csv", {}, on_conflict=how, flow=flow, media=media, first=True)
    if how == "fail":
        with pytest.raises(ConflictError, match=r"has another upload named data\.csv"):
            lab.client.submit(request)
    else:
        assert lab.client.submit(request).left_alone == (how == "skip")
    there = {each["name"]: each for each in lab.uploads()}
    assert there.keys() == ({"data.csv", "data_2.csv"} if how == "rename" else {"data.csv"})
    assert (there["data.csv"]["id"], there["data.csv"]["status"]) == (begun["id"], None)


@pytest.mark.parametrize("how", ["rename", "skip", "replace"])
def test_a_conflict_that_is_not_about_the_name_sends_nothing_again(lab: RedivisLab, how: str) -> None:
    lab.fault("uploads.create", "reply", status=409, times=0)
    content = b"a\n1\n"
    media = Media(source_of(content))
    request = UploadRequest(lab.table, "data.csv", {}, on_conflict=how, media=media, first=True)
    with pytest.raises(ConflictError, match="Redivis answered 409") as caught:
        lab.client.submit(request)
    assert not caught.value.retryable
    assert lab.sent() == len(content)
