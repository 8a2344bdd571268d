"""What the operators send, wait for, compare, return and refuse."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_jobs.clients.redivis.replies import Expected
from airflow_provider_jobs.clients.redivis.submit import UploadRequest, UploadSubmission
from airflow_provider_jobs.errors import DeadlineExceeded, JobFailed, OutageError
from airflow_provider_jobs.jobs import JobProblem, JobRef, JobState, JobStatus
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator, RedivisUploadOperator
from tests.unit import tasks
from tests.unit.tasks import deferred, event, faked

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.triggers.job import JobTrigger


TABLE = "acme.sales:next.orders"


STATISTICS = {"name": "orders.csv", "row_count": 1, "size_bytes": 5, "hash": "ab" * 16, "bad_record_count": 0}


EXPECTED = Expected(5, "ab" * 16)


def context(**changes: Any) -> Any:
    return tasks.context(**{"start_date": dt.datetime.now(dt.UTC), **changes})


def run(task: Any, with_context: Any = None) -> Any:
    return tasks.run(task, with_context or context())


def ref(name: str = "orders.csv") -> JobRef:
    return JobRef("redivis", TABLE, f"/tables/t/uploads/{name.replace('.', '_')}")


def status(state: str = "succeeded", name: str = "orders.csv", **changes: Any) -> JobStatus:
    statistics = {**STATISTICS, "name": name, **changes}
    problem = JobProblem("the upload", "Row 3 is bad") if state == "failed" else None
    return JobStatus(
        ref(name), JobState(state), state, title=f"upload {name}", problem=problem, statistics=statistics
    )


class Client:
    """Tells of each upload what it is told to tell, and keeps what it was asked."""

    def __init__(
        self,
        *found: JobStatus,
        expected: Expected | None = EXPECTED,
        adopted: bool = False,
        shared: bool = False,
    ) -> None:
        self.found = list(found)
        self.expected = expected
        self.adopted = adopted
        self.shared = shared
        self.requests: list[UploadRequest] = []
        self.cancelled: list[JobRef] = []
        self.asked: list[str] = []

    def submit(self, request: UploadRequest) -> UploadSubmission:
        self.requests.append(request)
        found = status("pending", request.key)
        return UploadSubmission(
            found, self.adopted, self.expected is None, shared=self.shared, expected=self.expected
        )

    def status(self, ref: JobRef) -> JobStatus:
        return self.found.pop(0) if len(self.found) > 1 else self.found[0]

    def failing_statement(self, status: JobStatus) -> str | None:
        return None

    def cancel(self, ref: JobRef) -> None:
        self.cancelled.append(ref)

    def __getattr__(self, name: str) -> Any:
        def ask(what: str, *arguments: Any, **options: Any) -> dict[str, Any]:
            self.asked.append(f"{name} {what}")
            return {"version": {"tag": "next", "isReleased": False}}

        if name.startswith(("find", "create_", "update_", "get_")):
            return ask
        raise AttributeError(name)

    @staticmethod
    def repeat(step: Any) -> Any:
        return step()


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "orders.csv").write_bytes(b"hello")
    return str(tmp_path / "orders.csv")


def operator(client: Client, source: Any, **changes: Any) -> Any:
    settings = {"task_id": "task", "table": TABLE, "poll_interval": 0.01, "inline_wait": 0.0, **changes}
    return faked(RedivisUploadOperator(source=source, **settings), client)


def resume(task: Any, trigger: JobTrigger, found: JobStatus, **changes: Any) -> Any:
    """Go on as Airflow does, in another process: what was carried comes back as JSON."""
    again = operator(task.client(), task.source)
    return again.execute_complete(context(), event(found, carried=trigger.carried, **changes))


def deferred_of(task: Any) -> JobTrigger:
    return deferred(task, context())


def test_the_result_says_what_arrived(file: str) -> None:
    result = run(operator(Client(status()), file))
    assert result.pop("duration_seconds") >= 0
    assert result == {"job_id": ref().id, "table": TABLE, "state": "succeeded", **STATISTICS}


def test_deferred_it_says_the_same(file: str) -> None:
    task = operator(Client(status()), file, deferrable=True)
    there, here = resume(task, deferred_of(task), status()), run(operator(Client(status()), file))
    assert there | {"duration_seconds": 0.0} == here | {"duration_seconds": 0.0}


def test_parameters_become_fields(file: str) -> None:
    client = Client(status())
    task = operator(
        client,
        file,
        file_type="delimited",
        has_header_row=False,
        delimiter=";",
        null_markers=["NA"],
        skip_bad_records=True,
        options={"quoteCharacter": "'"},
        upload_name="o.csv",
        on_conflict="rename",
        session_bytes=7,
        expected_row_count="1",
    )
    run(task)
    (request,) = client.requests
    assert request.body == {
        "type": "delimited",
        "hasHeaderRow": False,
        "delimiter": ";",
        "nullMarkers": ["NA"],
        "skipBadRecords": True,
        "quoteCharacter": "'",
    }
    assert (request.scope, request.key, request.on_conflict) == (TABLE, "o.csv", "rename")
    assert (request.session_bytes, request.row_count) == (7, 1)


def test_nothing_more_is_asked_unless_wanted(file: str) -> None:
    client = Client(status())
    run(operator(client, file))
    assert client.asked == []


def test_what_is_missing_is_created_if_wanted(file: str) -> None:
    client = Client(status())
    run(operator(client, file, create_missing=True, merge_strategy="replace"))
    assert client.asked == [
        "find /datasets/acme.sales",
        "find /tables/acme.sales%3Anext.orders",
        "update_table acme.sales:next.orders",
    ]


@pytest.mark.parametrize("changes", [{"size_bytes": 4}, {"hash": "cd" * 16}, {"bad_record_count": 2}])
@pytest.mark.parametrize("deferrable", [True, False])
def test_what_arrived_otherwise_fails_without_retry(
    file: str, changes: dict[str, Any], *, deferrable: bool
) -> None:
    found = status(**changes)
    task = operator(Client(found), file, deferrable=deferrable)
    with pytest.raises(AirflowFailException, match="not what was sent"):
        resume(task, deferred_of(task), found) if deferrable else run(task)


@pytest.mark.parametrize("deferrable", [True, False])
def test_what_somebody_else_was_sending_may_turn_out_to_be_other_bytes(
    file: str, *, deferrable: bool
) -> None:
    """Redivis need not tell the MD5 of an upload that is under way. A retry finds it complete."""
    client, found = Client(status(hash="cd" * 16), adopted=True, shared=True), status(hash="cd" * 16)
    task = operator(client, file, deferrable=deferrable, on_conflict="rename")
    with pytest.raises(JobFailed, match="somebody else has sent other bytes under its name") as caught:
        resume(task, deferred_of(task), found) if deferrable else run(task)
    assert caught.value.retryable
    assert client.cancelled == []


def test_what_is_somebody_elses_is_not_compared(file: str) -> None:
    """What is left alone is not waited for, and not deleted when the task ends."""
    client = Client(expected=None)
    task = operator(client, file, on_conflict="skip")
    assert run(task)["state"] == "pending"
    task.on_kill()
    assert client.cancelled == []


def test_a_failed_upload_fails_with_what_redivis_said(file: str) -> None:
    with pytest.raises(AirflowFailException, match="Row 3 is bad"):
        run(operator(Client(status("failed")), file))


def test_an_adopted_upload_that_was_deleted_is_sent_anew(file: str) -> None:
    client = Client(status("cancelled"), status(), adopted=True)
    run(operator(client, file))
    assert len(client.requests) == 2


def test_several_files_are_several_uploads(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(b"hello")
    client = Client(status())
    task = operator(client, f"{tmp_path}/*.csv", wait=False)
    reference = run(task)
    assert sorted(request.key for request in client.requests) == ["a.csv", "b.csv"]
    assert reference["job_id"] == "/tables/t/uploads/a_csv /tables/t/uploads/b_csv"
    assert [each["name"] for each in reference["uploads"]] == ["a.csv", "b.csv"]
    task.on_kill()
    assert sorted(each.id for each in client.cancelled) == reference["job_id"].split(" ")


def test_each_of_several_uploads_is_compared_with_what_was_sent(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(b"hello")
    task = operator(Client(status()), f"{tmp_path}/*.csv", deferrable=True)
    carried = deferred_of(task).carried
    told = event(status(name="a.csv"), status(name="b.csv", size_bytes=4), carried=carried)
    with pytest.raises(
        AirflowFailException, match=r"not what was sent.*upload b\.csv.*size in bytes is 5 here, 4"
    ):
        operator(Client(), "unused").execute_complete(context(), told)


def test_a_task_that_the_version_before_deferred_compares_too() -> None:
    """It kept what the uploads have to be beside the trigger."""
    found = status(size_bytes=4)
    old = {"outcome": "ended", "ref": ref().to_json(), "adopted": False, "status": {}}
    with pytest.raises(AirflowFailException, match="not what was sent"):
        operator(Client(found), "unused").execute_complete(
            context(), old, expected={ref().id: EXPECTED.to_json()}
        )


@pytest.mark.parametrize(("cancel_on_kill", "made", "deleted"), [(True, 1, 1), (False, 1, 0)])
def test_who_is_killed_while_files_are_sent_sends_no_more(
    tmp_path: Path, made: int, deleted: int, *, cancel_on_kill: bool
) -> None:
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).write_bytes(b"hello")

    class Killing(Client):
        def submit(self, request: UploadRequest) -> UploadSubmission:
            task.on_kill()
            return super().submit(request)

    client = Killing(status())
    settings: dict[str, Any] = {"parallel_uploads": 1, "wait": False, "cancel_on_kill": cancel_on_kill}
    task = operator(client, f"{tmp_path}/*.csv", **settings)
    with pytest.raises(OutageError, match="the task was ended while it ran"):
        run(task)
    assert len(client.requests) == made
    assert len(client.cancelled) == deleted


def test_the_name_and_place_of_it_are_known_from_submission_on(file: str) -> None:
    with_context = context()
    task = operator(Client(status()), file, deferrable=True)
    with pytest.raises(TaskDeferred):
        run(task, with_context)
    assert with_context["ti"].pushed["job"]["job_id"] == ref().id


def test_the_end_of_the_task_deletes_the_upload(file: str) -> None:
    client = Client(status())
    task = operator(client, file, wait=False)
    run(task)
    task.on_kill()
    assert client.cancelled == [ref()]


def test_the_deadline_deletes_it_too(file: str) -> None:
    client = Client(status("cancelled"))
    task = operator(client, file, execution_timeout=dt.timedelta(seconds=-1))
    with pytest.raises(DeadlineExceeded, match="execution_timeout"):
        run(task)
    assert client.cancelled == [ref()]


def test_waiting_ends_by_default() -> None:
    assert RedivisUploadOperator(task_id="t", source="x", table=TABLE).execution_timeout == dt.timedelta(
        days=1
    )
    release = RedivisReleaseOperator(task_id="t", dataset="acme.sales")
    assert release.execution_timeout == dt.timedelta(hours=1)
    patient = RedivisUploadOperator(task_id="t", source="x", table=TABLE, execution_timeout=None)
    assert patient.execution_timeout is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"source": "/nowhere/orders.csv"}, "cannot be read: No such file"),
        ({"source": "/"}, "is not a file"),
        ({"source": []}, "source is empty"),
        ({"table": "orders"}, "table 'orders' has 1 parts"),
        ({"table": "acme.sales:v1_0.orders"}, "table 'acme.sales:v1_0.orders' is a released version"),
        ({"upload_name": "a\nb"}, "upload_name"),
        ({"upload_name": ["a.csv"]}, "upload_name .* is not a name that an upload can have"),
        ({"file_type": "csv"}, "type is 'csv'"),
        ({"options": {"x": 1}}, "options holds 'x'"),
        ({"on_conflict": "ask"}, "on_conflict"),
        ({"flow": "x"}, "flow"),
        ({"merge_strategy": "x"}, "merge_strategy"),
        ({"create_missing": ["row"]}, "create_missing"),
        ({"create_missing": "table"}, "create_missing"),
        ({"owner_type": "x"}, "owner_type"),
        ({"expected_row_count": "many"}, "expected_row_count"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(file: str, changes: dict[str, Any], says: str) -> None:
    client = Client(status())
    with pytest.raises(AirflowFailException, match=says):
        run(operator(client, **{"source": file, **changes}))
    assert (client.requests, client.asked) == ([], [])


def test_files_whose_uploads_would_be_one_are_refused(tmp_path: Path) -> None:
    for name in ("a.csv", "a_csv"):
        (tmp_path / name).write_bytes(b"x")
    sources = [str(tmp_path / "a.csv"), str(tmp_path / "a_csv")]
    with pytest.raises(AirflowFailException, match=r"whose uploads are one: a.csv, a_csv"):
        run(operator(Client(status()), sources))
    with pytest.raises(AirflowFailException, match="upload_name clashes"):
        run(operator(Client(status()), sources, upload_name="b.csv"))
    with pytest.raises(AirflowFailException, match="expected_row_count clashes"):
        run(operator(Client(status()), [sources[0], __file__], expected_row_count=1))


@pytest.mark.parametrize("on_conflict", ["fail", "replace", "rename"])
def test_files_of_one_name_in_several_folders_are_refused(tmp_path: Path, on_conflict: str) -> None:
    """Else one would replace the other, or be taken for it."""
    for name in ("north", "south"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_bytes(name.encode())
    client = Client(status())
    with pytest.raises(
        AirflowFailException, match=r"are one: a\.csv, a\.csv; send them by tasks of their own"
    ):
        run(operator(client, str(tmp_path / "*" / "a.csv"), on_conflict=on_conflict))
    assert (client.requests, client.asked) == ([], [])


def test_no_file_is_sent_at_a_time() -> None:
    with pytest.raises(ValueError, match="parallel_uploads"):
        RedivisUploadOperator(task_id="t", source="x", table=TABLE, parallel_uploads=0)
