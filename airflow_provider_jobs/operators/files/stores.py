"""Files that a task writes to a store: each appears whole or not at all, and what was there stays until then.

A store that shows an object once all of it was sent gets it under its name. Any other gets a hidden draft
beside the place, and renames it.
"""

from __future__ import annotations

import logging
import re
import tempfile
from contextlib import contextmanager
from ftplib import error_perm
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Part
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES
from airflow_provider_jobs.core.wait.threads import Pool
from airflow_provider_jobs.errors import ConfigurationError, JobsError, OutageError, ProtocolError
from airflow_provider_jobs.operators.files.places import in_store, is_local
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from airflow.sdk import ObjectStoragePath

log = logging.getLogger(__name__)

#: Files that are sent to a store at a time, where its client can do that.
_UPLOADS = 4
#: Stores of which an object appears once its put, or the last request of its upload, is complete.
_PUT_AT_ONCE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})
#: Bytes that a client collects before it sends them: enough for a good pace, little for four files at a time.
_SENT_BYTES = 8 * 1024 * 1024
#: S3 takes 10,000 parts of an object, no other store fewer.
_MOST_REQUESTS = 9_000
#: How the name of a file ends that was moved away, since nothing is renamed onto it.
_MOVED = ".before.draft"
#: What an SFTP server says of a request that it does not know: SSH_FX_OP_UNSUPPORTED.
_UNSUPPORTED = 8
#: What it says where permission is missing: SSH_FX_PERMISSION_DENIED.
_DENIED = 3


