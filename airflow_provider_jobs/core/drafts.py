"""Files that are being written in a folder where others may write too.

A draft has a name that nobody can guess, is made where nothing was, follows no link and is readable by nobody
else; once it is whole it gets its name, and the mode of any new file. Who writes drafts holds a lock on a
file beside them. A kill lets go of it, so that the next attempt tells what is left over from what is in use.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import re
import secrets
import stat
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

#: Stands for the key of drafts that no other attempt goes on with.
_ONCE = "once"
_NAME = re.compile(
    r"\.(?:.+\.)?(?P<key>once|[0-9a-f]{16})\.(?P<token>[0-9a-f]{24})\.(?:draft|lock)", re.DOTALL
)
#: After so many seconds nobody goes on with drafts: no service keeps results longer than a week.
_LASTS_SECONDS = 8 * 24 * 3600.0
#: New names that are tried for a lock; one is enough unless somebody clears up at the same time.
_TRIES = 100
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: What is there already: a named pipe must not hold up whoever opens it.
_THERE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_place(path: Path) -> None:
    """See that a file can get this name. A file that has it makes way, and so does a link, whatever it names.

    :raises ConfigurationError: something else has the name: a folder, a named pipe, a socket or a device.
    """
    try:
        kind = stat.S_IFMT(path.lstat().st_mode)
    except OSError:
        return  # nothing is there, or nobody may look: writing tells
    if kind not in {stat.S_IFREG, stat.S_IFLNK}:
        found = _KINDS.get(kind, "not a file")
        raise ConfigurationError(f"{path} is {found}, which is not replaced: remove it, or name another file")


def check_folder(folder: Path) -> None:
    """See that files can be made in a folder, or the folder itself; nothing is made to find out.

    :raises ConfigurationError: it cannot be made, is not a folder, or this user may not write to it.
    """
    for there in (folder, *folder.absolute().parents):
        try:
            mode = there.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            if there.is_symlink():
                raise ConfigurationError(f"{there} is a link to nothing: no file can be made there") from None
            continue
        except OSError as error:
            raise ConfigurationError(f"{folder} cannot be written: {there}: {error.strerror}") from None
        if not stat.S_ISDIR(mode):
            raise ConfigurationError(f"{folder} cannot be written: {there} is not a folder")
        if not os.access(there, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise ConfigurationError(f"{folder} cannot be written: no permission to write to {there}")
        return


class _DraftFile(io.FileIO):
    """A file whose errors of writing name the file that was to be: a full disk has a name then."""

    def __init__(self, file: int, mode: str, place: Path) -> None:
        super().__init__(file, mode)
        self._place = place

    def write(self, block: Any, /) -> int:
        try:
            return super().write(block)
        except OSError as error:
            raise OSError(error.errno, f"cannot be written: {error.strerror}", str(self._place)) from None


class Drafts:
    """The drafts of one piece of work, in one folder; threads share them.

    Of what an earlier attempt has left, the first use takes over what has the same key, and removes what
    nobody goes on with: never what is in use, of another key, or another user's.

    :param key: Tells the drafts of one piece of work from another's, from one attempt to the next. Without it
        nobody goes on with them, and whoever of this user writes here next removes what was left over.
    """

    def __init__(self, folder: str | Path, key: str | None = None) -> None:
        self._folder = Path(folder)
        self._key = hashlib.sha256(key.encode()).hexdigest()[:16] if key else _ONCE
        self._token = ""
        #: As this file system shows who makes a file here: not every one shows the user.
        self._owner = os.geteuid()
        self._claiming = threading.RLock()
        self._let_go: weakref.finalize[..., Drafts] | None = None

    def draft(self, name: str) -> Path:
        """Return where the draft of a file is.

        :raises ConfigurationError: it is not the name of a file.
        """
        if not name or "/" in name or "\0" in name:
            raise ConfigurationError(f"{shown(name, 80)!r} is not the name of a file")
        return self._folder / f".{name}.{self._key}.{self._chosen()}.draft"

    def begin(self, name: str) -> BinaryIO:
        """Begin a draft; one of the same name that was begun before goes.

        :raises ConfigurationError: it cannot be written.
        """
        with self._claiming, self._writing(name):
            self._claim()
            path = self.draft(name)
            path.unlink(missing_ok=True)
            return io.BufferedWriter(_DraftFile(os.open(path, _NEW, 0o600), "wb", self._folder / name))

    def reopen(self, name: str) -> BinaryIO:
        """Return a draft that was begun before, to read it and to go on with it.

        :raises OSError: it is not there, or not as this user's file.
        """
        with self._claiming:
            self._claim()
            file = _DraftFile(self._opened(name, os.O_RDWR), "r+b", self._folder / name)
            return cast("BinaryIO", io.BufferedRandom(file))

    def read(self, name: str) -> BinaryIO:
        """Return a draft, to read it.

        :raises OSError: it is not there, or not as this user's file.
        """
        return os.fdopen(self._opened(name, os.O_RDONLY), "rb")

    def drop(self, name: str) -> None:
        """Delete a draft."""
        self.draft(name).unlink()

    def give_names(self, names: Sequence[str]) -> None:
        """Give drafts their names, and the mode that other new files have.

        :raises ConfigurationError: a name cannot be had: something that is not replaced has it, which is seen
            before any file gets its own, or the folder does not allow it.
        """
        for name in names:
            check_place(self._folder / name)
        for name in names:
            with self._writing(name):
                draft = self._opened(name, os.O_RDONLY)
                try:
                    os.fchmod(draft, self._mode_of_new_files())
                    os.fsync(draft)  # else a machine that loses its power may keep the name, and no content
                finally:
                    os.close(draft)
                self.draft(name).replace(self._folder / name)

    def clear(self, keep: Collection[str] = ()) -> None:
        """Delete all drafts of this work, earlier attempts' too, but those of these names."""
        with self._claiming:
            try:
                with suppress(OSError):  # what cannot be deleted is left over
                    if self._let_go or self._own():
                        self._claim()
                    kept = {self.draft(name) for name in keep}
                    _delete(path for path in self._own() if path not in kept)
            finally:
                self._release()

    def _own(self) -> list[Path]:
        found = _files_of(self._folder, self._owner).get((self._key, self._chosen()))
        return found.drafts if found else []

    def _chosen(self) -> str:
        """Return what tells these drafts from all others: left by an earlier attempt, or new."""
        with self._claiming:
            self._token = self._token or self._left_over() or _new_token()
            return self._token

    def _claim(self) -> None:
        """Hold the lock of these drafts until they are cleared; if somebody else has it, write new ones."""
        for _ in range(_TRIES):
            if self._let_go:
                return
            with suppress(FileExistsError):
                lock = os.open(self._lock_path(), _NEW, 0o600)
                if _is_locked(lock, without=True):
                    self._owner = os.fstat(lock).st_uid
                    self._let_go = weakref.finalize(self, os.close, lock)
                    return
                os.close(lock)
            self._token = _new_token()
        raise ConfigurationError(f"drafts in {self._folder} cannot be locked: others clear up all the time")

    def _release(self) -> None:
        if self._let_go:
            with suppress(OSError):
                self._lock_path().unlink(missing_ok=True)
            self._let_go()
            self._let_go = None

    def _lock_path(self) -> Path:
        return self._folder / f".{self._key}.{self._chosen()}.lock"

    def _left_over(self) -> str:
        """Remove what nobody goes on with; return the token of what this work goes on with, or none."""
        mine, found = "", _files_of(self._folder, self._owner)
        for (key, token), files in sorted(found.items(), key=lambda item: -item[1].changed_at):
            goes_on = key == self._key != _ONCE
            is_old = files.changed_at < time.time() - _LASTS_SECONDS
            if not (goes_on or key == _ONCE or is_old):
                continue
            with _unused(self._folder / f".{key}.{token}.lock", self._owner) as is_unused:
                if is_unused and goes_on and not mine:
                    mine = token
                elif is_unused:
                    _delete(files.drafts)
        return mine

    def _opened(self, name: str, how: int) -> int:
        path = self.draft(name)
        file = os.open(path, how | _THERE)
        if not _is_own(os.fstat(file), self._owner):
            os.close(file)
            raise PermissionError(errno.EPERM, "somebody else has put something in its place", str(path))
        return file

    def _mode_of_new_files(self) -> int:
        """Return the mode of a file that is made now: asking for the umask changes it, for all threads."""
        path = self.draft(_new_token())
        probe = os.open(path, _NEW, 0o666)
        try:
            return stat.S_IMODE(os.fstat(probe).st_mode)
        finally:
            os.close(probe)
            path.unlink()

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigurationError(f"{self._folder / name} cannot be written: {error.strerror}") from None


