"""Redivis's operators against the sandbox: what other tools are known to get wrong, in both modes."""

from __future__ import annotations

import datetime as dt
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import DeadlineExceeded, ServiceError
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator
from airflow_provider_jobs.sensors.redivis import RedivisUploadSensor
from tests.integration.lab import TaskRun
from tests.integration.redivis_lab import OWNER, ROWS, Attempts, RedivisLab, perform, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_provider_jobs.sandbox import Sandbox

OTHER = ROWS.replace(b"id,text", b"id,note")
SESSION = {"session_bytes": 1}


@pytest.fixture
def lab(jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedivisLab]:
    lab = RedivisLab(jobs_sandbox, monkeypatch)
    lab.make_table()
    jobs_sandbox.clear_requests()
    yield lab
    jobs_sandbox.clear_faults()
    jobs_sandbox.redivis_settings(queued_polls=0)
    jobs_sandbox.timing(project=OWNER, pending_seconds=0.0, running_seconds=0.0)


@pytest.fixture(params=["synchronous", "deferred"])
def upload(request: pytest.FixtureRequest, lab: RedivisLab) -> Callable[..., Any]:
    """Return what uploads with the operator in this mode."""
    deferred = request.param == "deferred"
    if deferred:  # long enough that there is something to defer for
        lab.sandbox.timing(project=OWNER, pending_seconds=0.1, running_seconds=0.2)

    def upload(source: Any, run: TaskRun | None = None, **parameters: Any) -> Any:
        task = lab.operator(source, deferrable=deferred, **parameters)
        return perform(task, (run or TaskRun()).context())

    return upload


def test_a_file_becomes_rows(lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path) -> None:
    result = upload(write(tmp_path))
    assert result["job_id"].endswith("/uploads/orders_csv")
    assert (result["table"], result["name"], result["state"]) == (lab.table, "orders.csv", "succeeded")
    assert (result["row_count"], result["size_bytes"], result["bad_record_count"]) == (20_000, len(ROWS), 0)
    lab.check(ROWS, "orders.csv")
    assert lab.sent() == len(ROWS)


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


