"""The files that a task reads: those that ``source`` names."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsspec.utils import glob_translate

from airflow_provider_jobs.core.sources.source import FileSource, Source, drop
from airflow_provider_jobs.core.sources.stored import Seen, StoredSource, failure
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.files.places import file_system, in_store, opened
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow.sdk import ObjectStoragePath

_WILDCARDS = "*?["
#: Where the stores say which version of an object it is, without capitals, ``_`` and ``-``.
_VERSIONS = frozenset(
    {
        "etag",
        "md5",
        "md5hash",
        "contentmd5",
        "crc32c",
        "sha256",
        "checksum",
        "digest",
        "versionid",
        "generation",
        "mtime",
        "modify",
        "modified",
        "lastmodified",
        "updated",
    }
)
#: What tells less: a time at which some stores begin an object anew, when they say nothing else.
_TIMES = frozenset({"created", "createdat", "creationtime", "timecreated", "ctime"})
#: Bytes of an object that comes in one request which are held at a time: fewer cost nothing then.
_STREAMED_PIECE_BYTES = 2 * 1024 * 1024
#: Each request takes Azure's client longer than others; four files of these at once take less than 100 MB.
_AZURE_PIECE_BYTES = 6 * 1024 * 1024
#: Their clients leave an object as it is stored, whatever its content encoding.
_S3 = frozenset({"s3", "s3a"})
#: Google's: with S3, they list what begins with some text, and all levels at once.
_GOOGLES = frozenset({"gs", "gcs"})


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
    if isinstance(source, str) and not source.strip():
        raise ConfigurationError("source is empty: name a file")
    path = opened(source, conn_id, "source")
    if isinstance(source, str) and in_store(path) and source.endswith("/"):
        raise ConfigurationError(f"source {shown(source, 200)!r} is a folder: name a file")
    return _remote(path) if in_store(path) else _local(str(source))


def _local(path: str) -> dict[str, Source]:
    if _as_written(path, Path(path)):
        return {path: FileSource(path)}
    names = glob.glob(path, recursive=True)  # noqa: PTH207 - a pattern may be absolute, which Path refuses
    found = sorted(name for name in names if Path(name).is_file())
    if not found:
        raise ConfigurationError(f"source {path} matches no file")
    return {name: FileSource(name) for name in found}


def _remote(path: ObjectStoragePath) -> dict[str, Source]:
    file_system(path, "source")
    text = str(path)
    if _as_written(text, path):
        return {text: _object(path)}
    at = min(text.index(wildcard) for wildcard in _WILDCARDS if wildcard in text)
    before, _, _ = text[:at].rpartition("/")
    parent = type(path)(before + "/")
    found = sorted((each for each, kind in _matching(parent, path) if _is_file(each, kind)), key=str)
    if not found:
        raise ConfigurationError(f"source {text} matches no object")
    return {str(each): _object(each) for each in found}


def _matching(parent: ObjectStoragePath, pattern: ObjectStoragePath) -> Iterator[tuple[Any, str]]:
    """Yield what matches a pattern, files or not, and what the store says that each is.

    fsspec's own search leaves out a folder that cannot be listed, without a word.

    :raises JobsError: a folder that may have some of it could not be listed.
    """
    names = pattern.path.removeprefix(parent.path).strip("/").split("/")
    matches = re.compile(glob_translate(pattern.path)).match
    parent.fs.invalidate_cache()
    for place, kind in _walked(parent.fs, parent.path.rstrip("/"), names):
        if matches(place):
            yield parent.joinpath(place.removeprefix(parent.path).removeprefix("/")), kind


def _walked(fs: Any, folder: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what may match; no folder is looked into whose own name does not match.

    :param names: Those of the pattern below the folder, one for each level; ``**`` is any number of levels.
    """
    name, *deeper = names
    if whole := "**" in name:
        name, deeper = "*", list(names)
    matches = re.compile(glob_translate(name)).match
    stem = re.split(r"[*?\[]", name, maxsplit=1)[0]
    for place, kind in _listed(fs, folder, stem, whole=whole):
        if matches(place.rpartition("/")[2]):
            if whole or not deeper:
                yield place, kind
            if deeper and kind == "directory":
                yield from _walked(fs, place, deeper)


