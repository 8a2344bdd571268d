"""Sources give the same bytes from any offset, and say so when they cannot."""

from __future__ import annotations

import gzip
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, FileSource, GzipSource, Reader
from airflow_provider_jobs.errors import ConfigurationError, SourceChanged
from tests.unit.core.upload.storage import source_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZES = st.integers(1, 100)


def everything(reader: Reader, size: int = 7) -> bytes:
    content = b"".join(iter(lambda: reader.read(size), b""))
    reader.close()
    return content


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"0123456789")
    return path


@contextmanager
def nobody() -> Iterator[None]:
    """Be somebody else if this is root, who may read everything."""
    was = os.geteuid()
    os.seteuid(was or 65534)
    try:
        yield
    finally:
        os.seteuid(was)


class TestFileSource:
    """A file of this machine."""

    @pytest.mark.parametrize("offset", range(11))
    def test_gives_the_rest_from_any_offset(self, file: Path, offset: int) -> None:
        assert everything(FileSource(file).open(offset), 3) == b"0123456789"[offset:]

    def test_knows_its_name_and_size(self, file: Path) -> None:
        source = FileSource(str(file))
        assert (source.name, source.size) == ("rows.csv", 10)
        source.check()

    def test_a_file_that_is_read_again_in_another_process_has_the_same_fingerprint(self, file: Path) -> None:
        assert FileSource(file).fingerprint == FileSource(file).fingerprint

    def test_a_missing_file_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"/none cannot be read: No such file or directory$"):
            FileSource(tmp_path / "none")

    def test_a_directory_is_not_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="is not a file"):
            FileSource(tmp_path)

    def test_a_pipe_is_not_a_file(self, tmp_path: Path) -> None:
        """It would be waited on without end."""
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ConfigurationError, match="is not a file"):
            FileSource(tmp_path / "pipe")

    def test_an_unreadable_file_is_told(self, file: Path) -> None:
        file.chmod(0)
        with nobody(), pytest.raises(ConfigurationError, match="cannot be read: Permission denied"):
            FileSource(file)

    def test_a_link_is_the_file_that_it_leads_to(self, file: Path) -> None:
        link = file.with_name("link.csv")
        link.symlink_to(file)
        assert everything(FileSource(link).open()) == b"0123456789"

    @pytest.mark.parametrize("content", [b"012345678", b"0123456789x", b""])
    def test_another_size_is_a_change(self, file: Path, content: bytes) -> None:
        source, before = FileSource(file), file.stat()
        file.write_bytes(content)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(SourceChanged, match=r"rows\.csv was changed while it was sent"):
            source.check()
        assert FileSource(file).fingerprint != source.fingerprint

    def test_another_time_is_a_change(self, file: Path) -> None:
        source, before = FileSource(file), file.stat()
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        with pytest.raises(SourceChanged):
            source.check()

    def test_a_file_that_goes_away_is_a_change(self, file: Path) -> None:
        source = FileSource(file)
        file.unlink()
        with pytest.raises(SourceChanged, match="went away"):
            source.check()
        with pytest.raises(SourceChanged, match="cannot be read any more: No such file"):
            source.open()


class TestOpenedSource:
    """What can be opened again: an object of a store."""

    @pytest.mark.parametrize("seekable", [True, False])
    @pytest.mark.parametrize("offset", range(11))
    def test_gives_the_rest_from_any_offset(self, offset: int, seekable: bool) -> None:
        source = source_of(b"0123456789", seekable=seekable)
        assert everything(source.open(offset)) == b"0123456789"[offset:]

    def test_says_when_it_was_changed(self) -> None:
        version = ["one"]
        source = source_of(b"x", look=lambda: version[0], fingerprint="one")
        source.check()
        version[0] = "two"
        with pytest.raises(SourceChanged, match=r"rows\.csv was changed"):
            source.check()

    def test_a_source_that_ends_before_the_offset_has_changed(self) -> None:
        opened: list[Any] = []
        with pytest.raises(SourceChanged, match="shorter"):
            source_of(b"0123", opened=opened, seekable=False).open(5)
        assert opened[0].closed


class TestGzipSource:
    """A source that is compressed while it is read."""

    @given(content=st.binary(max_size=2000), size=SIZES)
    def test_holds_the_same_bytes(self, content: bytes, size: int) -> None:
        assert gzip.decompress(everything(GzipSource(source_of(content)).open(), size)) == content

    @given(content=st.binary(max_size=2000), share=st.floats(0, 1))
    def test_is_the_same_from_any_offset(self, content: bytes, share: float) -> None:
        source = GzipSource(source_of(content))
        whole = everything(source.open(), -1)
        offset = int(len(whole) * share)
        assert everything(source.open(offset)) == whole[offset:]

    def test_is_the_same_whatever_is_read_at_a_time(self) -> None:
        content = os.urandom(BLOCK_BYTES) + bytes(2 * BLOCK_BYTES)
        whole = everything(GzipSource(source_of(content)).open(), -1)
        assert everything(GzipSource(source_of(content)).open(), 100_000) == whole
        assert gzip.decompress(whole) == content

    def test_holds_no_time(self) -> None:
        assert everything(GzipSource(source_of(b"x")).open(), -1)[4:8] == bytes(4)

    def test_says_what_it_is(self, file: Path) -> None:
        inner = FileSource(file)
        source = GzipSource(inner)
        assert (source.name, source.size) == ("rows.csv.gz", None)
        assert source.fingerprint.startswith(inner.fingerprint + ":gzip")
        source.check()
        file.write_bytes(b"")
        with pytest.raises(SourceChanged):
            source.check()

    def test_closes_what_it_reads(self) -> None:
        opened: list[Any] = []
        GzipSource(source_of(b"x", opened=opened)).open().close()
        with pytest.raises(SourceChanged):
            GzipSource(source_of(b"x", opened=opened)).open(1000)
        assert [reader.closed for reader in opened] == [True, True]
