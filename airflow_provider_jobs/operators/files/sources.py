"""The files that a task reads: those that ``source`` names."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core.sources.source import FileSource, OpenedSource, Source
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.files.places import in_store, opened

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

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
        return fingerprint_of(path.name, path.fs.info(path.path))

    return OpenedSource(
        name=path.name,
        size=info.get("size"),
        fingerprint=fingerprint_of(path.name, info),
        opener=lambda: path.open("rb"),
        look=look,
        seekable=seekable,
    )


def fingerprint_of(name: str, info: dict[str, Any]) -> str:
    """Return what tells an object from others of its name, by what its store says of it."""
    versions = [str(info[key]) for key in _VERSIONS if info.get(key) is not None]
    return ":".join([name, str(info.get("size")), *versions])