def _listed(fs: Any, folder: str, stem: str, *, whole: bool) -> Iterator[tuple[str, str]]:
    """Yield what is in a folder; where the store lists no more than that, what begins with the stem.

    :param whole: Yield what is in folders of it too, where the store has one list of all.
    """
    stores = set(_protocols(fs))
    try:
        if whole and stores & (_S3 | _GOOGLES):
            listing = [each for name, each in fs.find(folder, detail=True).items() if not name.endswith("/")]
        elif stem and stores & _S3:
            listing = _begins_with(fs, folder, stem)
        else:
            listing = fs.ls(folder, detail=True, **({"prefix": stem} if stem and stores & _GOOGLES else {}))
    except (FileNotFoundError, NotADirectoryError):
        return
    except Exception as error:  # noqa: BLE001 - each store's client has classes of its own
        raise failure(folder, error) from None
    for info in listing:
        place = info["name"].rstrip("/")
        if place != folder:  # some stores have an object of the folder's own name
            yield place, str(info["type"])


def _begins_with(fs: Any, folder: str, stem: str) -> list[dict[str, Any]]:
    try:
        return list(fs.find(folder, maxdepth=1, withdirs=True, detail=True, prefix=stem).values())
    except ValueError:  # s3fs did not do that before 2026
        return list(fs.ls(folder, detail=True))


def _is_file(path: ObjectStoragePath, kind: str) -> bool:
    """Return True of a file, or of a link to one; fsspec takes whatever cannot be looked at for none."""
    return kind == "file" or (kind != "directory" and path.is_file())


def _as_written(text: str, path: Path | ObjectStoragePath) -> bool:
    """Return False of a pattern; a file may have a name that looks like one."""
    return not any(wildcard in text for wildcard in _WILDCARDS) or path.is_file()


def _object(path: ObjectStoragePath) -> Source:
    try:
        path.fs.invalidate_cache()
        info = path.fs.info(path.path)
        if info.get("type") == "directory":
            raise ConfigurationError(f"{path} is not a file")
        _check_stored(path, info)
        with path.open("rb") as file:
            file.read(0)  # tells Airflow's lineage of it, and reads nothing
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist") from None
    except PermissionError:
        raise ConfigurationError(f"{path} cannot be read") from None
    seen = Seen(int(info["size"]), version_of(info))
    return StoredSource(_Stored(path), seen, piece_bytes=_piece_bytes(path.fs))


def _check_stored(path: ObjectStoragePath, info: dict[str, Any]) -> None:
    """See that the store has found what was meant, and gives its bytes as they are stored.

    :raises ConfigurationError: it has another name, no size, or a content encoding that is undone.
    """
    found = str(info.get("name") or path.path)
    name, version = _name_and_version(path.path)
    if found.strip("/") not in {path.path.strip("/"), name.strip("/")}:
        raise ConfigurationError(f"{path} is {shown(found, 200)!r} to the store: rename the object")
    if found.strip("/") != path.path.strip("/") and version not in (
        info.get("VersionId"),
        info.get("version_id"),
    ):
        raise ConfigurationError(
            f"{path} names a version, and the store's client reads the newest: leave the version out, or copy"
            " that one to an object of its own"
        )
    if not isinstance(info.get("size"), int):
        raise ConfigurationError(
            f"{path}: the store does not say how long it is, so nothing could tell whether all of it was"
            " read; copy it to a file first"
        )
    encoding = _encoding(info)
    if encoding and not _S3.intersection(_protocols(path.fs)):
        raise ConfigurationError(
            f"{path} has the content encoding {shown(encoding, 40)}, which the store's client undoes, so its"
            " size is not known; store it without one, as .gz"
        )


def _name_and_version(path: str) -> tuple[str, str]:
    """Return a path as S3 and Azure know it, and the version that stands behind it; empty if none does."""
    name, *version = re.split(r"\?version_?id=", path, maxsplit=1, flags=re.IGNORECASE)
    return name, "".join(version)


