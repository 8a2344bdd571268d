"""Several jobs of one task: one state, one summary, one report, one parallel cancel."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.several import Several
from airflow_provider_jobs.errors import NotFoundError, ServiceError, TransportError
from airflow_provider_jobs.jobs import SHOWN_PROBLEMS, JobProblem, JobRef, JobState, JobStatus

TOGETHER = Several("BigQuery jobs", "jobs", shared=("project_id", "location"), summed=("row_count",))
A, B = (JobRef("bigquery", "p", name, "EU", created_at=at) for name, at in (("a", 100.0), ("b", 500.0)))
#: No test waits longer for anything; seconds.
PATIENCE = 10.0


def status(ref: JobRef, state: str = "succeeded", *reasons: str, **more: Any) -> JobStatus:
    problems = tuple(JobProblem(reason, "m", "f.csv") for reason in reasons)
    more = {"title": "BigQuery load job", "url": f"https://console/{ref.id}", **more}
    return JobStatus(
        ref,
        JobState(state),
        "DONE",
        problem=problems[0] if problems else None,
        problems=problems,
        problem_count=len(problems),
        **more,
    )


def of_one(found: JobStatus) -> dict[str, Any]:
    place = {"project_id": found.ref.scope, "location": found.ref.location}
    return {**place, "job_id": found.ref.id, "state": found.state, **found.statistics, "url": found.url}


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (("succeeded", "running", "failed"), "running"),
        (("pending", "failed"), "pending"),
        (("succeeded", "failed", "cancelled"), "failed"),
        (("succeeded", "cancelled"), "cancelled"),
        (("succeeded", "succeeded"), "succeeded"),
    ],
)
def test_one_state_stands_for_all(states: tuple[str, ...], state: str) -> None:
    assert several.state_of([status(A, each) for each in states]) is JobState(state)


def test_ids_are_one_text_and_several_again() -> None:
    assert several.joined_ids([A, B]) == "a b"
    assert several.split_ids("a b") == ["a", "b"]
    assert several.split_ids(several.joined_ids([A])) == ["a"]


@given(
    start=st.text("ab_/%{,", max_size=9),
    ids=st.lists(st.text("ab_/%{},", min_size=1, max_size=9), max_size=60, unique=True),
)
def test_the_ids_of_very_many_jobs_come_back(start: str, ids: list[str]) -> None:
    refs = [JobRef("bigquery", "p", start + each) for each in ids]
    assert several.split_ids(several.joined_ids(refs)) == ([ref.id for ref in refs] or [""])


def test_what_very_many_ids_share_is_written_once() -> None:
    refs = [JobRef("bigquery", "p", f"{'long' * 50}_{number}") for number in range(300)]
    assert len(several.joined_ids(refs)) < 1500
    twenty = several.joined_ids(refs[:20])
    assert twenty.split() == [ref.id for ref in refs[:20]]  # as it has always been
    assert several.split_ids(" ".join(ref.id for ref in refs)) == [
        ref.id for ref in refs
    ]  # of earlier builds


def test_a_result_lists_the_first_jobs_and_sums_all() -> None:
    refs = [JobRef("bigquery", "p", f"job_{number}", "EU") for number in range(30)]
    found = several.summary([status(ref, statistics={"row_count": 2}) for ref in refs], of_one, TOGETHER)
    assert (found["job_count"], found["row_count"], found["location"]) == (30, 60, "EU")
    assert [job["job_id"] for job in found["jobs"]] == [ref.id for ref in refs[:20]]


def test_jobs_in_several_places_are_all_listed() -> None:
    """The list alone says where each of them is."""
    refs = [JobRef("bigquery", "p", f"job_{number}", f"region-{number % 2}") for number in range(30)]
    found = several.summary([status(ref) for ref in refs], of_one, TOGETHER)
    assert [job["location"] for job in found["jobs"]] == [ref.location for ref in refs]
    assert several.names([A, B]) == "p:EU:a, p:EU:b"


def test_references_are_read_as_they_are_written_and_as_they_were() -> None:
    assert several.refs_of({"refs": [A.to_json(), B.to_json()]}) == [A, B]
    assert several.refs_of({"ref": {**A.to_json(), "id": "a b"}}) == [A, B]
    assert several.refs_of({"ref": A.to_json()}) == [A]


class TestSummary:
    """What a result says."""

    def test_one_job_is_itself(self) -> None:
        assert several.summary([status(A)], of_one, TOGETHER) == of_one(status(A))

    def test_several_are_told_with_what_they_share_their_sums_and_each(self) -> None:
        found = [
            status(A, statistics={"row_count": 3, "slot_ms": 1}),
            status(B, "running", statistics={"row_count": 4}),
        ]
        assert several.summary(found, of_one, TOGETHER) == {
            "job_count": 2,
            "project_id": "p",
            "location": "EU",
            "job_id": "a b",
            "state": "running",
            "row_count": 7,
            "jobs": [of_one(each) for each in found],
            "url": "https://console/b",
        }

    def test_what_they_do_not_share_or_not_all_tell_is_left_out(self) -> None:
        elsewhere = JobRef("bigquery", "p", "b", "US")
        found = several.summary([status(A, statistics={"row_count": 3}), status(elsewhere)], of_one, TOGETHER)
        assert "location" not in found
        assert "row_count" not in found
        assert [each["location"] for each in found["jobs"]] == ["EU", "US"]


class TestReport:
    """What a failure says."""

    def test_one_job_is_itself(self) -> None:
        found = status(A, "failed", "invalid")
        assert several.report([found], TOGETHER) is found

    def test_each_problem_names_its_job(self) -> None:
        found = [status(A, "cancelled", "stopped"), status(B, "failed", "invalid", "badRow", "badRow")]
        report = several.report(found, TOGETHER)
        assert report.state is JobState.FAILED
        assert report.failure_report().splitlines() == [
            "2 BigQuery jobs failed: invalid (b, f.csv): m",
            "  error 1: stopped (a, f.csv): m",
            "  error 2: badRow (b, f.csv): m",
            "  error 3: badRow (b, f.csv): m",
            "  job: p:EU:a b",
            "  console: https://console/b",
        ]

    def test_a_title_of_its_own_names_a_job_better_than_its_id(self) -> None:
        found = [status(A, "failed", "x", title="upload a.csv"), status(B, title="upload b.csv")]
        assert str(several.report(found, TOGETHER).problem) == "x (upload a.csv, f.csv): m"

    def test_the_first_problems_are_shown_and_all_are_counted(self) -> None:
        many = [status(ref, "failed", *["x"] * 15) for ref in (A, B)]
        report = several.report(many, TOGETHER)
        assert (len(report.problems), report.problem_count) == (SHOWN_PROBLEMS, 30)

    @pytest.mark.parametrize(
        ("found", "retryable"),
        [
            ([("failed", True), ("failed", True)], True),
            ([("failed", True), ("cancelled", False)], True),
            ([("failed", True), ("failed", False)], False),
            ([("cancelled", False), ("cancelled", False)], False),
        ],
    )
    def test_a_retry_has_to_help_each_failed_job(
        self, found: list[tuple[str, bool]], *, retryable: bool
    ) -> None:
        statuses = [
            status(ref, state, "reason", retryable=worth)
            for ref, (state, worth) in zip((A, B), found, strict=True)
        ]
        assert several.report(statuses, TOGETHER).retryable is retryable

    def test_one_that_failed_without_a_reason_counts_too(self) -> None:
        statuses = [status(A, "failed", "reason", retryable=True), status(B, "failed")]
        assert not several.report(statuses, TOGETHER).retryable


class TestCancel:
    """Airflow leaves a task five seconds."""

    def test_eight_go_out_at_once(self) -> None:
        """Each waits for seven others: fewer at once would never get past the barrier."""
        barrier, cancelled = threading.Barrier(several.CANCELS_AT_ONCE), list[str]()

        class Client:
            def cancel(self, ref: JobRef) -> bool:
                barrier.wait(PATIENCE)
                cancelled.append(ref.id)
                return False

        refs = [JobRef("bigquery", "p", str(number)) for number in range(40)]
        several.cancel_all(Client(), refs)
        assert sorted(cancelled, key=int) == [ref.id for ref in refs]

    def test_a_failure_leaves_out_no_other(self) -> None:
        cancelled = list[str]()

        class Client:
            def cancel(self, ref: JobRef) -> bool:
                cancelled.append(ref.id)
                raise TransportError(f"{ref.id} is cut")

        outcomes = several.cancel_all(Client(), [A, B, JobRef("bigquery", "p", "c")])
        assert sorted(cancelled) == ["a", "b", "c"]
        assert {str(outcome) for outcome in outcomes.values()} == {"a is cut", "b is cut", "c is cut"}

    def test_what_waits_for_a_lock_of_the_interrupted_frame_is_cancelled_too(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(several, "JOIN_SECONDS", 0.01)
        lock, cancelled = threading.RLock(), set[str]()

        class Client:
            def cancel(self, ref: JobRef) -> bool:
                with lock:
                    cancelled.add(ref.id)
                return False

        with lock:  # as a handler finds it that interrupts a renewal of the token
            several.cancel_all(Client(), [A, B, JobRef("bigquery", "p", "c")])
            assert cancelled == {"a", "b", "c"}

    def test_nothing_is_cancelled_of_no_jobs(self) -> None:
        assert several.cancel_all(None, []) == {}  # type: ignore[arg-type]


class Service:
    """Answers cancels as it is told to, in turn."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def cancel(self, ref: JobRef) -> bool:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer == "ended"


