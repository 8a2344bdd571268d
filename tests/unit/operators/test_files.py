"""What a store can do is asked of the store."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.local import LocalFileSystem
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.files.places import opened
from airflow_provider_jobs.operators.files.sources import sources_of, version_of

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


def test_a_folder_that_cannot_be_listed_is_not_left_out(tmp_path: Path) -> None:
    """The search of fsspec goes on without it. Folders and links to nothing are no files."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.csv").write_bytes(b"0")
        (tmp_path / name / "rows").symlink_to("nowhere")
        (tmp_path / name / "linked.csv").symlink_to("rows.csv")
        (tmp_path / name / "folder.csv").mkdir()
    store = LocalFileSystem(skip_instance_cache=True)
    listed = store.ls

    def ls(path: str, *how: Any, **more: Any) -> Any:
        if path.endswith(str(away)):
            raise PermissionError(13, "Permission denied")
        return listed(path, *how, **more)

    store.ls = ls
    conn_id = tmp_path.name
    attach("file", conn_id, fs=store)
    pattern = ObjectStoragePath(f"file://{tmp_path}/*/*", conn_id=conn_id)
    away = "/b"
    with pytest.raises(ConfigurationError, match=r"/b cannot be read: Permission denied"):
        sources_of(pattern)
    away = "/none"
    assert [source.name for source in sources_of(pattern)] == ["linked.csv", "rows.csv"] * 2
    assert store.ls is ls


def test_a_folder_that_can_have_no_match_need_not_be_listed(tmp_path: Path) -> None:
    """Another team's beside them may be closed to us."""
    for name in ("2024-01/a", "2024-01/b", "2024-02/a", "private/a"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "rows.csv").write_bytes(b"0")
    store = LocalFileSystem(skip_instance_cache=True)
    listed = store.ls

    def ls(path: str, *how: Any, **more: Any) -> Any:
        if path.endswith(("/private", "/b")):
            raise PermissionError(13, "Permission denied")
        return listed(path, *how, **more)

    store.ls = ls
    attach("file", tmp_path.name, fs=store)

    def count(pattern: str) -> int:
        return len(sources_of(ObjectStoragePath(f"file://{tmp_path}/{pattern}", conn_id=tmp_path.name)))

    assert count("2024-*/a/rows.csv") == 2
    assert count("[12]*/a/*") == 2
    assert count("2024-02*/**") == 1
    assert count("2024-02*/**/*.csv") == 1
    with pytest.raises(ConfigurationError, match="/b cannot be read"):
        count("2024-*/*/rows.csv")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        count("*/**/rows.csv")


NAMES = st.text(st.sampled_from("ab?#:;%@&=~.* \t\r\n\\[]é"), min_size=1, max_size=8)


@pytest.mark.parametrize(
    "store", ["s3://bucket", "abfs://box", "gs://bucket", "sftp://host", "ftp://host", "file://"]
)
@given(name=NAMES)
@example("a?.csv")
@example("draft#")
@example("a\n.csv")
@example("a::b")
def test_a_path_is_taken_as_it_is_written_or_refused(store: str, name: str) -> None:
    """Airflow's parsing would read, or write, another object of that folder."""
    url = f"{store}/folder/{name}"
    try:
        path = opened(url, None)
    except ConfigurationError as error:
        assert "would be taken for" in str(error)  # noqa: PT017 - it may as well be taken
    else:
        assert path.path.endswith(f"/folder/{name}")


@pytest.mark.parametrize(
    "url", ["s3://b/a.csv", "s3://me@b/a%20b/c=1/é [1].csv", "sftp://h/a#1.csv", "file:///x/"]
)
def test_common_names_are_taken(url: str) -> None:
    assert opened(url, None).path.strip("/").endswith(url.partition("://")[2].partition("/")[2].strip("/"))


@pytest.mark.parametrize(
    "info",
    [
        {"ETag": "a"},
        {"e_tag": "a"},
        {"etag": "a", "created": 1},
        {"md5Hash": "a"},
        {"generation": "a"},
        {"modify": "a"},
        {"mtime": "a"},
        {"Last-Modified": "a"},
        {"created": "a"},
    ],
)
def test_each_store_has_a_word_of_its_own_for_a_version(info: dict[str, Any]) -> None:
    changed = {key: "b" if value == "a" else value for key, value in info.items()}
    assert version_of(info)
    assert version_of(info) != version_of(changed)


def test_what_says_nothing_of_a_version_is_found_out() -> None:
    """A time of reading is no version: it changes while we read."""
    assert not version_of({"name": "a", "size": 1, "type": "file", "time": 3, "ETag": None})


def test_a_folder_of_a_store_is_not_taken_for_a_file(tmp_path: Path) -> None:
    """Airflow drops the slash, and there may be an object without it."""
    (tmp_path / "a").touch()
    with pytest.raises(ConfigurationError, match="is a folder"):
        sources_of(f"file://{tmp_path}/a/")


@pytest.mark.parametrize("url", ["nosuch://bucket/a.csv", "gs://bucket/a.csv", "gs://bucket/*.csv"])
def test_a_store_that_nothing_knows(url: str) -> None:
    """No retry installs it; Google's file system comes with a package that is not installed here."""
    hint = "; install apache-airflow-providers-google$" if url.startswith("gs") else "nosuch"
    with pytest.raises(ConfigurationError, match="cannot be written or read: .*" + hint) as caught:
        sources_of(url)
    assert str(caught.value).startswith(f"source {url.partition('bucket')[0]}")  # Airflow 3.1 adds a /


@pytest.mark.parametrize("source", ["", " ", [""], []])
def test_a_source_that_is_empty(source: object) -> None:
    with pytest.raises(ConfigurationError, match="source is empty: name a file"):
        sources_of(source)
