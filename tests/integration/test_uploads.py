"""Over real HTTP, whatever goes wrong at whatever byte: what was sent arrives, and there is one job of it."""

from __future__ import annotations

import functools
import gzip
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.clients.bigquery import upload as bigquery_upload
from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.sources.source import FileSource, GzipSource, OpenedSource, Source
from airflow_provider_jobs.core.upload.protocol import UNIT_BYTES
from airflow_provider_jobs.core.upload.uploader import Uploader
from airflow_provider_jobs.core.wait.single import wait_for
from airflow_provider_jobs.errors import AuthenticationError, SourceChanged
from tests.integration.sending import RANDOM, Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_provider_jobs.sandbox import Sandbox

WINDOW = 2 * UNIT_BYTES
EDGES = [max(0, units * UNIT_BYTES + more) for units in (0, 1, 2, 4, 8) for more in (-1, 0, 1)]
SIZES = st.sampled_from(EDGES) | st.integers(0, len(RANDOM))
POSITIONS = st.integers(0, len(RANDOM)) | st.sampled_from(EDGES)
EXAMPLES = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module", autouse=True)
def sessions() -> Iterator[None]:
    """Small files use sessions as large ones do, and small windows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bigquery_upload, "MULTIPART_BYTES", -1)
        patch.setattr(bigquery_upload, "Uploader", functools.partial(Uploader, window_bytes=WINDOW))
        yield


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Source]:
    """Return what makes a file of so many bytes."""
    path = tmp_path_factory.mktemp("uploads") / "rows.csv"

    def make(size: int) -> FileSource:
        path.write_bytes(RANDOM[:size])
        return FileSource(path)

    return make


def unsized(source: Source) -> Source:
    """Return the same bytes, their number unknown."""
    return OpenedSource(source.name, None, "same", source.open, lambda: "same")  # type: ignore[arg-type]


def cut(sender: Sender, at: int) -> None:
    sender.fault("data", "cut_after_bytes", bytes=at)


def answer_503(sender: Sender, at: int) -> None:
    sender.fault("data", "reply", status=503, bytes=at, times=2)
    sender.fault("status", "reply", status=503)


def short_308(sender: Sender, at: int) -> None:
    sender.fault("data", "short_308", bytes=at)


def no_range(sender: Sender, at: int) -> None:
    cut(sender, at)
    sender.fault("status", "308_without_range")


def no_range_to_data(sender: Sender, at: int) -> None:
    short_308(sender, at)
    sender.fault("data", "308_without_range", nth=2)


def lost_final_reply(sender: Sender, at: int) -> None:
    cut(sender, at)
    sender.fault("(data|status)", "lost_final_reply", times=2)


def session_404(sender: Sender, at: int) -> None:
    sender.fault("data", "session_expired", status=404, bytes=at)


def session_410(sender: Sender, at: int) -> None:
    cut(sender, at)
    sender.fault("status", "session_expired", status=410)


def token_expired(sender: Sender, at: int) -> None:
    sender.fault("data", "token_expired", bytes=at)
    sender.fault("data", "cut_after_bytes", bytes=at, nth=2)
    sender.fault("status", "token_expired", nth=2)


FAULTS = [
    cut,
    answer_503,
    short_308,
    no_range,
    no_range_to_data,
    lost_final_reply,
    session_404,
    session_410,
    token_expired,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@EXAMPLES
@given(size=SIZES, at=POSITIONS, sized=st.booleans())
def test_every_fault_at_any_byte(
    jobs_sandbox: Sandbox,
    file: Callable[[int], Source],
    fault: Callable[[Sender, int], None],
    size: int,
    at: int,
    sized: bool,
) -> None:
    sender = Sender(jobs_sandbox)
    fault(sender, min(at, size))
    source = file(size)
    sender.submit(source if sized else unsized(source))
    jobs_sandbox.clear_faults()
    sender.check(RANDOM[:size])


#: After a lost last reply an expired session leaves the job alone to tell what has arrived.
MISHAPS = st.lists(
    st.tuples(st.sampled_from([fault for fault in FAULTS if fault is not session_410]), POSITIONS), max_size=4
)


@EXAMPLES
@given(size=SIZES, mishaps=MISHAPS, sized=st.booleans())
def test_several_faults_after_another(
    jobs_sandbox: Sandbox, file: Callable[[int], Source], size: int, mishaps: Any, sized: bool
) -> None:
    sender = Sender(jobs_sandbox)
    for fault, at in mishaps:
        fault(sender, at)
    source = file(size)
    sender.submit(source if sized else unsized(source))
    jobs_sandbox.clear_faults()
    sender.check(RANDOM[:size])


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("sized", [True, False])
def test_sizes_at_the_edge_of_a_unit(
    jobs_sandbox: Sandbox, file: Callable[[int], Source], size: int, sized: bool
) -> None:
    sender = Sender(jobs_sandbox)
    source = file(size)
    sender.submit(source if sized else unsized(source))
    sender.check(RANDOM[:size])
    assert sender.received() == size


def test_a_file_compressed_while_it_is_sent(jobs_sandbox: Sandbox, file: Callable[[int], Source]) -> None:
    sender = Sender(jobs_sandbox)
    cut(sender, 300_000)
    source = GzipSource(file(700_000))
    sender.submit(source)
    with closing(source.open()) as reader:
        whole = reader.read()
    assert gzip.decompress(whole) == RANDOM[:700_000]
    sender.check(whole)


@pytest.mark.parametrize("compress", [False, True])
def test_rows_arrive_in_the_table(jobs_sandbox: Sandbox, tmp_path: Path, compress: bool) -> None:
    sender = Sender(jobs_sandbox)
    sender.client._call("POST", None, "datasets", body={"datasetReference": {"datasetId": "d"}})
    path = tmp_path / "rows.csv"
    path.write_text("number,name\n" + "".join(f"{number},n{number}\n" for number in range(20_000)))
    cut(sender, 20_000)
    source = GzipSource(FileSource(path)) if compress else FileSource(path)
    submitted = sender.submit(source, sourceFormat="CSV", autodetect=True).status
    (status,) = wait_for(sender.client, [submitted], until=float("inf"), poll_interval=0.05, timing=Timing())
    assert status.problem is None
    assert status.statistics["row_count"] == 20_000


def test_a_small_file_goes_in_one_request(
    jobs_sandbox: Sandbox, file: Callable[[int], Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bigquery_upload, "MULTIPART_BYTES", 1 << 20)
    sender = Sender(jobs_sandbox)
    sender.fault("multipart", "drop_reply_after_accepting")
    sender.fault("multipart", "token_expired")
    sender.submit(file(1 << 20))
    assert {upload["kind"] for upload in sender.uploads()} == {"multipart"}
    sender.check(RANDOM[: 1 << 20])


def test_a_file_that_grows_while_it_is_sent_makes_no_job(jobs_sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(RANDOM)
    sender = Sender(jobs_sandbox)
    source = FileSource(path)
    with path.open("ab") as file:
        file.write(b"1")
    with pytest.raises(SourceChanged):
        sender.submit(source)
    assert list(sender.client.list_jobs()) == []
    assert [upload["state"] for upload in sender.uploads()] == ["open"]


def test_a_token_that_nothing_renews_ends_the_upload_soon(
    jobs_sandbox: Sandbox, file: Callable[[int], Source]
) -> None:
    sender = Sender(jobs_sandbox)
    sender.fault("(data|status)", "token_expired", times=0)
    with pytest.raises(AuthenticationError):
        sender.submit(file(1000))
    assert sender.token.issued == 3
    jobs_sandbox.clear_faults()
