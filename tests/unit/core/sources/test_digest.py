"""What callers have is taken as it is, and hashed once."""

from __future__ import annotations

import hashlib
import io
import random
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.redivis.names import table_reference
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.sources.digest import Digested
from airflow_provider_jobs.core.sources.source import Media, NoMemory, source_of
from airflow_provider_jobs.errors import (
    ConfigurationError,
    SourceChanged,
)
from tests.unit.clients.redivis.replay import (
    API,
    CONTENT,
    MISSING,
    QUEUED,
    TABLE,
    T,
    client_of,
    refused,
    upload,
)

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.clients.redivis.transfer import TemporaryUpload
    from tests.unit.clients.redivis.replay import RedivisReplay
    from tests.unit.conftest import Clock


OK = Reply(200, {}, b"")
PLAIN = "redivis_temp_plain"
CREATE = f"POST {T}/uploads"


def temporary(
    url: str = f"{API}/storage/tmp1", *, resumable: bool = False, identity: str = "tmp1"
) -> dict[str, Any]:
    return {"results": [{"id": identity, "url": url, "resumable": resumable}]}


def send(
    clock: Clock, *replies: Any, content: Any = CONTENT, memory: Any = None, **options: Any
) -> tuple[TemporaryUpload, RedivisReplay]:
    client, replay = client_of(clock, *replies, **options)
    progress: list[tuple[int, int | None]] = []
    media = Media(Digested(source_of(content)), memory or NoMemory(), lambda *news: progress.append(news))
    upload = client.transfers.send(table_reference(TABLE), "orders.csv", media)
    return upload, replay


class TestContent:
    """What callers have is taken as it is."""

    def test_a_file_object_needs_no_name(self, clock: Clock) -> None:
        """Seen elsewhere: AttributeError."""
        _, replay = send(clock, temporary(), OK, content=io.BytesIO(CONTENT))
        assert replay.content[1] == CONTENT

    def test_a_file_object_is_sent_from_where_it_stands_and_left_open(self, clock: Clock) -> None:
        file = io.BytesIO(b"head:" + CONTENT)
        file.seek(5)
        _, replay = send(clock, temporary(), refused(503), OK, content=file)
        assert replay.content[1:] == [CONTENT, CONTENT]
        assert not file.closed

    def test_an_open_file_brings_its_name(self, tmp_path: Path) -> None:
        path = tmp_path / "orders.csv"
        path.write_bytes(CONTENT)
        with path.open("rb") as file:
            assert source_of(file).name == "orders.csv"
        assert source_of(str(path)).name == source_of(path).name == "orders.csv"

    @pytest.mark.parametrize("content", [7, None, io.StringIO("text"), ["a"]])
    def test_what_is_no_content_is_refused(self, content: Any) -> None:
        with pytest.raises(ConfigurationError):
            source_of(content)

    def test_what_cannot_be_sent_again_is_refused(self) -> None:
        class Pipe(io.RawIOBase):
            def seekable(self) -> bool:
                return False

        with pytest.raises(ConfigurationError, match="cannot seek"):
            source_of(Pipe())

    def test_a_file_object_that_grows_is_noticed(self) -> None:
        file = io.BytesIO(CONTENT)
        source = source_of(file)
        file.seek(0, io.SEEK_END)
        file.write(b"more")
        with pytest.raises(SourceChanged):
            source.check()


class _Unsized:
    """A source that only reading measures."""

    name, size, fingerprint = "x", None, "x"

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.read_bytes = 0

    def open(self, offset: int = 0) -> Any:
        outer = self

        class Reader(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                block = super().read(size)
                outer.read_bytes += len(block)
                return block

        reader = Reader(self.content)
        reader.seek(offset)
        return reader

    def check(self) -> None:
        """Say that it is the same."""


class TestDigest:
    """Each byte is hashed once, in order, however it is read."""

    MD5 = "5d41402abc4b2a76b9719d911017c592"

    def test_a_source_without_a_size_is_measured(self) -> None:
        source = Digested(_Unsized(CONTENT))
        assert (source.size, source.md5()) == (5, self.MD5)

    def test_what_is_sent_is_hashed_on_the_way(self) -> None:
        inner = _Unsized(CONTENT)
        inner.size = 5  # type: ignore[assignment]
        source = Digested(inner)
        reader = source.open()
        while reader.read(2):
            pass
        assert source.md5() == self.MD5
        assert inner.read_bytes == 5

    def test_what_is_sent_twice_is_hashed_once(self) -> None:
        source = Digested(source_of(CONTENT))
        source.open().read(4)
        source.open(2).read()
        assert source.md5() == self.MD5

    def test_what_an_earlier_attempt_sent_is_hashed_too(self) -> None:
        source = Digested(source_of(CONTENT))
        source.open(3).read()
        assert source.md5() == self.MD5

    def test_blocks_are_hashed_in_order_by_a_thread_that_ends(self) -> None:
        before = set(threading.enumerate())
        content = random.Random(7).randbytes(1 << 20)  # noqa: S311 - the same in each run
        source = Digested(source_of(content))
        reader = source.open()
        while reader.read(10_000):
            pass
        assert source.md5() == source.md5() == hashlib.md5(content, usedforsecurity=False).hexdigest()
        assert set(threading.enumerate()) <= before

    def test_a_source_that_became_shorter_is_noticed(self) -> None:
        inner = _Unsized(CONTENT)
        inner.size = 9  # type: ignore[assignment]
        with pytest.raises(SourceChanged, match="has 5 bytes, and 9"):
            Digested(inner).md5()

    def test_a_source_that_became_longer_is_noticed(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.csv"
        path.write_bytes(CONTENT)
        source = Digested(source_of(path))
        source.md5()
        with path.open("ab") as file:
            file.write(b"x")
        with (
            closing(source.open(len(CONTENT))) as reader,
            pytest.raises(SourceChanged, match="became longer"),
        ):
            reader.read(1)


def test_other_content_is_taken_as_the_source_that_it_is() -> None:
    source = _Unsized(CONTENT)
    assert source_of(source) is source


def test_put_upload_takes_what_callers_have(clock: Clock) -> None:
    client, replay = client_of(clock, MISSING, PLAIN, OK, QUEUED, QUEUED)
    made = client.put_upload(TABLE, CONTENT, "orders.csv", on_conflict="skip", hasHeaderRow=False)
    assert made["name"] == "orders.csv"
    assert replay.body(CREATE)["hasHeaderRow"] is False


def test_put_upload_names_what_has_no_name(clock: Clock) -> None:
    made = upload(name="untitled_upload.ndjson")
    client, replay = client_of(clock, MISSING, PLAIN, OK, made, made)
    client.put_upload(TABLE, io.BytesIO(CONTENT), type="ndjson")
    assert replay.body(CREATE)["name"] == "untitled_upload.ndjson"