def test_bad_records_may_be_left_out_if_wanted(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    result = upload(write(tmp_path, b"a,b\n1,2\n3\n"), skip_bad_records=True)
    assert (result["row_count"], result["bad_record_count"]) == (1, 1)


def test_what_arrived_is_compared(lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match="row count is 7 here, 20000 there"):
        upload(write(tmp_path), expected_row_count=7)
    lab.fault("uploads.get", "patch", document={"hash": "0" * 32}, times=0)
    with pytest.raises(AirflowFailException, match="MD5 is"):
        upload(write(tmp_path, name="b.csv"))


def test_the_same_file_is_sent_once(lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path) -> None:
    """A retry, a clear, another task: nothing is sent, and there is one upload."""
    path = write(tmp_path)
    first = upload(path)
    again = upload(path, TaskRun(max_tries=5, task_id="other"))
    assert again == first
    assert lab.sent() == len(ROWS)
    lab.check(ROWS, "orders.csv")


@pytest.mark.parametrize(
    "settings", [{"hash": "base64"}, {"numbers": "texts"}, {"errors": "older"}, {"resumable": "always"}]
)
def test_every_spelling_is_understood(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path, settings: dict[str, str]
) -> None:
    usual = {"hash": "hex", "numbers": "numbers", "errors": "current", "resumable": "asked"}
    lab.sandbox.redivis_settings(**settings)
    try:
        path = write(tmp_path)
        assert upload(path)["row_count"] == 20_000
        assert upload(path)["size_bytes"] == len(ROWS)
    finally:
        lab.sandbox.redivis_settings(**usual)
    lab.check(ROWS, "orders.csv")


@pytest.mark.parametrize("bearer", ["ignored", "required"])
@pytest.mark.parametrize("session", [{}, SESSION])
def test_a_foreign_storage_gets_the_token_only_if_it_wants_it(
    lab: RedivisLab, tmp_path: Path, bearer: str, session: dict[str, int]
) -> None:
    lab.sandbox.redivis_settings(storage="foreign", storage_bearer=bearer)
    try:
        perform(lab.operator(write(tmp_path), **session))
    finally:
        lab.sandbox.redivis_settings(storage="own", storage_bearer="ignored")
    lab.check(ROWS, "orders.csv")
    first = "upload.start" if session else "upload.plain"
    statuses = [entry["status"] for entry in lab.requests(first)]
    assert statuses[0] == (401 if bearer == "required" else statuses[-1])
    assert len(statuses) == (2 if bearer == "required" else 1)


def test_everything_is_created(lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path) -> None:
    lab.dataset += "_new"
    lab.table = f"{OWNER}.{lab.dataset}:next.orders"
    upload(write(tmp_path), table=lab.table, create_missing=True, dataset_options={"description": "d"})
    lab.check(ROWS, "orders.csv")


@pytest.mark.parametrize("operation", ["datasets.create", "tables.create"])
def test_what_is_created_is_created_once(lab: RedivisLab, tmp_path: Path, operation: str) -> None:
    lab.dataset += "_new"
    lab.table = f"{OWNER}.{lab.dataset}:next.orders"
    lab.fault(operation, "drop_reply_after_accepting")
    perform(lab.operator(write(tmp_path), table=lab.table, create_missing=True))
    lab.check(ROWS, "orders.csv")


def test_what_is_missing_is_named(lab: RedivisLab, tmp_path: Path) -> None:
    path = write(tmp_path)
    with pytest.raises(AirflowFailException, match="404"):
        perform(lab.operator(path, table=f"{OWNER}.{lab.dataset}:next.absent"))
    with pytest.raises(AirflowFailException, match=r"dataset .* does not exist"):
        perform(lab.operator(path, table=f"{OWNER}.absent:next.orders", create_missing=["table"]))
    assert lab.sent() == 0


def test_several_files_go_side_by_side(lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path, name=f"part{number}.csv")
    result = upload(tmp_path / "part*.csv")
    assert [each["name"] for each in result["uploads"]] == [f"part{number}.csv" for number in range(5)]
    lab.check(ROWS, *(f"part{number}.csv" for number in range(5)))


def test_one_bad_file_of_several_is_named(
    lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    write(tmp_path, name="good.csv")
    write(tmp_path, b"a,b\n1,2\n3\n", name="bad.csv")
    with pytest.raises(AirflowFailException, match="could not be parsed") as caught:
        upload(tmp_path / "*.csv")
    assert "Redivis upload bad.csv" in str(caught.value)


def test_renaming_and_leaving_alone(lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path) -> None:
    path = write(tmp_path)
    upload(path)
    path.write_bytes(OTHER)
    assert upload(path, on_conflict="rename")["name"] == "orders_2.csv"
    assert upload(path, on_conflict="rename")["name"] == "orders_2.csv"
    assert upload(path, on_conflict="skip")["name"] == "orders.csv"
    assert len(lab.uploads()) == 2
    assert lab.sent() == len(ROWS) + len(OTHER)


def test_names_with_one_address_are_not_mixed_up(lab: RedivisLab, tmp_path: Path) -> None:
    perform(lab.operator(write(tmp_path, name="a_csv"), file_type="delimited"))
    with pytest.raises(AirflowFailException, match="same address"):
        perform(lab.operator(write(tmp_path, OTHER, name="a.csv"), on_conflict="replace"))
    lab.check(ROWS, "a_csv")


def test_the_end_of_the_task_deletes_what_is_under_way_only(lab: RedivisLab, tmp_path: Path) -> None:
    task = lab.operator(write(tmp_path), wait=False)
    lab.sandbox.redivis_settings(queued_polls=1000)
    task.execute(TaskRun().context())
    task.on_kill()
    assert lab.uploads() == []
    lab.sandbox.redivis_settings(queued_polls=0)
    done = lab.operator(write(tmp_path))
    perform(done)
    done.on_kill()
    lab.check(ROWS, "orders.csv")


def test_a_kill_that_comes_late_is_mended(lab: RedivisLab, tmp_path: Path) -> None:
    """The retry adopts the upload, then the first attempt's end deletes it: it is sent anew."""
    path = write(tmp_path)
    lab.sandbox.redivis_settings(queued_polls=3)
    first = lab.operator(path, wait=False)
    first.execute(TaskRun().context())
    second = lab.operator(path)
    followed = second._follow

    def follow(*arguments: Any) -> Any:
        first.on_kill()
        second._follow = followed  # type: ignore[method-assign]
        return followed(*arguments)

    second._follow = follow  # type: ignore[method-assign, assignment]
    assert second.execute(TaskRun().context())["state"] == "succeeded"
    lab.check(ROWS, "orders.csv")


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_waits_for_what_an_operator_left(
    lab: RedivisLab, tmp_path: Path, *, deferrable: bool
) -> None:
    lab.sandbox.redivis_settings(queued_polls=2)
    reference = lab.operator(write(tmp_path), wait=False).execute(TaskRun().context())
    reference = json.loads(json.dumps(reference))
    for named in ({"upload": reference}, {"upload": "orders.csv", "table": lab.table}):
        sensor = RedivisUploadSensor(
            task_id="s", poke_interval=0.2, timeout=30, deferrable=deferrable, **named
        )
        assert perform(sensor)["row_count"] == 20_000


@pytest.mark.parametrize("deferrable", [False, True])
class TestRelease:
    """One release, whatever is lost."""

    def release(self, lab: RedivisLab, run: TaskRun | None = None, **changes: Any) -> Any:
        settings: dict[str, Any] = {"dataset": f"{OWNER}.{lab.dataset}", "release_notes": "new"}
        task = RedivisReleaseOperator(
            task_id="r", poll_interval=0.2, inline_wait=0, **{**settings, **changes}
        )
        return perform(task, (run or TaskRun()).context())

    def test_it_waits_until_it_is_released(self, lab: RedivisLab, *, deferrable: bool) -> None:
        lab.sandbox.redivis_settings(release_seconds=0.5)
        try:
            assert self.release(lab, deferrable=deferrable)["version"] == "v1.0"
        finally:
            lab.sandbox.redivis_settings(release_seconds=0.0)
        dataset = lab.client.get_dataset(f"{OWNER}.{lab.dataset}")
        assert dataset["version"]["isReleased"]
        assert dataset["version"]["releaseNotes"] == "new"

    @pytest.mark.parametrize(
        "action", [{"action": "drop_reply_after_accepting"}, {"action": "reply", "status": 502}]
    )
    def test_a_lost_reply_makes_no_second_one(
        self, lab: RedivisLab, action: dict[str, Any], *, deferrable: bool
    ) -> None:
        lab.fault("versions.release", **action)
        assert self.release(lab, deferrable=deferrable)["version"] == "v1.0"

    def test_a_retry_releases_nothing_new(self, lab: RedivisLab, *, deferrable: bool) -> None:
        attempts = Attempts()
        self.release(lab, attempts, deferrable=deferrable)
        lab.client.create_version(f"{OWNER}.{lab.dataset}")
        assert self.release(lab, attempts, deferrable=deferrable)["version"] == "v1.0"
        dataset = lab.client.get_dataset(f"{OWNER}.{lab.dataset}")
        assert not dataset["nextVersion"]["isReleased"]

    def test_what_is_missing_fails(self, lab: RedivisLab, *, deferrable: bool) -> None:
        with pytest.raises(AirflowFailException, match="404"):
            self.release(lab, dataset=f"{OWNER}.absent", deferrable=deferrable)


def test_a_wrong_token_is_said_at_once(lab: RedivisLab, tmp_path: Path) -> None:
    lab.client = lab.client_with("wrong")
    with pytest.raises(AirflowFailException, match="401"):
        perform(lab.operator(write(tmp_path)))
    assert not lab.clock.pauses


def test_head_is_understood(lab: RedivisLab) -> None:
    assert not lab.client.upload_exists(lab.table, "orders.csv")
    lab.client.put_upload(lab.table, io.BytesIO(ROWS), "orders.csv")
    assert lab.client.upload_exists(lab.table, "orders.csv")
    with pytest.raises(ServiceError, match="invalid_token"):
        lab.client_with("wrong").upload_exists(lab.table, "orders.csv")
