"""What one attempt of a task began the next one ends, and sends little again."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.clients.bigquery import upload as bigquery_upload
from airflow_provider_jobs.core.sources.source import FileSource, GzipSource, Source
from airflow_provider_jobs.errors import JobsError, ServiceError
from tests.integration.sending import RANDOM, Memory, Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_provider_jobs.sandbox import Sandbox

SIZE = len(RANDOM)


@pytest.fixture(autouse=True)
def sessions() -> Iterator[None]:
    """Small files use sessions as large ones do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bigquery_upload, "MULTIPART_BYTES", -1)
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_bytes(RANDOM)
    return path


def die(sender: Sender, source: Source, memory: Memory, at: int) -> int:
    """Make an attempt that ends for good after so many bytes, and return how many have arrived."""
    sender.fault("data", "cut_after_bytes", bytes=at)
    sender.fault("status", "reply", status=503, times=0)
    with pytest.raises(JobsError):
        sender.submit(source, memory)
    sender.sandbox.clear_faults()
    return sender.received()


def compressed(path: Path) -> Source:
    return GzipSource(FileSource(path))


@pytest.mark.parametrize("source_of", [FileSource, compressed])
def test_the_second_attempt_sends_the_other_half(
    jobs_sandbox: Sandbox, path: Path, source_of: Callable[[Path], Source]
) -> None:
    sender, memory = Sender(jobs_sandbox), Memory()
    assert die(sender, source_of(path), memory, SIZE // 2) == SIZE // 2
    assert len(memory.known) == 1
    sender.submit(source_of(path), memory)
    with closing(source_of(path).open()) as reader:
        content = b"".join(iter(reader.read, b""))
    sender.check(content)
    assert sender.received() == len(content)
    assert memory.known == {}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, SIZE), max_size=4))
def test_any_number_of_attempts_send_each_byte_once(
    jobs_sandbox: Sandbox, path: Path, cuts: list[int]
) -> None:
    sender, memory = Sender(jobs_sandbox), Memory()
    for at in cuts:
        die(sender, FileSource(path), memory, at)
    sender.submit(FileSource(path), memory)
    sender.check(RANDOM)
    assert sender.received() == SIZE
    assert len(sender.uploads()) == 1


@pytest.mark.parametrize("lost", [True, False])
def test_a_retry_adopts_the_job_of_an_upload_that_was_complete(
    jobs_sandbox: Sandbox, path: Path, lost: bool
) -> None:
    """Whether the last reply was lost or the worker died after it: no byte is sent again."""
    sender, memory = Sender(jobs_sandbox), Memory()
    jobs_sandbox.timing(project=sender.project, running_seconds=60.0)  # one that has failed is not adopted
    if lost:
        sender.fault("data", "lost_final_reply")
        sender.fault("status", "reply", status=503, times=0)
    assert sender.submit(FileSource(path), memory).status.ref.id == "j_0"
    jobs_sandbox.clear_faults()
    assert sender.submit(FileSource(path), memory).status.ref.id == "j_0"
    sender.check(RANDOM)
    assert sender.received() == SIZE


def test_a_source_that_changed_begins_anew(jobs_sandbox: Sandbox, path: Path) -> None:
    sender, memory = Sender(jobs_sandbox), Memory()
    die(sender, FileSource(path), memory, SIZE // 2)
    path.write_bytes(RANDOM[::-1])
    sender.submit(FileSource(path), memory)
    sender.check(RANDOM[::-1])
    assert [upload["state"] for upload in sender.uploads()] == ["open", "complete"]


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_expired_between_attempts_is_replaced(
    jobs_sandbox: Sandbox, path: Path, status: int
) -> None:
    sender, memory = Sender(jobs_sandbox), Memory()
    die(sender, FileSource(path), memory, SIZE // 2)
    (upload,) = sender.uploads()
    assert jobs_sandbox.expire_uploads(upload["id"]) == 1
    sender.fault("status", "session_expired", status=status)
    sender.submit(FileSource(path), memory)
    jobs_sandbox.clear_faults()
    sender.check(RANDOM)
    assert [(upload["state"], upload["job_id"]) for upload in sender.uploads()] == [
        ("expired", "j_0"),
        ("complete", "j_0"),
    ]
    assert memory.known == {}


def test_a_session_that_refuses_is_not_asked_by_every_attempt(jobs_sandbox: Sandbox, path: Path) -> None:
    sender, memory = Sender(jobs_sandbox), Memory()
    die(sender, FileSource(path), memory, SIZE // 2)
    sender.fault("status", "reply", status=400, reason="invalid", times=0)
    with pytest.raises(ServiceError, match="400"):
        sender.submit(FileSource(path), memory)
    sender.submit(FileSource(path), memory)
    jobs_sandbox.clear_faults()
    sender.check(RANDOM)