@dataclass(slots=True)
class _Files:
    """Drafts that belong together, and when one of them, or their lock, was changed; seconds since 1970."""

    drafts: list[Path] = field(default_factory=list)
    changed_at: float = 0.0


def _files_of(folder: Path, owner: int) -> dict[tuple[str, str], _Files]:
    """Return the drafts of a user in a folder, whatever work they are of, by key and token."""
    found: dict[tuple[str, str], _Files] = {}
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            if not match:
                continue
            with suppress(FileNotFoundError):  # it may go meanwhile
                seen = entry.stat(follow_symlinks=False)
                if _is_own(seen, owner):
                    files = found.setdefault((match["key"], match["token"]), _Files())
                    files.changed_at = max(files.changed_at, seen.st_mtime)
                    files.drafts += [Path(entry.path)] if entry.name.endswith(".draft") else []
    return found


def _new_token() -> str:
    return secrets.token_hex(12)


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _is_own(seen: os.stat_result, owner: int) -> bool:
    """Return True of a user's file that has no other name."""
    return stat.S_ISREG(seen.st_mode) and seen.st_uid == owner and seen.st_nlink == 1


def _is_locked(lock: int, *, without: bool) -> bool:
    """Lock an open file, and return True if that is done, and the file still there.

    :param without: What to return where the file system locks nothing.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return without
    return os.fstat(lock).st_nlink > 0


@contextmanager
def _unused(path: Path, owner: int) -> Iterator[bool]:
    """Lend whether nobody uses the drafts of this lock file, nor begins to meanwhile; the file goes then."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | _THERE, 0o600)
    except OSError:
        yield False  # somebody else's, or something else
        return
    try:
        is_unused = _is_own(os.fstat(lock), owner) and _is_locked(lock, without=False)
        with suppress(OSError):
            yield is_unused
            if is_unused:
                path.unlink(missing_ok=True)
    finally:
        os.close(lock)
