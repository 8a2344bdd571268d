"""Results as sources for uploads: every byte in order, few drafts, and a later attempt that goes on."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
from airflow_provider_jobs.clients.salesforce.results.page import PageTooLarge
from airflow_provider_jobs.clients.salesforce.results.places import StreamProgress
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobFailed,
    JobsError,
    ProtocolError,
    ResultsUnavailable,
    ServiceError,
    SourceChanged,
    TransportError,
)
from tests.unit.clients.salesforce.org import HEADER, INGEST_REF, ORG, QUERY_REF, Csv, Results, paged, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.clients.salesforce.results.stream import ResultPart, ResultStream
    from tests.unit.conftest import Clock

    Reader = Any

WAYS = [{}, {"workers": 1}, {"workers": 2, "spool_pages": 2}, {"page_records": 9}]


def stream_of(org: Results, folder: Path, **how: Any) -> ResultStream:
    return SalesforceClient(org, ORG).stream_results(QUERY_REF, LocalSink(folder), **how)


def read(part: ResultPart, offset: int = 0, size: int = 37) -> bytes:
    with closing(part.open(offset)) as reader:
        return b"".join(iter(lambda: reader.read(size), b""))


def to_the_end(reader: Reader) -> None:
    while reader.read():
        pass


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("counts", [(5,), (3, 1, 4), (2,) * 9, (0, 3, 0), (0,)])
def test_one_part_is_every_byte(clock: Clock, tmp_path: Path, counts: tuple[int, ...], how: Any) -> None:
    org = Results(clock, paged(*counts))
    with stream_of(org, tmp_path, **how) as stream:
        (part,) = [(read(part), part.size, part.record_count) for part in stream.parts()]
    assert part == (org.expected, None, sum(counts))
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("how", WAYS)
def test_parts_are_cut_between_pages_and_have_a_header_each(clock: Clock, tmp_path: Path, how: Any) -> None:
    org = Results(clock, paged(2, 2, 0, 2, 3, 1))
    bodies = [b"".join(page) for page in org.pages]
    most = len(HEADER + bodies[0] + bodies[1]) + 1
    found: list[tuple[int, bytes, int]] = []
    with stream_of(org, tmp_path, part_bytes=most, **how) as stream:
        for part in stream.parts():
            content = read(part)
            part.check()
            found.append((part.number, content, part.record_count))
            assert part.end.size_bytes == len(content)
    assert all(len(content) <= most and content.startswith(HEADER) for _, content, _ in found)
    assert HEADER + b"".join(content.removeprefix(HEADER) for _, content, _ in found) == org.expected
    assert [number for number, _, _ in found] == list(range(len(found)))
    assert len(found) > 2
    assert sum(count for _, _, count in found) == org.total
    pages = [each for each in org.asked if each.endswith("/results")]
    assert len(pages) == len(org.pages)  # none was read twice
    assert left_over(tmp_path) == []


def test_a_line_end_that_a_page_lacks_is_added(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, [[b'"1",a'], [], [b'"2",b\n'], [b'"3",c']])
    org.framed = True
    with stream_of(org, tmp_path) as stream:
        (content,) = [read(part) for part in stream.parts()]
    assert content == HEADER + b'"1",a\n"2",b\n"3",c'


@pytest.mark.parametrize("spool_pages", [2, 3, 5])
@pytest.mark.parametrize("workers", [1, 8])
def test_no_more_drafts_than_the_spool_has_pages(
    clock: Clock, tmp_path: Path, spool_pages: int, workers: int
) -> None:
    org = Results(clock, paged(*(2,) * 20))
    most = 0
    with stream_of(org, tmp_path, spool_pages=spool_pages, workers=workers) as stream:
        for part in stream.parts():
            reader = part.open()
            while reader.read(10):
                most = max(most, len([name for name in left_over(tmp_path) if name.endswith("draft")]))
    assert 1 <= most <= spool_pages


def attempt(org: Results, folder: Path, seen: list[StreamProgress], **how: Any) -> ResultStream:
    """Begin an attempt that goes on with what the one before has told, as JSON that was stored."""
    known = StreamProgress.from_json(json.loads(json.dumps(seen[-1].to_json()))) if seen else None
    return stream_of(org, folder, progress=known, on_progress=seen.append, **how)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("offset", [0, 1, len(HEADER), 100, 250, 330])
def test_another_attempt_goes_on_in_the_page_of_an_offset(
    clock: Clock, tmp_path: Path, how: Any, offset: int
) -> None:
    org, seen = Results(clock, paged(*(2,) * 12)), list[StreamProgress]()
    with attempt(org, tmp_path, seen, **how) as stream:
        part = next(stream.parts())
        name = part.fingerprint
        with closing(part.open()) as reader:
            assert len(reader.read(40)) == 40
            while len(seen[-1].places) < 11:
                reader.read(40)
    assert left_over(tmp_path) == []
    begun = len(org.sent)
    with attempt(org, tmp_path, seen, **how) as stream:
        for part in stream.parts():
            assert part.fingerprint == name
            assert read(part, offset) == org.expected[offset:]
    skipped = [place for place in seen[-1].places if place.size_bytes <= offset]
    asked = [each for each in org.asked[begun:] if each.endswith("/results")]
    assert len(asked) == len(org.pages) - len(skipped) + 1


@pytest.mark.parametrize("how", WAYS)
def test_another_attempt_begins_with_the_part_that_was_being_sent(
    clock: Clock, tmp_path: Path, how: Any
) -> None:
    org, seen = Results(clock, paged(*(2,) * 9)), list[StreamProgress]()
    how = {**how, "part_bytes": 3 * len(b"".join(org.pages[0])) + 20}
    with attempt(org, tmp_path, seen, **how) as stream:
        parts = stream.parts()
        contents = [read(next(parts)), read(next(parts))]
        next(parts)
    with attempt(org, tmp_path, seen, **how) as stream:
        numbers = []
        for part in stream.parts():
            numbers.append(part.number)
            contents.append(read(part))
    assert numbers[0] == 2
    assert HEADER + b"".join(content.removeprefix(HEADER) for content in contents) == org.expected


def test_a_part_that_nobody_reads_is_read_to_find_its_end(clock: Clock, tmp_path: Path) -> None:
    """Its upload was complete before, and the attempt that knew where it ends is forgotten."""
    org = Results(clock, paged(*(2,) * 9))
    with stream_of(org, tmp_path, part_bytes=150) as stream:
        contents = [read(part) for part in stream.parts()]
    with stream_of(org, tmp_path, part_bytes=150) as stream:
        parts = stream.parts()
        first, second = next(parts), next(parts)
        assert read(second) == contents[1]
        with pytest.raises(SourceChanged, match="has left"):
            first.open()


def test_an_end_that_is_remembered_needs_no_reading(clock: Clock, tmp_path: Path) -> None:
    org, seen = Results(clock, paged(*(2,) * 9)), list[StreamProgress]()
    with attempt(org, tmp_path, seen, part_bytes=150) as stream:
        read(next(stream.parts()))
    begun = len(org.sent)
    with attempt(org, tmp_path, seen, part_bytes=150) as stream:
        parts = stream.parts()
        assert (next(parts).number, next(parts).number) == (0, 1)
    assert [each for each in org.asked[begun:] if each.endswith("/results")] == []


def test_a_page_that_is_not_what_was_sent_is_an_error(clock: Clock, tmp_path: Path) -> None:
    org, seen = Results(clock, paged(*(2,) * 9)), list[StreamProgress]()
    with attempt(org, tmp_path, seen) as stream:
        read(next(stream.parts()))
    place = seen[-1].places[4]
    org.pages[4] = [record.replace(b"plain", b"PLAIN").replace(b"lines", b"LINES") for record in org.pages[4]]
    org.pages[4][0] = org.pages[4][0].replace(b'"8"', b'"9"')
    with (
        attempt(org, tmp_path, seen) as stream,
        pytest.raises(SourceChanged, match=r"page 4 of .* is not what it was"),
    ):
        read(next(stream.parts()), place.size_bytes + 1)
    with attempt(org, tmp_path, seen) as stream:  # the upload's session is gone: it begins anew
        assert [read(part) for part in stream.parts()] == [org.expected]


def test_an_offset_behind_the_end_is_an_error(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(3, 1))
    with stream_of(org, tmp_path) as stream, pytest.raises(SourceChanged, match="ends 1 bytes before"):
        read(next(stream.parts()), len(org.expected) + 1)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("total", [7, 9])
def test_a_total_that_is_not_the_jobs_is_no_end(clock: Clock, tmp_path: Path, how: Any, total: int) -> None:
    """The reader raises where its end would be, again and again: no upload takes that for an end."""
    org = Results(clock, paged(3, 1, 4))
    org.total = total
    with stream_of(org, tmp_path, **how) as stream:
        part = next(stream.parts())
        reader = part.open()
        for _ in range(2):
            with pytest.raises(ProtocolError, match=f"has {total} records, and its results have"):
                to_the_end(reader)
        with pytest.raises(SourceChanged, match="has left"):
            part.check()
    assert left_over(tmp_path) == []


def test_after_a_wrong_total_all_parts_are_read_again(clock: Clock, tmp_path: Path) -> None:
    """Which of them lacked the record nobody knows."""
    org, seen = Results(clock, paged(*(2,) * 9)), list[StreamProgress]()

    def less(true: Csv) -> Csv:
        return Csv(HEADER + org.pages[0][0], {**true.headers, "Sforce-NumberOfRecords": "1"})

    def read_all() -> bytes:
        with attempt(org, tmp_path, seen, part_bytes=150) as stream:
            return HEADER + b"".join(read(part).removeprefix(HEADER) for part in stream.parts())

    org.faults["page 0"] = [less]
    with pytest.raises(ProtocolError, match="have 17"):
        read_all()
    assert seen[-1].places == ()
    assert read_all() == org.expected


def test_a_part_is_not_whole_before_its_end(clock: Clock, tmp_path: Path) -> None:
    with stream_of(Results(clock, paged(3, 1)), tmp_path) as stream:
        part = next(stream.parts())
        with closing(part.open()) as reader:
            reader.read(10)
            with pytest.raises(SourceChanged, match="not read to its end"):
                part.check()


@pytest.mark.parametrize("how", WAYS)
def test_a_page_with_another_header_is_an_error(clock: Clock, tmp_path: Path, how: Any) -> None:
    org = Results(clock, paged(3, 1, 4))

    def other(true: Csv) -> Csv:
        return Csv(b"Other,Columns\n" + true.body[len(HEADER) :], true.headers)

    org.faults["page 1"] = [other] * 20
    with (
        stream_of(org, tmp_path, **how) as stream,
        pytest.raises(ProtocolError, match=r"results of .*750.* begins with another header"),
    ):
        read(next(stream.parts()))
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("error", [TransportError("cut"), ServiceError("cut", status=409, reason="CONFLICT")])
def test_a_service_that_is_away_or_refuses_ends_the_attempt_and_not_the_upload(
    clock: Clock, tmp_path: Path, how: Any, error: JobsError
) -> None:
    """An upload takes these for answers to itself: it would try for minutes, or look for a job of its id."""
    org, seen = Results(clock, paged(3, 1, 4)), list[StreamProgress]()
    org.faults["page 1"] = [error] * 6
    with (
        attempt(org, tmp_path, seen, **how) as stream,
        pytest.raises(ResultsUnavailable, match="cut") as caught,
    ):
        read(next(stream.parts()))
    assert caught.value.retryable
    assert left_over(tmp_path) == []
    org.faults.clear()
    with attempt(org, tmp_path, seen, **how) as stream:
        assert [read(part) for part in stream.parts()] == [org.expected]


@pytest.mark.parametrize("what", ["info", "list 0"])
def test_a_stream_that_cannot_begin_can_later(clock: Clock, tmp_path: Path, what: str) -> None:
    org = Results(clock, paged(3, 1, 4))
    org.faults[what] = [refusal(403, "INSUFFICIENT_ACCESS")]
    with stream_of(org, tmp_path) as stream, pytest.raises(ResultsUnavailable, match="INSUFFICIENT"):
        next(stream.parts())


def test_pages_that_are_listed_in_another_way_later_are_an_error(clock: Clock, tmp_path: Path) -> None:
    org, seen = Results(clock, paged(*(2,) * 9)), list[StreamProgress]()
    with attempt(org, tmp_path, seen, part_bytes=150) as stream:
        parts = stream.parts()
        read(next(parts))
        next(parts)
    org.pages = paged(18)
    with (
        attempt(org, tmp_path, seen, part_bytes=150) as stream,
        pytest.raises(ProtocolError, match="not listed as they were"),
    ):
        read(next(stream.parts()))


def test_many_pages_leave_few_places(clock: Clock, tmp_path: Path) -> None:
    """Old ones go first: an upload is not far behind what was read."""
    org, seen = Results(clock, paged(*(1,) * 200), list_size=50), list[StreamProgress]()
    with attempt(org, tmp_path, seen) as stream:
        read(next(stream.parts()))
    assert max(len(each.places) for each in seen) <= 25
    assert max(len(json.dumps(each.to_json())) for each in seen) < 10_000
    numbers = [place.page_number for place in seen[-1].places]
    assert numbers[0] == 0
    assert numbers[-10:] == list(range(190, 200))
    for page, most in ((199, 1), (170, 30)):
        offset = len(org.header + b"".join(record for each in org.pages[:page] for record in each))
        begun = len(org.sent)
        with (
            attempt(org, tmp_path, seen[:], spool_pages=2) as stream,
            closing(next(stream.parts()).open(offset)) as reader,
        ):
            assert org.pages[page][0].startswith(reader.read(5))
        asked = [each for each in org.asked[begun:] if each.endswith("/results")]
        assert len(asked) <= most + 2


def test_the_progress_of_another_stream_is_not_gone_on_with(clock: Clock, tmp_path: Path) -> None:
    org, seen = Results(clock, paged(*(2,) * 9)), list[StreamProgress]()
    with attempt(org, tmp_path, seen, part_bytes=150) as stream:
        parts = stream.parts()
        read(next(parts))
        next(parts)
    with attempt(org, tmp_path, seen, part_bytes=151) as stream:
        assert next(stream.parts()).number == 0


def test_a_page_larger_than_a_part_is_refused(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(9))
    with (
        stream_of(org, tmp_path, part_bytes=100) as stream,
        pytest.raises(PageTooLarge, match="set page_records"),
    ):
        read(next(stream.parts()))


def test_pages_without_end_are_given_up(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_jobs.clients.salesforce.results.stream.MOST_PAGES", 10)
    org = Results(clock, paged(2, *(0,) * 50))
    with stream_of(org, tmp_path) as stream, pytest.raises(ProtocolError, match="no end"):
        read(next(stream.parts()))


class Timeout(BaseException):
    """As Airflow's own: of no class that anybody catches."""


