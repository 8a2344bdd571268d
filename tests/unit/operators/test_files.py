"""What a store can do is asked of the store."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

from airflow_provider_jobs.operators.files.sources import sources_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Streamed(io.BytesIO):
    """A file as a web server sends it that knows no ranges."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise io.UnsupportedOperation("seek")


def streaming() -> Any:
    """Return a store whose files can only be read from their first byte on."""
    store = LocalFileSystem(skip_instance_cache=True)
    store.open = lambda path, mode, **options: Streamed(Path(path).read_bytes())
    return store


@pytest.mark.parametrize("name", ["rows.csv", "ro*.csv"])
@pytest.mark.parametrize("store", [LocalFileSystem, streaming])
def test_an_object_is_read_from_any_offset(tmp_path: Path, store: Callable[[], Any], name: str) -> None:
    """Where nothing can seek, what lies before is read and dropped: an interrupted upload goes on."""
    (tmp_path / "rows.csv").write_bytes(b"0123456789")
    conn_id = tmp_path.name
    attach("file", conn_id, fs=store())
    (source,) = sources_of(ObjectStoragePath(f"file://{tmp_path}/{name}", conn_id=conn_id))
    assert source.size == 10
    with closing(source.open(6)) as reader:
        assert reader.read(100) == b"6789"
