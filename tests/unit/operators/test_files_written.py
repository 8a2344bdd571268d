"""Where files go: a folder of this machine, or of an object store."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_jobs.clients.salesforce.results.files import Draft, LocalSink, Part
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES
from airflow_provider_jobs.errors import ConfigurationError, ProtocolError
from airflow_provider_jobs.operators.files.places import opened
from airflow_provider_jobs.operators.files.results import folder_and_name
from airflow_provider_jobs.operators.files.stores import StoreSink, sink_for
from tests.unit.operators.conftest import Timeout

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for drafts of this test alone."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def drafted(sink: LocalSink, name: str = "a.csv", content: bytes = b"hello") -> Part:
    with sink.draft(name).open("wb") as file:
        draft = Draft(file, compress=False)
        draft.write(content)
        draft.end()
        return Part(name, 1, file.tell(), draft.sha256)


def test_what_a_path_is() -> None:
    assert opened("/data/a.csv", None) == Path("/data/a.csv")
    assert opened(Path("/data"), None) == Path("/data")
    assert str(opened("s3://bucket/a.csv", "conn")) == "s3://conn@bucket/a.csv"
    place = ObjectStoragePath("file:///data/a.csv")
    assert opened(place, None) is place
    assert folder_and_name("/data/a.csv", None) == (Path("/data"), "a.csv")
    folder, name = folder_and_name("s3://bucket/b/a.csv", None)
    assert (str(folder).rstrip("/"), name) == ("s3://bucket/b", "a.csv")
    for wrong in (7, None, ["a"]):
        with pytest.raises(ConfigurationError, match="results_path is a"):
            opened(wrong, None)
    for nothing in ("/", "/nowhere/out/", "s3://bucket", "s3://bucket/out/"):
        with pytest.raises(ConfigurationError, match="names no file"):
            folder_and_name(nothing, None)


def test_a_store_gets_files_once_all_are_whole(tmp_path: Path, scratch: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    sink = StoreSink(ObjectStoragePath(f"file://{target}"), "750")
    parts = [drafted(sink, "a.csv"), drafted(sink, "b.csv", b"you")]
    assert list(target.iterdir()) == []
    assert sink.publish(parts) == [f"file://{target}/a.csv", f"file://{target}/b.csv"]
    assert [(target / name).read_bytes() for name in ("a.csv", "b.csv")] == [b"hello", b"you"]
    assert list(scratch.iterdir()) == []


def test_a_url_of_this_machine_is_a_folder_as_any_other(tmp_path: Path, scratch: Path) -> None:
    """A store's own way to write would follow a link, and wait for the reader of a named pipe."""
    target, other = tmp_path / "target", tmp_path / "other"
    target.mkdir()
    other.write_text("theirs")
    (target / "a.csv").symlink_to(other)
    sink = sink_for(ObjectStoragePath(f"file://{target}"), "750")
    assert sink.publish([drafted(sink, "a.csv")]) == [f"file://{target}/a.csv"]
    assert ((target / "a.csv").read_bytes(), other.read_text()) == (b"hello", "theirs")
    os.mkfifo(target / "pipe.csv")
    with pytest.raises(ConfigurationError, match="is a named pipe, which is not replaced"):
        sink.check(["pipe.csv"])
    assert list(scratch.iterdir()) == []


def test_drafts_are_found_again_and_private(tmp_path: Path, scratch: Path) -> None:
    target = ObjectStoragePath(f"file://{tmp_path}")
    part = drafted(StoreSink(target, "750"))
    again = StoreSink(target, "750")
    assert again.draft(part.name).read_bytes() == b"hello"
    assert not StoreSink(target, "751").draft(part.name).exists()
    assert again.draft("a.csv").parent == scratch
    with again.begin("b.csv"):
        assert again.draft("b.csv").stat().st_mode & 0o777 == 0o600


def test_a_file_that_arrived_short_is_noticed(tmp_path: Path) -> None:
    sink = StoreSink(ObjectStoragePath(f"file://{tmp_path}"), "750")
    part = drafted(sink)
    with pytest.raises(ProtocolError, match="has 5 bytes, and 6 were sent"):
        sink.publish([Part(part.name, 1, 6, part.sha256)])
    assert sink.draft("a.csv").exists()


def test_a_store_that_takes_nothing_keeps_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = StoreSink(ObjectStoragePath(f"file://{tmp_path}"), "750")
    part = drafted(sink)
    (tmp_path / "a.csv").write_text("of yesterday")

    def refused(*_: object) -> Any:
        raise PermissionError("quota")

    monkeypatch.setattr(LocalFileSystem, "open", refused)
    with pytest.raises(ConfigurationError, match=r"/a\.csv cannot be written: quota"):
        sink.publish([part])
    assert (tmp_path / "a.csv").read_text() == "of yesterday"


def test_the_end_of_the_task_waits_for_no_file_that_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end_of_task: Callable[[], None]
) -> None:
    """The thread is still sending when publish has raised; what it has sent of the file goes."""
    go_on, thread = threading.Event(), SimpleQueue[threading.Thread]()
    open_: Any = LocalFileSystem.open

    class Slow:
        def __init__(self, file: Any) -> None:
            self.file = file

        def close(self) -> None:
            self.file.close()

        def write(self, block: bytes) -> None:
            self.file.write(block)
            thread.put(threading.current_thread())
            end_of_task()
            assert go_on.wait(10)

    monkeypatch.setattr(LocalFileSystem, "open", lambda fs, path, mode: Slow(open_(fs, path, mode)))
    (tmp_path / "target").mkdir()
    sink = StoreSink(ObjectStoragePath(f"file://{tmp_path}/target"), "750")
    part = drafted(sink, content=b"x" * 3 * BLOCK_BYTES)
    with pytest.raises(Timeout):
        sink.publish([part])
    sending = thread.get(timeout=10)
    assert sending.is_alive()
    assert sending.daemon
    go_on.set()
    sending.join(10)
    assert list((tmp_path / "target").iterdir()) == []
    assert sink.draft("a.csv").exists()