HIDDEN = NotFoundError("not found", status=404, reason="notFound")
DENIED = ServiceError("denied", status=403, reason="accessDenied")


class TestCancels:
    """A cancel that did not arrive is not done, and the log says what is true."""

    def told(self, cancels: several.Cancels, caplog: pytest.LogCaptureFixture) -> str:
        with caplog.at_level(logging.INFO):
            cancels.tell(logging.getLogger("test"))
        return caplog.text

    @pytest.mark.parametrize("refusal", [HIDDEN, DENIED])
    def test_who_is_refused_asks_again(self, refusal: Exception, caplog: pytest.LogCaptureFixture) -> None:
        cancels = several.Cancels(Service(refusal, "asked"), [A], "of the test")
        assert [cancels.ask(), cancels.ask()] == [True, False]
        assert not cancels.failed
        assert "asked p:EU:a to stop, since of the test" in self.told(cancels, caplog)

    def test_only_those_that_were_refused_are_asked_for_again(self) -> None:
        service = Service("asked", HIDDEN, "ended")
        cancels = several.Cancels(service, [A, B], "")
        while cancels.ask():
            pass
        assert service.asked == 3

    def test_what_has_ended_by_itself_is_told_so(self, caplog: pytest.LogCaptureFixture) -> None:
        cancels = several.Cancels(Service("ended"), [A], "")
        assert not cancels.ask()
        assert "p:EU:a had ended by itself" in self.told(cancels, caplog)
        assert "asked" not in caplog.text

    @pytest.mark.parametrize(
        ("refusal", "again", "says"),
        [
            (HIDDEN, True, "could not be cancelled, since it is not found"),
            (DENIED, True, "could not be cancelled, and may run on: denied"),
            (TransportError("cut"), False, "could not be cancelled, and may run on: cut"),
        ],
    )
    def test_what_was_not_stopped_is_told_so(
        self, refusal: Exception, says: str, caplog: pytest.LogCaptureFixture, *, again: bool
    ) -> None:
        cancels = several.Cancels(Service(refusal), [A], "")
        assert cancels.ask() is again
        assert cancels.failed
        assert says in self.told(cancels, caplog)


@pytest.mark.parametrize(
    ("follows", "later"),
    [
        ({"try_number": 2, "job_id": "a b"}, True),
        ({"try_number": 2, "job_id": "c"}, False),
        ({"try_number": 1, "job_id": "a"}, False),
        ({"job_id": "a"}, False),
        (None, False),
        ("text", False),
    ],
)
def test_who_follows_a_job_later(follows: Any, *, later: bool) -> None:
    assert several.followed_later(follows, 1, [JobRef("s", "p", "a"), JobRef("s", "p", "x")]) is later


def test_documents_of_several_jobs_are_short() -> None:
    """They go into the row of a task: what only lineage of one job tells is left out."""
    ref = JobRef("bigquery", "p", "a")
    told = JobStatus(ref, JobState.SUCCEEDED, "DONE", lineage={"reads": ["p.d.t"], "job": "{}"})
    [one] = several.documents([told])
    assert one["lineage"] == told.lineage
    assert [each["lineage"] for each in several.documents([told, told])] == [{"reads": ["p.d.t"]}] * 2
