"""Results in files: every byte and every record, or nothing."""

from __future__ import annotations

import gzip
import hashlib
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.clients.salesforce.results import download as salesforce_download
from airflow_provider_jobs.clients.salesforce.results.files import Checkpoint, LocalSink, Output
from airflow_provider_jobs.clients.salesforce.results.page import PageFetcher, Wanted
from airflow_provider_jobs.errors import (
    ConfigurationError,
    JobFailed,
    JobsError,
    NotFoundError,
    ProtocolError,
    ServiceError,
    TransportError,
)
from tests.unit.clients.salesforce.org import (
    HEADER,
    ID,
    INGEST_REF,
    ORG,
    QUERY_REF,
    Csv,
    Results,
    paged,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.conftest import Clock

CUT = TransportError("cut")
#: No test waits longer for a thread; seconds.
PATIENCE = 10.0


def download(org: Results, folder: Path, *, output: Output | None = None, key: str = "k", **how: Any) -> Any:
    client = SalesforceClient(org, ORG)
    return client.download(QUERY_REF, output or Output("a.csv"), LocalSink(folder, key), **how)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("how", [{}, {"workers": 1}, {"page_records": 3}, {"workers": 2}])
@pytest.mark.parametrize("counts", [(5,), (3, 1, 4), (2,) * 9, (0, 3, 0)])
def test_one_file_holds_every_byte(clock: Clock, tmp_path: Path, counts: tuple[int], how: Any) -> None:
    org = Results(clock, paged(*counts))
    done = download(org, tmp_path, **how)
    content = (tmp_path / "a.csv").read_bytes()
    assert content == org.expected
    assert names(tmp_path) == ["a.csv"]
    (file,) = done.files
    assert (file.name, file.place, file.size_bytes) == ("a.csv", str(tmp_path / "a.csv"), len(content))
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert file.record_count == done.record_count == sum(counts)
    assert done.page_count == len(counts)


@pytest.mark.parametrize("how", [{}, {"workers": 1}])
def test_parts_have_a_header_each(clock: Clock, tmp_path: Path, how: Any) -> None:
    org = Results(clock, paged(3, 1, 4))
    done = download(org, tmp_path, output=Output("a.b.csv", split=True), **how)
    assert names(tmp_path) == ["a-00000.b.csv", "a-00001.b.csv", "a-00002.b.csv"]
    for number, page in enumerate(org.pages):
        content = (tmp_path / f"a-{number:05d}.b.csv").read_bytes()
        assert content == HEADER + b"".join(page)
        assert done.files[number].record_count == len(page)


@pytest.mark.parametrize("split", [True, False])
def test_compressed_files_are_the_same_each_time(clock: Clock, tmp_path: Path, *, split: bool) -> None:
    org = Results(clock, paged(3, 1, 4))
    output = Output("a.csv.gz", split=split, compress=True)
    first, second = (download(org, tmp_path / each, output=output) for each in "ab")
    assert [file.sha256 for file in first.files] == [file.sha256 for file in second.files]
    unpacked = [gzip.decompress(Path(file.place).read_bytes()) for file in first.files]
    if split:
        assert unpacked == [HEADER + b"".join(page) for page in org.pages]
    else:
        assert unpacked == [org.expected]


def test_pages_are_followed_where_they_are_not_listed(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(3, 1, 4))
    org.listed = False
    download(org, tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == org.expected
    assert [each.rpartition("/")[2] for each in org.asked[:3]] == [QUERY_REF.id, "resultPages", QUERY_REF.id]


def test_a_version_without_a_list_is_not_asked_for_one(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(3, 1))
    ref = org_ref("v57.0/jobs/query")
    SalesforceClient(org, ORG).download(ref, Output("a.csv"), LocalSink(tmp_path))
    assert not [each for each in org.asked if "resultPages" in each]
    assert all("v57.0/jobs/query" in each for each in org.asked)


def org_ref(location: str) -> Any:
    return type(QUERY_REF)("salesforce", QUERY_REF.scope, QUERY_REF.id, location)


def test_a_job_that_is_gone_has_no_list(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(3))
    org.listed = False
    org.faults["info"] = [lambda true: true, refusal(404, "NOT_FOUND")]
    with pytest.raises(NotFoundError):
        download(org, tmp_path)


@pytest.mark.parametrize("body", [b"", HEADER, HEADER.rstrip()])
def test_no_records_are_no_error(clock: Clock, tmp_path: Path, body: bytes) -> None:
    org = Results(clock, [[]])
    org.faults["page 0"] = [Csv(body, {"Sforce-Locator": "null", "Content-Length": str(len(body))})]
    done = download(org, tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == body
    assert done.record_count == 0


def test_an_empty_list_of_pages_is_read_one_by_one(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(2))
    org.faults["list 0"] = [{"resultPages": [], "done": True}]
    download(org, tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == org.expected


@pytest.mark.parametrize("compress", [True, False])
def test_pages_whose_last_line_has_no_end_are_not_joined(
    clock: Clock, tmp_path: Path, *, compress: bool
) -> None:
    org = Results(clock, paged(2, 2))
    org.framed = True
    org.pages[0][1] = org.pages[0][1].rstrip()
    org.pages[1][1] = org.pages[1][1].rstrip()
    download(org, tmp_path, output=Output("a", compress=compress))
    content = (tmp_path / "a").read_bytes()
    expected = HEADER + b"".join(org.pages[0]) + b"\n" + b"".join(org.pages[1])
    assert (gzip.decompress(content) if compress else content) == expected


def without(*headers: str) -> Callable[[Csv], Csv]:
    def change(page: Csv) -> Csv:
        for header in headers:
            del page.headers[header]
        return page

    return change


def saying(**headers: str) -> Callable[[Csv], Csv]:
    def change(page: Csv) -> Csv:
        page.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        return page

    return change


def short(page: Csv) -> Csv:
    page.body = page.body[:-20]
    return page


def cut(page: Csv) -> Csv:
    page.cut, page.cut_at = CUT, len(page.body) // 2
    return page


PASSING = {
    "cut": [cut, cut],
    "lost": [CUT],
    "503": [refusal(503)],
    "429": [refusal(429, Retry_After="1")],
    "page of a proxy": [saying(Content_Type="text/html; charset=x")],
    "shorter": [short],
    "no locator": [without("Sforce-Locator")],
    "no content": [Csv(b"", {}, 204)],
    "nothing": [lambda page: Csv(b"", page.headers)],
    "other header": [lambda page: Csv(b'"Id"\n"1"\n"1"\n', {"Sforce-Locator": "L2"})],
}


@pytest.mark.parametrize("how", [{}, {"workers": 1}])
@pytest.mark.parametrize("faults", PASSING.values(), ids=list(PASSING))
def test_a_page_that_is_broken_is_read_again(
    clock: Clock, tmp_path: Path, faults: list[Any], how: Any
) -> None:
    org = Results(clock, paged(3, 2, 4))
    org.faults["page 1"] = list(faults)
    download(org, tmp_path, **how)
    assert (tmp_path / "a.csv").read_bytes() == org.expected


def test_a_wrong_header_that_comes_first_is_not_taken_for_that_of_all(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(3, 2, 4))
    wrong_came = threading.Event()

    def wrong(_: Csv) -> Csv:
        wrong_came.set()
        return Csv(b'"Id"\n"1"\n"1"\n', {"Sforce-Locator": "L2"})

    def late(page: Csv) -> Csv:
        assert wrong_came.wait(10)
        return page

    org.faults |= {"page 0": [late], "page 1": [wrong]}
    download(org, tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == org.expected


LASTING: dict[str, tuple[Any, str]] = {
    "cut": (cut, "cut"),
    "503": (refusal(503), "503"),
    "409": (refusal(409, "x"), "keeps the API version"),
    "404": (refusal(404), "404"),
    "no locator": (without("Sforce-Locator"), "without the locator"),
    "empty locator": (saying(Sforce_Locator=""), "without the locator"),
    "shorter": (short, "ends inside quotes|records, and 2 were announced"),
    "no content": (Csv(b"", {}, 204), "an empty page came"),
    "nothing": (lambda page: Csv(b"", page.headers), "empty page"),
    "strange count": (saying(Sforce_NumberOfRecords="many"), "says that it has 'many' records"),
    # Whoever reads it before the first page can only count.
    "other header": (
        lambda page: Csv(b'"X"\n' + page.body, page.headers),
        "another header|3 records, and 2 were announced",
    ),
}


@pytest.mark.parametrize("how", [{}, {"workers": 1}])
@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize(("fault", "message"), LASTING.values(), ids=list(LASTING))
def test_a_page_that_stays_broken_fails_and_leaves_nothing(
    clock: Clock, tmp_path: Path, fault: Any, message: str, how: Any, *, split: bool
) -> None:
    org = Results(clock, paged(3, 2, 4))
    org.faults["page 1"] = [fault] * 9
    with pytest.raises(JobsError, match=message):
        download(org, tmp_path, output=Output("a.csv", split=split), **how)
    assert names(tmp_path) == []


def test_a_page_that_drops_records_is_read_twice(clock: Clock, tmp_path: Path) -> None:
    """Whoever drops them drops them again; another attempt of the task may have more luck."""
    org = Results(clock, paged(3))
    org.faults["page 0"] = [short] * 9
    with pytest.raises(ProtocolError) as caught:
        download(org, tmp_path)
    assert caught.value.retryable
    assert len(org.faults["page 0"]) == 7


def test_a_page_is_not_waited_for_by_the_hour(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(3))
    org.faults["page 0"] = [refusal(503, Retry_After="7200")]
    with pytest.raises(ServiceError, match="503"):
        download(org, tmp_path)
    assert clock.pauses == []


def test_a_download_that_is_stopped_does_not_sleep_on(clock: Clock, tmp_path: Path) -> None:
    """As when another page has failed, or the task was ended."""
    org = Results(clock, paged(3))
    org.faults["page 0"] = [refusal(503, Retry_After="100")]

    def stopped_meanwhile(seconds: float) -> None:
        clock.sleep(seconds)
        fetcher.stopped.set()

    org.timing = replace(clock.timing, sleep=stopped_meanwhile)
    fetcher = PageFetcher(SalesforceClient(org, ORG), LocalSink(tmp_path), Output("a"))
    with pytest.raises(JobsError, match="was stopped"):
        fetcher.fetch(Wanted(f"v59.0/jobs/query/{ID}/results"), {}, "a", with_header=True)
    assert sum(clock.pauses) <= 1


def test_without_a_count_the_total_decides(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(3, 2))
    org.faults["page 1"] = [without("Sforce-NumberOfRecords")]
    download(org, tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == org.expected


def test_a_total_that_differs_fails_and_is_not_gone_on_with(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(3, 2))
    org.total = 6
    told: list[Checkpoint | None] = []
    with pytest.raises(ProtocolError, match="has 6 records, and its results have 5"):
        download(org, tmp_path, on_checkpoint=told.append)
    assert names(tmp_path) == []
    assert told[-1] is None


def test_a_locator_that_comes_twice_is_an_error(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(3, 2))
    org.faults["page 1"] = [saying(Sforce_Locator="L1")]
    with pytest.raises(ProtocolError, match="circle"):
        download(org, tmp_path, workers=1)


@pytest.mark.parametrize(
    ("state", "error"), [("Failed", JobFailed), ("Aborted", JobFailed), ("InProgress", JobsError)]
)
def test_only_a_query_that_succeeded_has_results(
    clock: Clock, tmp_path: Path, state: str, error: type[JobsError]
) -> None:
    org = Results(clock, paged(3))
    org.state = state
    with pytest.raises(error):
        download(org, tmp_path)


def test_a_job_without_a_count_is_not_trusted(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(3))
    org.total = None
    with pytest.raises(ProtocolError, match="does not say how many"):
        download(org, tmp_path)


def test_parameters_are_checked(clock: Clock, tmp_path: Path) -> None:
    client = SalesforceClient(Results(clock, []), ORG)
    for workers in (0, 17):
        with pytest.raises(ConfigurationError, match=f"workers is {workers}: it is 1 to 16"):
            client.download(QUERY_REF, Output("a"), LocalSink(tmp_path), workers=workers)
    with pytest.raises(ConfigurationError, match="is not a query"):
        client.download(INGEST_REF, Output("a"), LocalSink(tmp_path))


def test_an_error_of_the_service_is_shown(clock: Clock, tmp_path: Path) -> None:
    org = Results(clock, paged(1))
    org.faults["page 0"] = [refusal(400, "API_ERROR", "Results not ready")]
    with pytest.raises(ServiceError, match="400 API_ERROR: Results not ready"):
        download(org, tmp_path)


class Ended(BaseException):
    """What Airflow raises in the main thread, by a signal, at the end of execution_timeout."""


@pytest.fixture
def ended_by_signal() -> Iterator[None]:
    """A SIGALRM raises Ended in the main thread."""

    def end(*_: object) -> None:
        raise Ended

    before = signal.signal(signal.SIGALRM, end)
    yield
    signal.signal(signal.SIGALRM, before)


class Hanging:
    """Pages that the service sends nothing of until it is let; one of them ends the task.

    :param taken: Set once the first page is taken.
    """

    def __init__(self, threads: int, taken: threading.Event) -> None:
        self.taken = taken
        self.release = threading.Event()
        self.began = threading.Barrier(threads)
        self.pages: list[Csv] = []

    def hang(self, page: Csv) -> Csv:
        self.pages.append(page)
        if self.began.wait(PATIENCE) == 0:  # one of them
            assert self.taken.wait(PATIENCE)
            signal.pthread_kill(main_thread(), signal.SIGALRM)
        self.release.wait(PATIENCE)
        return page

    def let_go(self) -> None:
        self.release.set()
        assert all(page.closed.wait(PATIENCE) for page in self.pages)


def main_thread() -> int:
    found = threading.main_thread().ident
    assert found
    return found


# The signal may come between the opening of a file and its first use: who collects it closes it, and warns.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <_io:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("ended_by_signal")
@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("last_attempt", [True, False])
def test_who_is_ended_waits_for_no_page_and_leaves_no_draft(
    clock: Clock, tmp_path: Path, *, split: bool, last_attempt: bool
) -> None:
    """The end of a task is a signal; what hangs in threads finds out later, and leaves nothing either."""
    org, sink = Results(clock, paged(3, 2, 4, 1)), LocalSink(tmp_path, "k")
    kept, taken = list[Checkpoint | None](), threading.Event()

    def first(page: Csv) -> Csv:
        if last_attempt:  # nobody is told more of it than that it was read
            page.closed = taken
        return page

    def remember(checkpoint: Checkpoint | None) -> None:
        kept.append(checkpoint)
        taken.set()

    hanging = Hanging(2, taken)
    org.faults |= {"page 0": [first], "page 1": [hanging.hang], "page 2": [hanging.hang]}
    client, output = SalesforceClient(org, ORG), Output("a.csv", split=split)
    with pytest.raises(Ended):
        client.download(QUERY_REF, output, sink, workers=2, on_checkpoint=None if last_attempt else remember)
    assert [page.closed.is_set() for page in hanging.pages] == [False, False]
    left = [sink.draft(part.name).name for each in kept if each for part in each.parts]
    assert len(left) == (0 if last_attempt else 1)
    assert names(tmp_path) == left
    hanging.let_go()
    assert names(tmp_path) == left
    assert len([each for each in org.asked if each.endswith("/results")]) == 3


@pytest.mark.parametrize("split", [True, False])
def test_one_by_one_who_is_ended_leaves_no_draft(clock: Clock, tmp_path: Path, *, split: bool) -> None:
    org = Results(clock, paged(3, 2, 4))

    def end(_: Csv) -> Csv:
        raise Ended

    org.faults["page 1"] = [end]
    with pytest.raises(Ended):
        download(org, tmp_path, workers=1, output=Output("a.csv", split=split))
    assert names(tmp_path) == []


@pytest.mark.parametrize("how", [{}, {"page_records": 2}])
def test_pages_that_go_on_after_all_records_end(clock: Clock, tmp_path: Path, how: Any) -> None:
    org = Results(clock, paged(*(2,) * 50))
    org.total = 5
    with pytest.raises(ProtocolError, match="has 5 records, and its results have 6"):
        download(org, tmp_path, **how)
    assert len([each for each in org.asked if each.endswith("/results")]) < 30
    assert not [name for name in names(tmp_path) if not name.startswith(".")]


@pytest.mark.parametrize("how", [{}, {"page_records": 2}])
def test_empty_pages_without_end_are_given_up(
    clock: Clock, tmp_path: Path, how: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salesforce_download, "MOST_PAGES", 10)
    org = Results(clock, paged(2, *(0,) * 50))
    with pytest.raises(ProtocolError, match=r"no end|goes on after 12 pages"):
        download(org, tmp_path, **how)
