"""What a task writes to a store appears whole or not at all, and what was there stays until then."""

from __future__ import annotations

import gc
import re
import tempfile
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io.store import attach
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_jobs.clients.salesforce.results.files import Draft, LocalSink, Part
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES
from airflow_provider_jobs.errors import ConfigurationError, JobsError, OutageError
from airflow_provider_jobs.operators.files import stores
from airflow_provider_jobs.operators.files.places import opened
from airflow_provider_jobs.operators.files.stores import StoreSink, sink_for
from tests.integration.stores.cutting import CuttingProxy, little_sftp
from tests.integration.stores.servers import Store

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from pathlib import Path

#: What aiohttp says of every block of Azure's client that is larger than a mebibyte.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")

OLD = b"of yesterday"
#: Two requests of any store, the second of which is cut.
NEW = b"of today" * (BLOCK_BYTES + 1)
SENT_BYTES = 5 * 1024 * 1024


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for drafts of this test alone; small requests, and no pauses between their repetitions."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(stores, "_SENT_BYTES", SENT_BYTES)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return folder


@pytest.fixture
def folder(store: Store) -> str:
    """A new folder of a store, with a file of yesterday in it."""
    path = f"{store.root}/{uuid.uuid4().hex[:8]}"
    publish(sink_for(ObjectStoragePath(path), "yesterday"), OLD)
    return path


def drafted(sink: LocalSink, content: bytes, name: str = "a.csv") -> Part:
    with sink.begin(name) as file:
        draft = Draft(file)
        draft.write(content)
        return Part(name, 1, file.tell(), draft.sha256)


def publish(sink: LocalSink, content: bytes = NEW, names: tuple[str, ...] = ("a.csv",)) -> list[str]:
    return sink.publish([drafted(sink, content, name) for name in names])


def found(store: Store, folder: str) -> dict[str, bytes]:
    """Return what is in a folder, as a new file system sees it."""
    files, path = store.file_system(), ObjectStoragePath(folder).path
    names = [name.rpartition("/")[2] for name in files.ls(path, detail=False)]
    return {name: files.cat_file(f"{path}/{name}") for name in names}


def test_files_replace_those_of_yesterday_and_folders_are_made(store: Store, folder: str) -> None:
    names = ("a.csv", "b.csv")
    for content in (b"", NEW[:100]):
        places = publish(sink_for(ObjectStoragePath(f"{folder}/x/y"), "today"), content, names)
        assert places == [str(ObjectStoragePath(f"{folder}/x/y/{name}")) for name in names]
        assert found(store, f"{folder}/x/y") == dict.fromkeys(names, content)


