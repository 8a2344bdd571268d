"""Which records were rejected, and how many of them are too many."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.http.stream import StreamedReply
from airflow_provider_jobs.errors import ProtocolError, ServiceError
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from airflow_provider_jobs.operators.salesforce.rejections import check_counts, counted, rejected, tolerated

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = "750000000000001"


def statuses(*counts: tuple[int | None, int | None]) -> list[JobStatus]:
    return [
        JobStatus(
            JobRef("salesforce", "o", f"{ID[:-1]}{number}", "v59.0/jobs/ingest"),
            JobState.SUCCEEDED,
            "JobComplete",
            title="job",
            statistics={"record_count": done, "failed_record_count": failed},
        )
        for number, (done, failed) in enumerate(counts)
    ]


class Client:
    """Sends CSV in blocks."""

    most_page_bytes = 1024**3

    def __init__(self, *answers: bytes | Exception, block: int = 7) -> None:
        self.answers = list(answers)
        self.block = block
        self.asked: list[str] = []

    def repeat(self, step: Any, _: Any) -> Any:
        return step()

    @contextmanager
    def csv(self, path: str, params: Any) -> Iterator[StreamedReply]:
        self.asked.append(path)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        blocks = (answer[at : at + self.block] for at in range(0, len(answer), self.block))
        yield StreamedReply(200, {"Content-Length": str(len(answer))}, blocks)


@pytest.mark.parametrize(
    ("limits", "failed", "allowed"),
    [
        ((None, None), 0, True),
        ((None, None), 1, False),
        ((2, None), 2, True),
        ((2, None), 3, False),
        ((None, 0.1), 1, True),
        ((None, 0.1), 2, False),
        ((None, 0.0), 0, True),
        ((5, 0.1), 2, False),
        ((0, 1.0), 1, False),
    ],
)
def test_how_many_are_too_many(limits: tuple[Any, Any], failed: int, *, allowed: bool) -> None:
    assert tolerated(failed, 10, *limits) is allowed


def test_exactly_the_share_is_allowed() -> None:
    """0.29 * 100 is less than 29 to a computer."""
    assert [n for n in range(101) if not tolerated(n, 100, None, float(f"{n / 100:.2f}"))] == []
    assert [n for n in range(100) if tolerated(n + 1, 100, None, n / 100)] == []


def test_counts_of_one_job_and_of_several() -> None:
    assert counted(statuses((10, 2))) == (10, 2)
    assert counted(statuses((10, 2), (None, None), (5, 1))) == (15, 3)


def test_each_job_has_processed_what_was_sent_to_it() -> None:
    one, two = statuses((10, 0)), statuses((10, 0), (5, 0))
    check_counts(one, {one[0].ref.id: 10})
    check_counts(one, {})
    check_counts(statuses((None, None)), {one[0].ref.id: 10})
    first, second = (each.ref.id for each in two)
    check_counts(two, {first: 10, second: 5})
    with pytest.raises(ProtocolError, match="has processed 5 records, and 6 were sent") as caught:
        check_counts(two, {first: 10, second: 6})
    assert not caught.value.retryable


ROWS = (
    b'"sf__Id","sf__Error","Name","External_Id__c"\n'
    b'"","REQUIRED_FIELD_MISSING:Required fields: [Name]:Name --","","E-1"\n'
    b'"001","DUPLICATE_VALUE:duplicate, of ""x"":External_Id__c --","A\nB","E-2"\n'
    b'"","","",""\n'
)


def test_the_first_rejected_records_are_named() -> None:
    client: Any = Client(ROWS)
    told = rejected(client, statuses((10, 3)), "COMMA")
    assert client.asked == [f"v59.0/jobs/ingest/{ID[:-1]}0/failedResults/"]
    assert told.state is JobState.FAILED
    assert not told.retryable
    assert told.failure_report().splitlines() == [
        "job failed: rejected records: 3 of 10 records were rejected",
        "  error 1: REQUIRED_FIELD_MISSING (record with External_Id__c E-1): Required fields: [Name]:Name",
        '  error 2: DUPLICATE_VALUE (record with Name A B): duplicate, of "x":External_Id__c',
        "  error 3: no reason: no message",
        "  job: o:v59.0/jobs/ingest:750000000000000",
    ]


def test_other_delimiters_and_ids() -> None:
    client: Any = Client(b"sf__Id|sf__Error|Name|ID\n|X:y|n|001A\n")
    (problem,) = rejected(client, statuses((1, 1)), "PIPE").problems
    assert str(problem) == "X (record with ID 001A): y"


def test_no_more_than_twenty_are_read_whatever_the_jobs() -> None:
    many = b"sf__Id,sf__Error,Name\n" + b"".join(b",X:y,n%d\n" % number for number in range(15))
    client: Any = Client(many, many, many)
    told = rejected(client, statuses((15, 15), (15, 15), (15, 15)), "COMMA")
    assert (len(told.problems), told.problem_count, len(client.asked)) == (20, 45, 2)


def test_a_large_list_is_not_read_to_its_end() -> None:
    row = b',X:y,"' + b"n" * 20_000 + b'"\n'
    client: Any = Client(b"sf__Id,sf__Error,Name\n" + row * 100, block=65_536)
    told = rejected(client, statuses((100, 100)), "COMMA")
    assert len(told.problems) == 20
    assert all(len(str(problem.location)) < 120 for problem in told.problems)
    wide: Any = Client(b"sf__Id,sf__Error,Name\n,X:y,a\n," + b"z" * 3_000_000, block=65_536)
    first, second = rejected(wide, statuses((9, 9)), "COMMA").problems
    assert str(first) == "X (record with Name a): y"
    assert len(str(second)) < 200


def test_what_cannot_be_read_is_said() -> None:
    client: Any = Client(ServiceError("Salesforce answered 500", status=500, reason="x"))
    told = rejected(client, statuses((2, 2)), "COMMA")
    assert "could not be read: Salesforce answered 500" in told.failure_report()
    assert "2 of 2 records were rejected" in told.failure_report()
