"""``gs://`` objects are files below one folder, a folder for each bucket; nothing else is read or written."""

from __future__ import annotations

import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_URI = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/(.+)", re.DOTALL)
_PLAIN_GLOB = re.compile(r"[*?\[\]{}]")


@dataclass(frozen=True)
class InputFile:
    """One file of a load."""

    uri: str  # as error messages name it
    path: Path


class Storage:
    """The buckets of one sandbox root."""

    def __init__(self, root: Path) -> None:
        self.buckets = (root / "buckets").resolve()
        self.scratch = (root / "scratch").resolve()
        self.buckets.mkdir(parents=True, exist_ok=True)
        # Left behind only by a process that was killed.
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give a folder for one job's own files; it is gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self.scratch) as name:
            yield Path(name)

    def find(self, uris: Sequence[str]) -> list[InputFile]:
        """Give the objects that URIs name, each URI's in the order of their names.

        :raises JobProblem: a malformed URI, or one that matches nothing.
        """
        return [each for uri in uris for each in self._matching(uri)]

    def _matching(self, uri: str) -> list[InputFile]:
        bucket, name = self._split(uri)
        folder = self.buckets / bucket
        if "*" not in name:
            path = self._inside(folder / name, uri)
            found = [path] if path.is_file() else []
        else:
            # Like Cloud Storage, and unlike a shell, a * also matches slashes.
            pattern = re.compile(".*".join(map(re.escape, name.split("*"))), re.DOTALL)
            named = {
                path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
            }
            found = [self._inside(named[each], uri) for each in sorted(named) if pattern.fullmatch(each)]
        if not found:
            raise JobProblem("notFound", f"Not found: URI {uri}", uri)
        return [InputFile(f"gs://{path.relative_to(self.buckets).as_posix()}", path) for path in found]

    def bucket(self, name: str) -> Path:
        """Give the folder that is a bucket, or would be.

        :raises JobProblem: a malformed name.
        """
        if self._split(f"gs://{name}/any")[0] != name:
            raise JobProblem("invalid", f"Invalid bucket name: {name}")
        return self.buckets / name

    def target(self, uri: str) -> Path:
        """Give the path that an object would have; its folders are made when it is written.

        :raises JobProblem: a malformed URI, or there is no such bucket: a bucket is a folder.
        """
        bucket, name = self._split(uri)
        if not (self.buckets / bucket).is_dir():
            raise JobProblem("notFound", f"Not found: Bucket {bucket}", uri)
        return self._inside(self.buckets / bucket / name, uri)

    @staticmethod
    def put(written: Path, target: Path) -> None:
        """Make a finished file the object: a reader sees the old one or the new one."""
        target.parent.mkdir(parents=True, exist_ok=True)
        written.replace(target)

    def readable(self, given: InputFile, folder: Path) -> Path:
        """Give a path that DuckDB takes for a name, not for a pattern, and that it is allowed to open."""
        if self.buckets in given.path.parents and not _PLAIN_GLOB.search(str(given.path)):
            return given.path
        copy = Path(tempfile.mkstemp(dir=folder)[1])
        shutil.copyfile(given.path, copy)
        return copy

    @staticmethod
    def _split(uri: str) -> tuple[str, str]:
        found = _URI.fullmatch(uri) if isinstance(uri, str) else None
        if found is None:
            raise JobProblem("invalid", f"Invalid path: {uri}. It must be of the form gs://bucket/object.")
        parts = found[2].split("/")
        if any(part in {"", ".", ".."} for part in parts) or "\\" in uri or "\0" in uri:
            raise JobProblem("invalid", f"Invalid object name in {uri}")
        return found[1], found[2]

    def _inside(self, path: Path, uri: str) -> Path:
        """Refuse a path that leaves the buckets, through a link for example."""
        resolved = path.resolve()
        if self.buckets not in resolved.parents:
            raise JobProblem("accessDenied", f"Access Denied: {uri} is not inside the sandbox's buckets", uri)
        return resolved
