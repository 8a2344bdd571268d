"""Where the files of a Salesforce task go: a folder of this machine, or of an object store."""

from __future__ import annotations

import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce_output import LocalSink, Part, Sink
from airflow_provider_jobs.core.streams import BLOCK_BYTES
from airflow_provider_jobs.errors import ConfigurationError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import ObjectStoragePath

    from airflow_provider_jobs.clients.salesforce_output import Downloaded

#: Files that are sent to an object store at a time.
_UPLOADS = 4


class StoreSink(LocalSink):
    """A folder of an object store; files are drafted on this machine, and sent once all of them are whole.

    :param key: As of :class:`.LocalSink`.
    """

    def __init__(self, folder: ObjectStoragePath, key: str) -> None:
        super().__init__(_private_folder(key), key)
        self._target = folder

    def publish(self, parts: Sequence[Part]) -> list[str]:
        """Send all drafts, see that they arrived whole, and delete them here.

        :raises ProtocolError: the store has not what was sent.
        """
        if "file" in self._target.fs.protocol:  # the only store that has folders
            self._target.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(_UPLOADS) as pool:
            places = list(pool.map(self._send, parts))
        for part in parts:
            self.discard(part.name)
        if not any(self._folder.iterdir()):
            self._folder.rmdir()
        return places

    def _send(self, part: Part) -> str:
        place = self._target / part.name
        with self.draft(part.name).open("rb") as draft, place.open("wb") as file:
            while block := draft.read(BLOCK_BYTES):
                file.write(block)
        place.fs.invalidate_cache()
        size = place.fs.info(place.path).get("size")
        if size != part.size_bytes:
            raise ProtocolError(f"{place} has {size} bytes, and {part.size_bytes} were sent")
        return str(place)


def _private_folder(key: str) -> Path:
    """Return a folder for drafts that nobody else on this machine reads; the same one for the same key."""
    folder = Path(tempfile.gettempdir(), f"airflow-provider-jobs-{os.getuid()}-{key}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        return Path(tempfile.mkdtemp(prefix="airflow-provider-jobs-"))  # somebody else was here first
    return folder


def folder_and_name(path: Any, conn_id: str | None) -> tuple[Any, str]:
    """Return the folder of a path, a URL or an ObjectStoragePath, and what follows it.

    :raises ConfigurationError: it is none of them, or names no file.
    """
    whole = opened(path, conn_id)
    if not whole.name:
        raise ConfigurationError(f"results_path {str(path)[:200]!r} names no file")
    if isinstance(whole, Path) and whole.is_dir():
        raise ConfigurationError(f"results_path {whole} is a folder: name a file in it")
    return whole.parent, whole.name


def opened(path: Any, conn_id: str | None) -> Any:
    """Return a Path, or for a URL an ObjectStoragePath.

    :raises ConfigurationError: it is neither.
    """
    if isinstance(path, str) and "://" in path:
        from airflow.sdk import ObjectStoragePath  # noqa: PLC0415 - only who has one pays for it

        return ObjectStoragePath(path, conn_id=conn_id)
    if isinstance(path, str | Path):
        return Path(path)
    if hasattr(path, "fs") and hasattr(path, "open"):
        return path
    raise ConfigurationError(f"results_path is a {type(path).__name__}: give a path or an ObjectStoragePath")


def sink_for(folder: Any, key: str) -> Sink:
    """Return what writes files to a folder; equal keys find each other's drafts."""
    return LocalSink(folder, key) if isinstance(folder, Path) else StoreSink(folder, key)


def written(downloaded: Downloaded) -> list[dict[str, Any]]:
    """Return what a result says about the files of a download."""
    return [
        {
            "path": file.place,
            "record_count": file.record_count,
            "size_bytes": file.size_bytes,
            "sha256": file.sha256,
        }
        for file in downloaded.files
    ]
