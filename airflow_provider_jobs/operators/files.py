"""The files of a task, on this machine or in an object store.

First those that it reads, which ``source`` names; then those that it writes, which ``results_path`` names.
"""

from __future__ import annotations

import glob
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Part
from airflow_provider_jobs.core.drafts import check_place
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, FileSource, OpenedSource, Source
from airflow_provider_jobs.core.wait.threads import Pool
from airflow_provider_jobs.errors import ConfigurationError, OutageError, ProtocolError
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Sequence

    from airflow.sdk import ObjectStoragePath

    from airflow_provider_jobs.clients.salesforce.results.files import Downloaded

_WILDCARDS = "*?["
#: Where the stores say which version of an object it is.
_VERSIONS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "generation",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
)
#: Files that are sent to an object store at a time.
_UPLOADS = 4


def opened(path: Any, conn_id: str | None, parameter: str = "results_path") -> Any:
    """Return a Path, or for a URL an ObjectStoragePath.

    :raises ConfigurationError: it is neither.
    """
    if isinstance(path, str) and "://" in path:
        from airflow.sdk import ObjectStoragePath  # noqa: PLC0415 - only who has one pays for it

        return ObjectStoragePath(path, conn_id=conn_id)
    if _in_store(path):
        return path
    if isinstance(path, str | Path):
        return Path(path)
    raise ConfigurationError(f"{parameter} is a {type(path).__name__}: give a path or an ObjectStoragePath")


def _in_store(path: Any) -> bool:
    """Return True of an ObjectStoragePath, which is a Path as well in Airflow 3.1."""
    return hasattr(type(path), "fs")


def _is_local(folder: ObjectStoragePath) -> bool:
    return "file" in folder.fs.protocol


# What a task reads.


def sources_of(source: Any, conn_id: str | None = None) -> list[Source]:
    """Return the files that a path, a URL, an ObjectStoragePath, a pattern or a list of these names.

    :param conn_id: The connection of URLs.
    :raises ConfigurationError: one is missing, is not a file or is named twice; a pattern matches nothing.
    """
    return list(sources_by_place(source, conn_id).values())


def sources_by_place(source: Any, conn_id: str | None = None) -> dict[str, Source]:
    """Return the same, each under the path or the URL that tells it from others of its name."""
    if isinstance(source, list | tuple):
        found: dict[str, Source] = {}
        for each in source:
            for place, file in sources_by_place(each, conn_id).items():
                if place in found:
                    raise ConfigurationError(f"source names {place} twice")
                found[place] = file
        if not found:
            raise ConfigurationError("source is empty: name a file")
        return found
    path = opened(source, conn_id, "source")
    return _remote(path) if _in_store(path) else _local(str(source))


def _local(path: str) -> dict[str, Source]:
    if _as_written(path, Path(path)):
        return {path: FileSource(path)}
    names = glob.glob(path, recursive=True)  # noqa: PTH207 - a pattern may be absolute, which Path refuses
    found = sorted(name for name in names if Path(name).is_file())
    if not found:
        raise ConfigurationError(f"source {path} matches no file")
    return {name: FileSource(name) for name in found}


def _remote(path: ObjectStoragePath) -> dict[str, Source]:
    text = str(path)
    if _as_written(text, path):
        return {text: _object(path)}
    at = min(text.index(wildcard) for wildcard in _WILDCARDS if wildcard in text)
    before, _, _ = text[:at].rpartition("/")
    parent = type(path)(before + "/")
    found = sorted((each for each in parent.glob(text[len(before) + 1 :]) if each.is_file()), key=str)
    if not found:
        raise ConfigurationError(f"source {text} matches no object")
    return {str(each): _object(each) for each in found}


def _as_written(text: str, path: Path | ObjectStoragePath) -> bool:
    """Return False of a pattern; a file may have a name that looks like one."""
    return not any(wildcard in text for wildcard in _WILDCARDS) or path.is_file()


def _object(path: ObjectStoragePath) -> Source:
    try:
        info = path.fs.info(path.path)
        if info.get("type") == "directory":
            raise ConfigurationError(f"{path} is not a file")
        with path.open("rb") as file:
            seekable = file.seekable()
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist") from None
    except PermissionError:
        raise ConfigurationError(f"{path} cannot be read") from None

    def look() -> str:
        path.fs.invalidate_cache()
        return _fingerprint(path.name, path.fs.info(path.path))

    return OpenedSource(
        name=path.name,
        size=info.get("size"),
        fingerprint=_fingerprint(path.name, info),
        opener=lambda: path.open("rb"),
        look=look,
        seekable=seekable,
    )


def _fingerprint(name: str, info: dict[str, Any]) -> str:
    versions = [str(info[key]) for key in _VERSIONS if info.get(key) is not None]
    return ":".join([name, str(info.get("size")), *versions])


# What a task writes.


def folder_and_name(path: Any, conn_id: str | None) -> tuple[Any, str]:
    """Return the folder of a path, a URL or an ObjectStoragePath, and what follows it.

    :raises ConfigurationError: it is not one of them, or does not name a file.
    """
    whole = opened(path, conn_id)
    if not whole.name:
        raise ConfigurationError(f"results_path {shown(path, 200)!r} names no file")
    if not _in_store(whole) and whole.is_dir():
        raise ConfigurationError(f"results_path {whole} is a folder: name a file in it")
    check_places(whole.parent, [whole.name])
    return whole.parent, whole.name


def check_places(folder: Any, names: Iterable[str]) -> None:
    """See, before any work is done, that files can get these names in a folder of this machine.

    :raises ConfigurationError: a folder, a named pipe, a socket or a device has one.
    """
    if not _in_store(folder):
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
    if "LocalExecutor" in name or (_in_store(folder) and not _is_local(folder)):
        return ""
    return (
        f"the results go to {folder} of this worker: with {name} a later task may run on another one,"
        " which has them only if the folder is shared; an object store is there for all"
    )


def sink_for(folder: Any, key: str) -> LocalSink:
    """Return what writes files to a folder; equal keys find each other's drafts."""
    if not _in_store(folder):
        return LocalSink(folder, key)
    return FolderSink(folder, key) if _is_local(folder) else StoreSink(folder, key)


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
        return _fingerprint(place.name, place.fs.info(place.path))
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