def _encoding(info: dict[str, Any]) -> str:
    """Return the content encoding of an object, empty if it has none."""
    settings = info.get("content_settings") or {}
    seen = settings if isinstance(settings, dict) else vars(settings)
    told = seen.get("content_encoding") or info.get("contentEncoding") or info.get("ContentEncoding")
    return "" if str(told or "identity").lower() == "identity" else str(told)


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _piece_bytes(fs: Any) -> int | None:
    if _is_streamed(fs):
        return _STREAMED_PIECE_BYTES
    return _AZURE_PIECE_BYTES if {"abfs", "abfss", "az"}.intersection(_protocols(fs)) else None


def _is_streamed(fs: Any) -> bool:
    """Return True of S3: there an object may come in one request, and memory stays flat."""
    return "s3" in _protocols(fs) and hasattr(fs, "open_async")


class _Stored:
    """An object as Airflow's file system of its store reads it."""

    def __init__(self, path: ObjectStoragePath) -> None:
        self._path = path
        self.name = path.name

    def look(self) -> Seen:
        """Ask the store, not what it said before."""
        fs = self._file_system(anew=False)
        fs.invalidate_cache()
        info = fs.info(self._path.path)
        return Seen(int(info["size"]), version_of(info))

    def open(self, offset: int, *, anew: bool) -> Any:
        """Return a file without a cache: the default ones hold up to 50 MiB, and hide what comes too much.

        From its beginning on an object of S3 comes in one request; ranges are for the rest of it, and for a
        version of it, since that request asks for the newest.
        """
        fs = self._file_system(anew=anew)
        if not offset and _is_streamed(fs) and not _name_and_version(self._path.path)[1]:
            return _Streamed(fs, self._path.path)
        file = fs.open(self._path.path, "rb", cache_type="none")
        if offset and file.seekable():
            file.seek(offset)
        else:
            drop(file, offset)
        return file

    def goes_on(self, file: Any, size: int) -> bool:
        """Ask for the last byte and one more, where only ranges are read; other files show it themselves."""
        from fsspec.spec import AbstractBufferedFile  # noqa: PLC0415 - only who has a store pays for it

        if not isinstance(file, AbstractBufferedFile) or not file.fs.async_impl:
            return False
        return len(file.fs.cat_file(self._path.path, start=size - 1, end=size + 1)) != 1

    def _file_system(self, *, anew: bool) -> Any:
        """Return what reads: that of Airflow, or a new one.

        Asynchronous ones serve many threads. Of the others, such as FTP's, each has one connection, on which
        files that are read side by side would disturb each other.
        """
        fs = self._path.fs
        if not anew and (fs.async_impl or "file" in _protocols(fs)):
            return fs
        return type(fs)(*fs.storage_args, **fs.storage_options, skip_instance_cache=True)


class _Streamed:
    """An object of S3 that comes in one request."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs = fs
        self._file = self._now(fs.open_async(path, "rb"))

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, nothing at the end."""
        found: bytes = self._now(self._file.read(size))
        return found

    def close(self) -> None:
        """Let go of the connection, whatever is still to come."""
        if self._file.r is not None:
            self._fs.loop.call_soon_threadsafe(self._file.r.close)

    def _now(self, coroutine: Any) -> Any:
        from fsspec.asyn import sync  # noqa: PLC0415 - only who has a store pays for it

        return sync(self._fs.loop, lambda: coroutine)


def fingerprint_of(name: str, info: dict[str, Any]) -> str:
    """Return what tells an object from others of its name, by what its store says of it."""
    return f"{name}:{info.get('size')}:{version_of(info)}"


def version_of(info: dict[str, Any]) -> str:
    """Return a store's words for the version or the time of an object; empty if it has none."""
    said = {key.lower().replace("_", "").replace("-", ""): value for key, value in info.items()}
    for words in (_VERSIONS, _TIMES):
        if known := [f"{key}={said[key]}" for key in sorted(words) if said.get(key) not in (None, "")]:
            return ":".join(known)
    return ""
