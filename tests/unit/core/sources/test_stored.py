"""A stored object is read in pieces, again where that failed, and all of it or not at all."""

from __future__ import annotations

import io
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.sources import stored
from airflow_provider_jobs.core.sources.stored import Seen, StoredSource
from airflow_provider_jobs.errors import ConfigurationError, JobsError, SourceChanged, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE = 4
CONTENT = b"0123456789"
TIMING = Timing(now=lambda: 0.0, sleep=lambda _: None, random=lambda: 0.0)


@pytest.fixture(autouse=True, scope="module")
def small_pieces() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "PIECE_BYTES", PIECE)
        yield


class Object:
    """An object in memory, whose store does to it what a test says."""

    name = "rows.csv"

    def __init__(self, content: bytes = CONTENT, version: str = "v1") -> None:
        self.content, self.version = content, version
        self.told: int | None = None
        self.failures: list[Exception] = []
        self.opened: list[bool] = []
        self.hidden = False

    def look(self) -> Seen:
        return Seen(len(self.content) if self.told is None else self.told, self.version)

    def open(self, offset: int, *, anew: bool) -> Any:
        self.opened.append(anew)
        file = File(self)
        file.seek(offset)
        return file

    def goes_on(self, file: Any, size: int) -> bool:
        return self.hidden

    def source(self) -> StoredSource:
        return StoredSource(self, self.look(), TIMING)


class File(io.BytesIO):
    def __init__(self, of: Object) -> None:
        super().__init__(of.content)
        self._of = of

    def read(self, size: int | None = -1, /) -> bytes:
        if self._of.failures:
            raise self._of.failures.pop()
        return super().read(size)

    def close(self) -> None:
        super().close()
        raise OSError("the connection is gone")


def everything(source: StoredSource, offset: int = 0, size: int = 3) -> bytes:
    with closing(source.open(offset)) as reader:
        return b"".join(iter(lambda: reader.read(size), b""))


@pytest.mark.parametrize("version", ["v1", ""])
@given(content=st.binary(max_size=30), share=st.floats(0, 1), size=st.sampled_from([-1, 1, 3, 4, 100]))
def test_gives_the_rest_from_any_offset(version: str, content: bytes, share: float, size: int) -> None:
    of = Object(content, version)
    offset = int(len(content) * share)
    assert everything(of.source(), offset, size) == content[offset:]


@pytest.mark.parametrize("error", [OSError("cut"), EOFError(), ValueError("theirs"), TimeoutError()])
def test_any_failure_is_asked_again_over_another_connection(error: Exception) -> None:
    of = Object()
    source = of.source()
    of.failures = [error, error]
    assert everything(source) == CONTENT
    assert of.opened == [False, True, True]


def test_a_store_that_stays_away_is_an_outage() -> None:
    of = Object()
    source = of.source()
    of.failures = [EOFError("https://host/?signature=secret")] * 99
    with pytest.raises(TransportError, match=r"rows\.csv cannot be read: EOFError$"):
        everything(source)
    assert len(of.opened) == stored.PATIENCE.attempts


@pytest.mark.parametrize(
    ("error", "becomes"), [(FileNotFoundError(), SourceChanged), (PermissionError(), ConfigurationError)]
)
def test_what_no_attempt_mends_is_not_asked_again(error: Exception, becomes: type[JobsError]) -> None:
    of = Object()
    source = of.source()
    of.failures = [error]
    with pytest.raises(becomes, match=r"rows\.csv"):
        everything(source)
    assert of.opened == [False]


def _shorter(of: Object) -> None:
    of.content = CONTENT[:-1]


def _longer(of: Object) -> None:
    of.content = CONTENT + b"x"


def _longer_than_its_file_shows(of: Object) -> None:
    of.hidden = True


@pytest.mark.parametrize("change", [_shorter, _longer, _longer_than_its_file_shows])
def test_another_end_than_was_told(change: Callable[[Object], None]) -> None:
    of = Object()
    source = of.source()
    change(of)
    with pytest.raises(SourceChanged, match="became"):
        everything(source)


def test_an_end_that_only_the_connection_had_is_read_on() -> None:
    """The store still says that there is more."""
    of = Object()
    source = of.source()
    of.content, of.told = CONTENT[:5], len(CONTENT)
    with pytest.raises(TransportError, match="ended after 5 bytes of 10"):
        everything(source)
    assert len(of.opened) == stored.PATIENCE.attempts


def test_a_client_that_decompresses() -> None:
    of = Object()
    source = of.source()
    opened = of.open

    def decompressing(offset: int, *, anew: bool) -> Any:
        file = opened(offset, anew=anew)
        file.read = lambda size: b"x" * (size + 1)
        return file

    of.open = decompressing  # type: ignore[method-assign]
    with pytest.raises(ConfigurationError, match="other bytes than are stored"):
        everything(source)


def test_a_change_is_told_by_the_stores_word() -> None:
    of = Object()
    source = of.source()
    source.check()
    of.version = "v2"
    with pytest.raises(SourceChanged):
        source.check()


class TestWithoutAVersion:
    """The store has no word for it: a change is found by reading."""

    def test_equal_bytes_are_equal(self) -> None:
        assert Object(version="").source().fingerprint == Object(version="").source().fingerprint
        assert Object(version="").source().fingerprint != Object(CONTENT[::-1], "").source().fingerprint

    @pytest.mark.parametrize("offset", [0, 5, 8])
    def test_bytes_that_are_sent_again_are_compared(self, offset: int) -> None:
        of = Object(version="")
        source = of.source()
        assert everything(source) == CONTENT
        of.content = CONTENT[:8] + b"xx"
        with pytest.raises(SourceChanged):
            everything(source, offset)
