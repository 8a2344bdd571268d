"""Where a file is: a path of this machine, or a URL of a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


#: Of Airflow's own, what knows which store.
_PACKAGES = {
    "s3": "apache-airflow-providers-amazon[s3fs]",
    "gs": "apache-airflow-providers-google",
    "abfs": "apache-airflow-providers-microsoft-azure",
}


def opened(path: Any, conn_id: str | None, parameter: str = "results_path") -> Any:
    """Return a Path, or for a URL an ObjectStoragePath.

    :raises ConfigurationError: it is neither, or Airflow makes another path of the URL.
    """
    if isinstance(path, str) and "://" in path:
        from airflow.sdk import ObjectStoragePath  # noqa: PLC0415 - only who has one pays for it

        try:
            place = ObjectStoragePath(path, conn_id=conn_id)
        except ValueError as error:
            raise ConfigurationError(f"{parameter} {path} cannot be written or read: {error}") from None
        _check_kept(path, place, parameter)
        return place
    if in_store(path):
        return path
    if isinstance(path, str | Path):
        return Path(path)
    raise ConfigurationError(f"{parameter} is a {type(path).__name__}: give a path or an ObjectStoragePath")


def _check_kept(url: str, place: ObjectStoragePath, parameter: str) -> None:
    """See that a path says all that its URL does.

    Airflow's parsing drops line ends and tabs, an empty fragment and what follows ``::``; some stores' also
    what follows ``?``: ``a?.csv`` would be another object, ``a``.

    :raises ConfigurationError: something is missing.
    """
    within = url.partition("://")[2].partition("/")[2].strip("/")
    kept = place.path.strip("/")
    if kept != within and not kept.endswith("/" + within) and within:
        raise ConfigurationError(
            f"{parameter} {shown(url, 200)!r} would be taken for {shown(kept, 200)!r}, which may be another"
            " file: leave out `#` at its end, `?`, `::`, tabs and line ends, or rename the file"
        )


def file_system(path: ObjectStoragePath, parameter: str = "results_path") -> Any:
    """Return fsspec's file system of a URL.

    :raises ConfigurationError: nothing that is installed knows the store.
    """
    try:
        return path.fs
    except (ImportError, ValueError) as error:
        package = _PACKAGES.get(path.protocol)
        hint = f"; install {package}" if package else ""
        raise ConfigurationError(f"{parameter} {path} cannot be written or read: {error}{hint}") from None


def in_store(path: Any) -> bool:
    """Return True of an ObjectStoragePath, which is a Path as well in Airflow 3.1."""
    return hasattr(type(path), "fs")


def is_local(folder: ObjectStoragePath) -> bool:
    """Return True of a URL that names a folder of this machine."""
    return "file" in file_system(folder).protocol
