"""The files that a task writes: those that ``results_path`` names."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Part
from airflow_provider_jobs.core.drafts import check_place
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES
from airflow_provider_jobs.core.wait.threads import Pool
from airflow_provider_jobs.errors import ConfigurationError, OutageError, ProtocolError
from airflow_provider_jobs.operators.files.places import in_store, is_local, opened
from airflow_provider_jobs.operators.files.sources import fingerprint_of
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Sequence

    from airflow.sdk import ObjectStoragePath

    from airflow_provider_jobs.clients.salesforce.results.files import Downloaded

#: Files that are sent to an object store at a time.
_UPLOADS = 4


def folder_and_name(path: Any, conn_id: str | None, parameter: str = "results_path") -> tuple[Any, str]:
    """Return the folder of a path, a URL or an ObjectStoragePath, and what follows it.

    :raises ConfigurationError: it is not one of them, or does not name a file.
    """
    whole = opened(path, conn_id, parameter)
    if not whole.name:
        raise ConfigurationError(f"{parameter} {shown(path, 200)!r} names no file")
    if not in_store(whole) and whole.is_dir():
        raise ConfigurationError(f"{parameter} {whole} is a folder: name a file in it")
    check_places(whole.parent, [whole.name])
    return whole.parent, whole.name


def check_places(folder: Any, names: Iterable[str]) -> None:
    """See, before any work is done, that files can get these names in a folder of this machine.

    :raises ConfigurationError: a folder, a named pipe, a socket or a device has one.
    """
    if not in_store(folder):
        where = folder
    elif folder.protocol == "file":  # other stores are not asked yet: that needs a connection
        where = folder.path
    else:
        return
    for name in names:
        check_place(Path(where, name))


def found_elsewhere(folder: Any, executor: str | None) -> str:
    """Return what to know of a folder of this machine where tasks run on others too; empty if nothing.

    :param executor: The task's own, if it has one; otherwise Airflow's first one counts.
    """
    name = executor or conf.get("core", "executor", fallback="LocalExecutor").partition(",")[0]
    if "LocalExecutor" in name or (in_store(folder) and not is_local(folder)):
        return ""
    return (
        f"the results go to {folder} of this worker: with {name} a later task may run on another one,"
        " which has them only if the folder is shared; an object store is there for all"
    )


def sink_for(folder: Any, key: str) -> LocalSink:
    """Return what writes files to a folder; equal keys find each other's drafts."""
    if not in_store(folder):
        return LocalSink(folder, key)
    return FolderSink(folder, key) if is_local(folder) else StoreSink(folder, key)


class FolderSink(LocalSink):
    """A folder of this machine that a URL names: files are written as to any other.

    :param key: As of :class:`.LocalSink`.
    """

    def __init__(self, folder: ObjectStoragePath, key: str) -> None:
        super().__init__(folder.path, key)
        self._target = folder

    def publish(self, parts: Sequence[Part]) -> list[str]:
        """Give all files their names, and return the URL of each."""
        super().publish(parts)
        return [str(self._target / part.name) for part in parts]


class StoreSink(LocalSink):
    """A folder of an object store; files are drafted on this machine, and sent once all of them are whole.

    :param key: As of :class:`.LocalSink`.
    """

    def __init__(self, folder: ObjectStoragePath, key: str) -> None:
        super().__init__(tempfile.gettempdir(), key)
        self._target = folder

    def publish(self, parts: Sequence[Part]) -> list[str]:
        """Send all drafts, see that they arrived whole, and delete them here.

        :raises ProtocolError: the store has not what was sent.
        """
        with Pool(_UPLOADS) as pool:
            places = pool.results([partial(self._send, part, pool.stopped) for part in parts])
        self.clear()
        return places

    def _send(self, part: Part, stopped: threading.Event) -> str:
        place = self._target / part.name
        before = _version(place)
        try:
            self._copy(part, place, stopped)
        except BaseException:
            if _version(place) != before:  # a part of a file must not pass for the file
                with suppress(OSError):
                    place.unlink(missing_ok=True)
            raise
        place.fs.invalidate_cache()
        size = place.fs.info(place.path).get("size")
        if size != part.size_bytes:
            raise ProtocolError(f"{place} has {size} bytes, and {part.size_bytes} were sent")
        return str(place)

    def _copy(self, part: Part, place: ObjectStoragePath, stopped: threading.Event) -> None:
        with self.read(part.name) as draft, place.open("wb") as file:
            while block := draft.read(BLOCK_BYTES):
                if stopped.is_set():
                    raise OutageError(f"the task was ended before {place} was sent")
                file.write(block)


def _version(place: ObjectStoragePath) -> str | None:
    """Return what tells an object from others of its name; None if there is none to be seen."""
    place.fs.invalidate_cache()
    try:
        return fingerprint_of(place.name, place.fs.info(place.path))
    except OSError:
        return None


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