def sink_for(folder: Any, key: str) -> LocalSink:
    """Return what writes files to a folder; equal keys find each other's drafts.

    :raises ConfigurationError: nothing knows the store of a URL.
    """
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
    """A folder of a store; files are drafted on this machine, and sent once all of them are whole.

    :param key: As of :class:`.LocalSink`.
    """

    def __init__(self, folder: ObjectStoragePath, key: str) -> None:
        super().__init__(tempfile.gettempdir(), key)
        self._target = folder
        self._fs: Any = folder.fs
        protocols = self._fs.protocol
        self._puts_at_once = not _PUT_AT_ONCE.isdisjoint(
            {protocols} if isinstance(protocols, str) else protocols
        )

    def check(self, names: Sequence[str]) -> None:
        """See, before any work is done, that files can get these names; leave nothing behind.

        Of a store that puts at once, only whether it has the bucket: to write there is not tried.

        :raises ConfigurationError: something is in the way, or the folder cannot be written.
        :raises OutageError: the store does not answer.
        """
        with _naming(self._target):
            if self._puts_at_once:
                self._check_bucket()
            else:
                self._check_folder()
                for name in names:
                    if self._kind(self._path(name)) == "directory":
                        raise ConfigurationError(f"{self._url(name)} is a folder, which is not replaced")

    def publish(self, parts: Sequence[Part]) -> list[str]:
        """Send all drafts, see that they arrived whole, and delete them here.

        :raises OutageError: a file could not be written; what was there under its name is there still.
        :raises ProtocolError: the store has not what was sent.
        """
        if self._puts_at_once:
            self._send_all([(part, part.name) for part in parts])
        else:
            self._send_drafts(parts)
        self.clear()
        return [str(self._url(part.name)) for part in parts]

    def listed(self) -> list[str]:
        """Return the names in the folder, of whatever kind; none if there is no folder.

        :raises ConfigurationError: it cannot be listed.
        """
        self._fs.invalidate_cache()
        with _naming(self._target, "listed"):
            try:
                return [_name(each) for each in self._fs.ls(self._target.path, detail=False)]
            except FileNotFoundError:
                return []

    def remove(self, name: str) -> None:
        """Delete a file that was published before.

        :raises OutageError: it cannot be.
        """
        with _naming(self._url(name), "removed"):
            self._fs.rm_file(self._path(name))

    def _send_drafts(self, parts: Sequence[Part]) -> None:
        """Send all files to drafts beside their places, and rename these once all are whole."""
        drafts = {part.name: self.draft(part.name).name for part in parts}
        with _naming(self._target):
            self._fs.makedirs(self._target.path, exist_ok=True)
        self._remove_drafts()  # of an attempt on another worker, which nobody goes on with
        try:
            self._send_all([(part, drafts[part.name]) for part in parts])
            for name, draft in drafts.items():
                with _naming(self._url(name)):
                    _replace(self._fs, self._path(draft), self._path(name))
        except Exception:  # at a signal a thread may be sending still: it removes what it has sent
            with _told("drafts could not be removed", self._target):
                self._remove_drafts()
            raise

    def _send_all(self, parts: Sequence[tuple[Part, str]]) -> None:
        # A client that is not asynchronous may have one connection, which takes one file at a time.
        with Pool(_UPLOADS if getattr(self._fs, "async_impl", False) else 1) as pool:
            pool.results([partial(self._send, part, name, pool.stopped) for part, name in parts])

    def _send(self, part: Part, name: str, stopped: threading.Event) -> None:
        place = self._url(part.name)
        with _naming(place):
            file = self._fs.open(self._path(name), "wb")
            try:
                self._copy(part, file, stopped)
                file.close()
            except BaseException:
                _abandon(file)
                if stopped.is_set() and not self._puts_at_once:  # nobody else will
                    with _told("the draft could not be removed", place):
                        self._fs.rm_file(self._path(name))
                raise
            self._fs.invalidate_cache()
            size = self._fs.info(self._path(name)).get("size")
        if size != part.size_bytes:
            raise ProtocolError(f"{place} has {size} bytes, and {part.size_bytes} were sent")

    def _copy(self, part: Part, file: Any, stopped: threading.Event) -> None:
        if _is_buffered(file):
            file.blocksize = max(_SENT_BYTES, -(-part.size_bytes // _MOST_REQUESTS))
        with self.read(part.name) as draft:
            while block := draft.read(BLOCK_BYTES):
                if stopped.is_set():
                    break
                file.write(block)
        if stopped.is_set():
            raise OutageError(f"the task was ended before {self._url(part.name)} was sent")

    def _remove_drafts(self) -> None:
        """Remove the drafts of this work in the store, those of earlier attempts too.

        A file that one of these had moved away before it was killed gets its name back.
        """
        listed = self.listed()
        for name in listed:
            moved = re.fullmatch(rf"\.(.+)\.{self._key}\.[0-9a-f]+{re.escape(_MOVED)}", name, re.DOTALL)
            if moved and moved[1] not in listed:
                with _naming(self._url(moved[1])):
                    _rename(self._fs, self._path(name), self._path(moved[1]))
            elif name.startswith(".") and f".{self._key}." in name and name.endswith(".draft"):
                self.remove(name)

    def _check_bucket(self) -> None:
        bucket = self._target.path.strip("/").partition("/")[0]
        try:
            self._fs.info(bucket)
        except FileNotFoundError:
            raise ConfigurationError(f"{self._target} cannot be written: there is no {bucket}") from None
        except PermissionError:
            log.info("%s may not be looked at: whether it can be written is seen at the end", bucket)

    def _check_folder(self) -> None:
        """Make and remove an empty draft in the folder, or in the one that it will be made in."""
        path = self._target.path.rstrip("/")
        while path.strip("/") and not (kind := self._kind(path)):
            path = path.rpartition("/")[0]
        if path.strip("/") and kind != "directory":
            raise ConfigurationError(f"{self._target} cannot be written: {path} is not a folder")
        draft = f"{path}/{self.draft('probe').name}"
        self._fs.open(draft, "wb").close()
        self._fs.rm_file(draft)

    def _kind(self, path: str) -> str:
        """Return what is there: ``file``, ``directory`` or something else; empty if nothing is."""
        self._fs.invalidate_cache()
        try:
            return str(self._fs.info(path)["type"])
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def _url(self, name: str) -> str:
        return str(self._target / name)

    def _path(self, name: str) -> str:
        return f"{self._target.path.rstrip('/')}/{name}"


def _is_buffered(file: Any) -> bool:
    """Return True of a file that collects bytes, and completes what it has when it is closed."""
    from fsspec.spec import AbstractBufferedFile  # noqa: PLC0415 - who has a store pays

    return isinstance(file, AbstractBufferedFile)


def _abandon(file: Any) -> None:
    """Let go of a file that is not whole, so that nothing publishes it, not even the garbage collection."""
    if _is_buffered(file):
        with _told("what was sent could not be taken back", file.path):
            file.discard()
        file.closed = True  # closing it would complete it
    with _told("the file could not be closed", getattr(file, "path", "")):
        file.close()


def _replace(fs: Any, draft: str, place: str) -> None:
    """Give a draft its name, whatever file has that now.

    Where the store does not rename onto a file, that one is moved away first, and back if the draft cannot
    take its place: for a moment nobody has the name.
    """
    try:
        _rename(fs, draft, place)
    except Exception:  # each store has its own for a name that is taken; any other is raised again
        if not fs.exists(place):
            raise
        log.info("%s does not let a rename replace %s: that is moved away first", type(fs).__name__, place)
        before = draft.removesuffix(".draft") + _MOVED
        _rename(fs, place, before)
        try:
            _rename(fs, draft, place)
        except BaseException:
            _rename(fs, before, place)
            raise
        fs.rm_file(before)


def _rename(fs: Any, old: str, new: str) -> None:
    session = getattr(getattr(fs, "client", None), "start_sftp_client", None)
    if session:
        from fsspec.asyn import sync  # noqa: PLC0415 - who has a store pays

        # its own way copies where the server knows no posix-rename, which is not at once
        sync(fs.loop, _rename_by_sftp, session, old, new)
    else:
        fs.mv(old, new)
    fs.invalidate_cache()


async def _rename_by_sftp(session: Callable[[], Any], old: str, new: str) -> None:
    async with session() as sftp:
        try:
            await sftp.posix_rename(old, new)
        except Exception as error:
            if getattr(error, "code", None) != _UNSUPPORTED:
                raise
            await sftp.rename(old, new)


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


@contextmanager
def _naming(place: Any, what: str = "written") -> Iterator[None]:
    """Let errors name the place. Each store has errors of its own, of which many are no OSErrors."""
    try:
        yield
    except JobsError:
        raise
    except Exception as error:
        text = f"{place} cannot be {what}: {shown(error, 500) or type(error).__name__}"
        denied = getattr(error, "code", None) == _DENIED and hasattr(error, "reason")  # asyncssh's
        if denied or isinstance(error, PermissionError | error_perm):
            raise ConfigurationError(text) from error
        raise OutageError(text) from error


@contextmanager
def _told(what: str, place: Any) -> Iterator[None]:
    """Tell of what goes wrong after something else went wrong, which is raised."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each store has its own
        log.warning("%s: %s: %s", place, what, shown(error, 500) or type(error).__name__)
