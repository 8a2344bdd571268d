"""Redivis's operators and sensor against the sandbox, in both modes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.errors import ProtocolError
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator
from airflow_provider_jobs.sensors.redivis import RedivisUploadSensor
from tests.integration.redivis.lab import OTHER, OWNER, ROWS, SESSION, RedivisLab, write
from tests.integration.task_run import Attempts, TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_file_becomes_rows(lab: RedivisLab, upload: Callable[..., Any], tmp_path: Path) -> None:
    result = upload(write(tmp_path))
    assert result["job_id"].endswith("/uploads/orders_csv")
    assert (result["table"], result["name"], result["state"]) == (lab.table, "orders.csv", "succeeded")
    assert (result["row_count"], result["size_bytes"], result["bad_record_count"]) == (20_000, len(ROWS), 0)
    lab.check(ROWS, "orders.csv")
    assert lab.sent() == len(ROWS)


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
    assert again == {name: value for name, value in first.items() if name != "duration_seconds"}
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


@pytest.mark.parametrize("session", [{}, SESSION])
def test_a_foreign_storage_gets_the_token_only_with_the_switch(
    lab: RedivisLab, tmp_path: Path, session: dict[str, int]
) -> None:
    task = lab.operator(write(tmp_path), **session)
    lab.sandbox.redivis_settings(storage="foreign", storage_bearer="required")
    try:
        with pytest.raises(
            AirflowFailException, match=r"localhost:.* only if the connection sets storage_token"
        ):
            perform(task)
        lab.client = lab.client_with(lab.sandbox.redivis_token, storage_token=True)
        perform(task)
    finally:
        lab.sandbox.redivis_settings(storage="own", storage_bearer="ignored")
    lab.check(ROWS, "orders.csv")
    first = "upload.start" if session else "upload.plain"
    statuses = [entry["status"] for entry in lab.requests(first)]
    assert (statuses[0], len(statuses)) == (401, 2)


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


@pytest.mark.parametrize(
    ("name", "renamed"),
    [
        (".csv", "_2.csv"),
        ("..csv", "_2..csv"),
        ("x.tar.csv", "x_2.tar.csv"),
        ("100% #1 é☃.csv", "100% #1 é☃_2.csv"),
        ("a%2Fb?c&d=e.csv", "a%2Fb?c&d=e_2.csv"),
    ],
)
def test_whatever_a_file_is_called_it_keeps_its_name_and_type(
    lab: RedivisLab, tmp_path: Path, name: str, renamed: str
) -> None:
    for content, called in ((ROWS, name), (OTHER, renamed), (OTHER, renamed)):
        path = write(tmp_path, content, name)
        assert perform(lab.operator(path, on_conflict="rename"))["name"] == called
    assert {each["name"] for each in lab.uploads()} == {name, renamed}


@pytest.mark.parametrize("operation", ["tables.update", "uploads.create", "uploads.get", "uploads.delete"])
def test_an_error_that_comes_with_200_is_one(lab: RedivisLab, tmp_path: Path, operation: str) -> None:
    perform(lab.operator(write(tmp_path)))
    told = {"error": "server_error", "error_description": "out of order"}
    lab.fault(operation, "patch", document=told, times=0)
    again = lab.operator(write(tmp_path, OTHER), on_conflict="replace", merge_strategy="replace")
    with pytest.raises(AirflowFailException, match="Redivis answered 200 server_error: out of order"):
        perform(again)


def test_a_merge_strategy_that_redivis_does_not_take_is_told(lab: RedivisLab, tmp_path: Path) -> None:
    """Else a task ends with success that has replaced no row of the version before."""
    lab.fault("tables.update", "patch", document={"uploadMergeStrategy": "append"}, times=0)
    with pytest.raises(ProtocolError, match="was set to replace, and Redivis says that it is append"):
        perform(lab.operator(write(tmp_path), merge_strategy="replace"))
    assert lab.sent() == 0


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
def test_a_sensor_looks_again_for_an_upload_that_is_not_shown_yet(
    lab: RedivisLab, tmp_path: Path, *, deferrable: bool
) -> None:
    """And fails if it stays away."""
    reference = lab.operator(write(tmp_path), wait=False).execute(TaskRun().context())
    settings: dict[str, Any] = {"task_id": "s", "poke_interval": 0.2, "deferrable": deferrable}
    lab.fault("uploads.get", "not_found", times=2)
    assert perform(RedivisUploadSensor(upload=reference, timeout=30, **settings))["row_count"] == 20_000
    lab.fault("uploads.get", "not_found", times=0)
    with pytest.raises(AirflowFailException, match="is not there"):
        perform(RedivisUploadSensor(upload=reference, timeout=0.8, **settings))


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

    def test_the_next_version_may_be_named(self, lab: RedivisLab, *, deferrable: bool) -> None:
        named = f"{OWNER}.{lab.dataset}:next"
        assert self.release(lab, dataset=named, deferrable=deferrable)["dataset"] == named.removesuffix(
            ":next"
        )

    @pytest.mark.parametrize(
        ("version", "says"),
        [
            (":v1_0", "which is what can be released: write acme"),
            (":current", "another version than the next one"),
            (":sample", "is a sample: name the dataset itself"),
            (":sample:next", "is a sample"),
            (":v1.0", "with an underscore"),
        ],
    )
    def test_what_cannot_be_released_is_refused(
        self, lab: RedivisLab, version: str, says: str, *, deferrable: bool
    ) -> None:
        """It was released all the same: another version than the task names."""
        with pytest.raises(AirflowFailException, match=says):
            self.release(lab, dataset=f"{OWNER}.{lab.dataset}{version}", deferrable=deferrable)
        assert lab.requests() == []

    def test_what_is_missing_fails(self, lab: RedivisLab, *, deferrable: bool) -> None:
        with pytest.raises(AirflowFailException, match="404"):
            self.release(lab, dataset=f"{OWNER}.absent", deferrable=deferrable)


def test_a_wrong_token_is_said_at_once(lab: RedivisLab, tmp_path: Path) -> None:
    lab.client = lab.client_with("wrong")
    with pytest.raises(AirflowFailException, match="401"):
        perform(lab.operator(write(tmp_path)))
    assert not lab.clock.pauses


@pytest.mark.parametrize("deferrable", [False, True])
class TestIncomplete:
    """What is not in a release never will be."""

    def release(self, lab: RedivisLab, *, deferrable: bool, **changes: Any) -> Any:
        task = RedivisReleaseOperator(
            task_id="r",
            dataset=f"{OWNER}.{lab.dataset}",
            poll_interval=0.2,
            inline_wait=0,
            deferrable=deferrable,
            **changes,
        )
        return perform(task, TaskRun().context())

    def version(self, lab: RedivisLab) -> Any:
        return lab.client.get_dataset(f"{OWNER}.{lab.dataset}")["version"]

    @pytest.mark.parametrize("broken", ["upload", "table", "both"])
    def test_it_is_refused_and_named(
        self,
        lab: RedivisLab,
        tmp_path: Path,
        broken: str,
        caplog: pytest.LogCaptureFixture,
        *,
        deferrable: bool,
    ) -> None:
        perform(lab.operator(write(tmp_path)))
        says = []
        if broken != "table":
            bad = write(tmp_path, b"a,b\n1,2,3\n", "bad.csv")
            with pytest.raises(AirflowFailException):
                perform(lab.operator(bad, file_type="delimited", options={"quoteCharacter": '"'}))
            says.append("upload bad.csv of table orders has failed")
        if broken != "upload":
            new = f"{OWNER}.{lab.dataset}:next.late"
            with pytest.raises(AirflowFailException):
                perform(lab.operator("/nowhere.csv", table=new, create_missing=True))
            lab.fault("uploads.create", "reply", status=403, times=0)
            with pytest.raises(AirflowFailException):
                perform(lab.operator(write(tmp_path), table=new, create_missing=True))
            lab.sandbox.clear_faults()
            says.append("table late, which was made for an upload, has none that is complete")
        with pytest.raises(AirflowFailException, match=r"is not complete.*Nothing is released") as caught:
            self.release(lab, deferrable=deferrable)
        assert [text for text in says if text not in str(caught.value)] == []
        assert not self.version(lab)["isReleased"]
        assert self.release(lab, deferrable=deferrable, on_incomplete="warn")["version"] == "v1.0"
        assert [text for text in says if text not in caplog.text] == []

    def test_what_is_complete_is_released(self, lab: RedivisLab, tmp_path: Path, *, deferrable: bool) -> None:
        new = f"{OWNER}.{lab.dataset}:next.more"
        perform(lab.operator(write(tmp_path), table=new, create_missing=True))
        empty = f"{OWNER}.{lab.dataset}:next.empty"
        perform(lab.operator(write(tmp_path, b"a,b\n", "empty.csv"), table=empty, create_missing=True))
        assert self.release(lab, deferrable=deferrable)["version"] == "v1.0"
