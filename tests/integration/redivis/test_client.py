"""Redivis's operators against the sandbox: what other tools are known to get wrong, in both modes."""

from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import DeadlineExceeded
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator
from airflow_provider_jobs.sensors.redivis import RedivisUploadSensor
from tests.integration.redivis.lab import OTHER, OWNER, ROWS, SESSION, RedivisLab, write
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_01_a_session_that_kept_less_gets_the_rest(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    lab.fault("upload.data", "short_308", bytes=len(ROWS) // 3)
    upload(write(tmp_path), **SESSION)
    lab.check(ROWS, "orders.csv")


def test_02_a_plain_put_begins_again_at_its_first_byte(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    lab.fault("upload.plain", "reply", status=503)
    upload(write(tmp_path))
    lab.check(ROWS, "orders.csv")


def test_03_a_session_whose_start_was_lost_is_replaced(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    lab.fault("upload.start", "drop_reply_after_accepting")
    upload(write(tmp_path), **SESSION)
    lab.check(ROWS, "orders.csv")
    assert sum(lab.clock.pauses) < 10


@pytest.mark.parametrize("operation", ["upload.plain", "upload.start", "upload.data"])
def test_04_a_storage_that_refuses_ends_it_at_once(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path, operation: str
) -> None:
    lab.fault(operation, "reply", status=403, times=0)
    settings = {} if operation == "upload.plain" else SESSION
    with pytest.raises(AirflowFailException, match="storage behind Redivis answered 403"):
        upload(write(tmp_path), **settings)
    assert len(lab.requests(operation)) == 1
    assert lab.uploads() == []


@pytest.mark.parametrize("status", [404, 410])
def test_05_06_a_session_that_is_gone_is_replaced(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path, status: int
) -> None:
    lab.fault("upload.data", "session_expired", status=status, bytes=len(ROWS) // 2)
    upload(write(tmp_path), **SESSION)
    lab.check(ROWS, "orders.csv")
    assert len(lab.requests("upload.start")) == 2


def test_07_a_name_that_is_taken_costs_one_request(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    upload(write(tmp_path))
    lab.sandbox.clear_requests()
    sent = lab.sent()
    with pytest.raises(AirflowFailException, match=r"another upload named orders.csv.*on_conflict"):
        upload(write(tmp_path, OTHER))
    assert [entry["operation"] for entry in lab.requests()] == ["redivis.uploads.get"]
    assert lab.sent() == sent
    lab.check(ROWS, "orders.csv")


def test_08_the_old_upload_lives_until_the_new_bytes_are_there(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    upload(write(tmp_path))
    lab.sandbox.clear_requests()
    lab.fault("uploads.create", "reply", status=500)
    upload(write(tmp_path, OTHER), on_conflict="replace")
    lab.check(OTHER, "orders.csv")
    order = [entry["operation"].removeprefix("redivis.") for entry in lab.requests()]
    wanted = ["upload.plain", "uploads.delete", "uploads.create", "uploads.create"]
    assert [each for each in order if each in wanted] == wanted
    assert lab.sent() == len(ROWS) + len(OTHER)


def test_08_a_transfer_that_fails_leaves_the_old_upload(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    upload(write(tmp_path))
    lab.fault("upload.plain", "reply", status=403, times=0)
    with pytest.raises(AirflowFailException):
        upload(write(tmp_path, OTHER), on_conflict="replace")
    lab.check(ROWS, "orders.csv")


@pytest.mark.parametrize("operation", ["uploads.get", "uploads.create", "tempUploads.create"])
def test_09_a_service_that_asks_for_patience_gets_it(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path, operation: str
) -> None:
    lab.fault(operation, "reply", status=429, retry_after=33, times=2)
    upload(write(tmp_path))
    lab.check(ROWS, "orders.csv")
    assert lab.clock.pauses[:2] == [33, 33]


@pytest.mark.parametrize(
    "action",
    [{"action": "reply", "status": 500}, {"action": "drop_reply_after_accepting"}, {"action": "cut"}],
)
def test_10_a_lost_create_is_looked_up(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path, action: dict[str, Any]
) -> None:
    lab.fault("uploads.create", **action)
    upload(write(tmp_path))
    lab.check(ROWS, "orders.csv")
    assert lab.sent() == len(ROWS)


def test_11_an_upload_that_never_ends_ends_at_the_deadline(lab: RedivisLab, tmp_path: Path) -> None:
    lab.fault("uploads.get", "patch", document={"status": "pondering"}, times=0)
    path = write(tmp_path)
    for deferrable in (False, True):
        task = lab.operator(path, deferrable=deferrable, execution_timeout=dt.timedelta(seconds=2))
        with pytest.raises(DeadlineExceeded, match="execution_timeout"):
            perform(task, TaskRun().context())
        assert lab.uploads() == []


def test_12_a_file_without_a_name_is_taken(lab: RedivisLab) -> None:
    made = lab.client.put_upload(lab.table, io.BytesIO(ROWS), type="delimited")
    assert made["name"] == "untitled_upload.delimited"
    perform(RedivisUploadSensor(task_id="s", upload=made["uri"], poke_interval=0.1, timeout=30))
    lab.check(ROWS, "untitled_upload.delimited")


def test_13_a_storage_that_says_nothing_is_given_up(lab: RedivisLab, tmp_path: Path) -> None:
    lab.fault("upload.plain", "hang", seconds=30)
    lab.client._transport._timeout = (1.0, 0.5)  # as if a minute had passed
    perform(lab.operator(write(tmp_path)))
    lab.check(ROWS, "orders.csv")


def released(lab: RedivisLab, path: Path) -> None:
    perform(lab.operator(path))
    perform(RedivisReleaseOperator(task_id="release", dataset=f"{OWNER}.{lab.dataset}"))


def test_14_rows_that_a_release_left_are_told_or_left_out(
    lab: RedivisLab, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path)
    released(lab, path)
    perform(lab.operator(path, on_conflict="replace", create_missing=["version"]))
    assert "keeps the rows of the released version" in caplog.text
    assert int(lab.client.get_table(lab.table)["numRows"]) == 40_000
    perform(lab.operator(path, on_conflict="replace", merge_strategy="replace"))
    assert int(lab.client.get_table(lab.table)["numRows"]) == 20_000


@pytest.mark.parametrize("version", ["", ":current"])
def test_15_a_released_version_is_not_written_to(lab: RedivisLab, tmp_path: Path, version: str) -> None:
    path = write(tmp_path)
    released(lab, path)
    sent = lab.sent()
    with pytest.raises(
        AirflowFailException, match=f"released version.*write {OWNER}.{lab.dataset}:next.orders"
    ):
        perform(lab.operator(path, table=f"{OWNER}.{lab.dataset}{version}.orders", upload_name="b.csv"))
    assert lab.sent() == sent


def test_15_before_the_first_release_no_version_is_needed(lab: RedivisLab, tmp_path: Path) -> None:
    perform(lab.operator(write(tmp_path), table=f"{OWNER}.{lab.dataset}.orders"))
    lab.check(ROWS, "orders.csv")


def test_16_a_failed_upload_fails_the_task(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    path = write(tmp_path, b"a,b\n1,2\n3\n")
    with pytest.raises(AirflowFailException, match="1 of 2 records could not be parsed"):
        upload(path)
    path.write_bytes(ROWS)
    upload(path)
    lab.check(ROWS, "orders.csv")