def test_a_cut_connection_leaves_the_file_of_yesterday(
    store: Store, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store.protocol == "abfs":
        from azure.storage.blob.aio import ExponentialRetry  # noqa: PLC0415 - absent where its server is

        monkeypatch.setattr(ExponentialRetry, "get_backoff_time", lambda *_: 0.0)
    port = int(re.search(r"(\d+)/?$", store.address)[1])  # type: ignore[index]
    proxy = CuttingProxy(port, SENT_BYTES + 1024 * 1024)
    through = replace(store, address=store.address.replace(str(port), str(proxy.port)))
    files = through.file_system()
    files.retries = 1
    store.attach(files)
    place = str(ObjectStoragePath(f"{folder}/a.csv"))
    with pytest.raises(JobsError, match=re.escape(f"{place} cannot be written: ")) as caught:
        publish(sink_for(ObjectStoragePath(folder), "today"))
    assert isinstance(caught.value, OutageError)
    proxy.close()
    gc.collect()
    store.attach()
    assert found(store, folder)["a.csv"] == OLD
    publish(sink_for(ObjectStoragePath(folder), "today"))
    assert found(store, folder) == {"a.csv": NEW}


class Ended(StoreSink):
    """A sink whose task ends while its second block is read."""

    def read(self, name: str) -> Any:
        sink, file, blocks = self, super().read(name), iter(range(10))

        class Ending:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def read(self, size: int) -> bytes:
                if next(blocks) == 1:
                    sink.stopped.set()
                return file.read(7 * size)

        return Ending()

    def _send(self, part: Part, name: str, stopped: threading.Event) -> None:
        self.stopped = stopped
        super()._send(part, name, stopped)


def test_the_end_of_a_task_publishes_no_part_of_a_file(store: Store, folder: str) -> None:
    sink = Ended(ObjectStoragePath(folder), "today")
    with pytest.raises(OutageError, match=r"the task was ended before .*/a\.csv was sent"):
        publish(sink)
    gc.collect()
    assert found(store, folder) == {"a.csv": OLD}
    if store.protocol == "s3":
        uploads = store.file_system().call_s3("list_multipart_uploads", Bucket="tests").get("Uploads", [])
        assert [each["Key"] for each in uploads if each["Key"] in f"{folder}/a.csv"] == []


def test_what_cannot_work_is_told_before_anything_is_done(store: Store, folder: str) -> None:
    before = found(store, folder)
    sink_for(ObjectStoragePath(f"{folder}/new/one"), "today").check(["a.csv"])
    sink_for(ObjectStoragePath(folder), "today").check(["a.csv", "b.csv"])
    if store.protocol in {"s3", "abfs"}:
        wrong = {f"{store.protocol}://nothing/x": "there is no nothing"}
    else:
        wrong = {f"{folder}/a.csv": "/a.csv is not a folder", f"{folder}/a.csv/x": "/a.csv is not a folder"}
        with pytest.raises(ConfigurationError, match="is a folder, which is not replaced"):
            sink_for(ObjectStoragePath(store.root), "today").check([folder.rpartition("/")[2]])
    for path, says in wrong.items():
        with pytest.raises(ConfigurationError, match=says):
            sink_for(ObjectStoragePath(path), "today").check(["b.csv"])
    assert found(store, folder) == before


def test_a_store_that_does_not_answer_is_told_before_anything_is_done(ftp_server: Store) -> None:
    files = ftp_server.file_system()
    files.ftp.close()
    ftp_server.attach(files)
    with pytest.raises(OutageError, match="cannot be written"):
        sink_for(ObjectStoragePath(ftp_server.root), "today").check(["a.csv"])
    ftp_server.detach()


@pytest.fixture
def little(tmp_path: Path) -> Iterator[Store]:
    root = tmp_path / "little"
    for name in ("free", "locked"):
        (root / name).mkdir(parents=True)
    with little_sftp(root) as port:
        store = Store("sftp", str(port), "sftp://127.0.0.1")
        store.attach()
        yield store
        store.detach()


def test_a_server_that_renames_onto_no_file(little: Store, tmp_path: Path) -> None:
    folder = tmp_path / "little" / "free"
    for content in (OLD, b"of today"):
        publish(sink_for(ObjectStoragePath("sftp://127.0.0.1/free"), "today"), content)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.csv": content}


def test_a_kill_between_two_renames_loses_no_file(little: Store, tmp_path: Path) -> None:
    """The old file is moved away by then: the next attempt, which fails too, puts it back."""
    folder, place = tmp_path / "little" / "free", ObjectStoragePath("sftp://127.0.0.1/free")
    publish(sink_for(place, "today"), OLD)
    draft = sink_for(place, "today").draft("a.csv").name
    (folder / "a.csv").rename(folder / f"{draft.removesuffix('.draft')}.before.draft")
    with pytest.raises(OutageError, match="the task was ended"):
        publish(Ended(place, "today"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.csv": OLD}
    publish(sink_for(place, "today"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.csv": NEW}


def test_a_folder_that_takes_no_file_is_told_before(little: Store, tmp_path: Path) -> None:
    for path in ("locked", "locked/new"):
        with pytest.raises(ConfigurationError, match=r"/locked.* cannot be written: not for you"):
            sink_for(ObjectStoragePath(f"sftp://127.0.0.1/{path}"), "today").check(["a.csv"])
    assert list((tmp_path / "little" / "locked").iterdir()) == []


def test_a_store_in_memory() -> None:
    attach("memory", fs=MemoryFileSystem(skip_instance_cache=True))
    folder = ObjectStoragePath(f"memory://{uuid.uuid4().hex[:8]}/x")
    publish(sink_for(folder, "yesterday"), OLD)
    with pytest.raises(OutageError, match="the task was ended"):
        publish(Ended(folder, "today"))
    assert folder.fs.cat_file(f"{folder.path}/a.csv") == OLD
    sink = sink_for(folder, "today")
    sink.check(["a.csv"])
    publish(sink)
    assert sink.listed() == ["a.csv"]
    assert folder.fs.cat_file(f"{folder.path}/a.csv") == NEW


@pytest.mark.parametrize("url", ["nosuch://bucket/folder", "gs://bucket/folder"])
def test_a_store_that_nothing_knows(url: str) -> None:
    """Google's file system comes with a package of Airflow that is not installed here."""
    with pytest.raises(ConfigurationError, match=r"cannot be written.*: .*(nosuch|gs)"):
        sink_for(opened(url, None), "today")
