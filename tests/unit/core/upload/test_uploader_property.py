"""Whatever a service and its connection do that they may do, exactly the bytes of the source arrive."""

from __future__ import annotations

import random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, GzipSource, Media, Source
from airflow_provider_jobs.core.upload.protocol import UNIT_BYTES
from airflow_provider_jobs.core.upload.uploader import Uploader
from airflow_provider_jobs.errors import JobsError
from tests.unit.core.upload.storage import URL, Fault, Storage, source_of

WINDOW = 2 * UNIT_BYTES
RANDOM = random.Random(3).randbytes(3 * BLOCK_BYTES)  # noqa: S311 - test bytes, the same in each run
PATIENT = RetryPolicy(attempts=100, total_seconds=1e9)

EDGES = [edge + more for edge in (0, UNIT_BYTES, WINDOW, BLOCK_BYTES, 2 * BLOCK_BYTES) for more in (-1, 0, 1)]
SIZES = st.sampled_from([size for size in EDGES if size >= 0]) | st.integers(0, len(RANDOM))
COUNTS = st.integers(0, 2 * BLOCK_BYTES) | st.sampled_from([0, 1, UNIT_BYTES, WINDOW])


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    """What may happen to a request: it is cut, answered 5xx or 429, or not answered; anything may be kept."""
    taken = draw(st.none() | COUNTS)
    kept = draw(st.none() | COUNTS)
    return Fault(kept=kept, taken=taken, status=draw(st.sampled_from([0, 0, 401, 403, 429, 500, 503])))


@st.composite
def short(draw: st.DrawFn) -> Fault:
    """All is read and answered with 308, and only some of it is kept."""
    return Fault(kept=draw(COUNTS))


MISHAPS = st.lists(faults() | short(), max_size=6)


def patiently(storage: Storage, source: Source, *, resume: bool = False) -> None:
    def worded(reply: object) -> JobsError:
        error = JobsError("refused")
        error.retryable = True
        return error

    uploader = Uploader(storage, URL, Media(source), patience=PATIENT, window_bytes=WINDOW)
    assert uploader.send(worded, resume=resume).json() == {"done": True}


@settings(deadline=None)
@given(size=SIZES, sized=st.booleans(), mishaps=MISHAPS)
def test_what_arrives_is_what_was_sent(size: int, sized: bool, mishaps: list[Fault]) -> None:
    content, storage = RANDOM[:size], Storage(*mishaps)
    patiently(storage, source_of(content, sized=sized))
    assert storage.stored == content
    event(f"{len(storage.asked)} requests")


@settings(deadline=None)
@given(size=SIZES, sized=st.booleans(), share=st.floats(0, 1), mishaps=MISHAPS)
def test_a_second_attempt_sends_the_rest_only(
    size: int, sized: bool, share: float, mishaps: list[Fault]
) -> None:
    content = RANDOM[:size]
    storage = Storage(*mishaps, stored=content[: int(size * share)])
    patiently(storage, source_of(content, sized=sized), resume=True)
    assert storage.stored == content
    assert storage.ranges[0].startswith("*/")


@settings(deadline=None, max_examples=30)
@given(size=SIZES, first=MISHAPS, second=MISHAPS)
def test_a_compressed_source_goes_on_in_a_second_attempt(
    size: int, first: list[Fault], second: list[Fault]
) -> None:
    """Its bytes are made anew, and are the same."""
    source = GzipSource(source_of(RANDOM[:size]))
    storage = Storage(*first, KeyboardInterrupt())
    try:
        patiently(storage, source)
    except KeyboardInterrupt:
        storage.faults = list(second)
        patiently(storage, source, resume=True)
    reader = source.open()
    assert storage.stored == reader.read()


@settings(deadline=None)
@given(size=st.integers(1, 500), cuts=st.lists(st.integers(1, 100), max_size=9))
def test_no_byte_that_is_stored_is_sent_again(size: int, cuts: list[int]) -> None:
    storage = Storage(
        *(fault for count in cuts for fault in (Fault(taken=count, kept=count, status=0), Fault()))
    )
    patiently(storage, source_of(RANDOM[:size]))
    assert sum(asked.taken for asked in storage.asked) == size


@pytest.mark.parametrize("status", [0, 503])
@given(kept=st.integers(0, 100))
def test_any_answer_may_be_the_lost_one(status: int, kept: int) -> None:
    for at in range(4):
        storage = Storage(*[Fault()] * at, Fault(kept=kept, status=status))
        patiently(storage, source_of(RANDOM[:100]))
        assert storage.stored == RANDOM[:100]