@pytest.mark.parametrize("how", WAYS)
def test_what_is_ended_in_the_middle_leaves_nothing(clock: Clock, tmp_path: Path, how: Any) -> None:
    org = Results(clock, paged(*(2,) * 20))
    readers: list[Reader] = []

    def task() -> None:
        with stream_of(org, tmp_path, **how) as stream:
            readers.append(next(stream.parts()).open())
            readers[0].read(40)
            raise Timeout

    with pytest.raises(Timeout):
        task()
    assert left_over(tmp_path) == []
    with pytest.raises(ValueError, match="closed"):
        closed(readers[0]).read()


def closed(reader: Reader) -> Reader:
    reader.close()
    return reader


@pytest.mark.parametrize("how", [{"workers": 0}, {"workers": 17}, {"spool_pages": 1}])
def test_bad_arguments_are_named(clock: Clock, tmp_path: Path, how: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(how))):
        stream_of(Results(clock, paged(1)), tmp_path, **how)


def test_only_queries_that_succeeded_are_streamed(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(1))
    with pytest.raises((ConfigurationError, JobsError), match="not a query"):
        SalesforceClient(org, ORG).stream_results(INGEST_REF, LocalSink(tmp_path))
    org.state = "Failed"
    with stream_of(org, tmp_path) as stream, pytest.raises(JobFailed):
        next(stream.parts())
    org.faults["info"] = [refusal(404, "NOT_FOUND")] * 2
    with stream_of(org, tmp_path) as stream, pytest.raises(JobsError, match="404"):
        next(stream.parts())
