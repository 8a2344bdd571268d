"""Submitting a file as one upload, whatever is lost, killed or answered twice on the way.

An upload's name is its key: before bytes move Redivis is asked what it has of that name, and a create whose
reply was lost is looked up before it is repeated.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.redivis.fields import check_type
from airflow_provider_jobs.clients.redivis.names import checked_uri, upload_name, writable_table
from airflow_provider_jobs.clients.redivis.replies import Expected, md5_hex, upload_status
from airflow_provider_jobs.clients.redivis.transfer import SESSION_BYTES
from airflow_provider_jobs.core.http.messages import number
from airflow_provider_jobs.core.sources.digest import Digested
from airflow_provider_jobs.core.upload.protocol import worth_resuming
from airflow_provider_jobs.core.work import JobRequest, Submission
from airflow_provider_jobs.errors import ConfigurationError, ConflictError, JobFailed, JobsError
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_jobs.clients.redivis.api import RedivisApi
    from airflow_provider_jobs.clients.redivis.names import TableReference
    from airflow_provider_jobs.clients.redivis.transfer import Transfers
    from airflow_provider_jobs.core.sources.source import Media

log = logging.getLogger(__name__)

ON_CONFLICT = ("fail", "skip", "replace", "rename")
FLOWS = ("temporary", "original")
#: Names that are tried when an upload is renamed.
_MOST_NAMES = 1000
#: The reason of an error where the table has an upload of the name.
_TAKEN = "nameTaken"


@dataclass(frozen=True, slots=True)
class UploadRequest(JobRequest):
    """A file to upload: ``scope`` is the table, ``key`` the upload's name, ``body`` the fields of its create.

    :param on_conflict: What to do if the table has another upload of that name; one of :data:`ON_CONFLICT`.
    :param flow: ``temporary`` uploads, or the ``original`` way: one of :data:`FLOWS`.
    :param session_bytes: From this size on bytes are sent through a session.
    :param row_count: Rows that the upload must have in the end, if they are known.
    :param on_created: Called with an upload that is created before its bytes are sent.
    :raises ConfigurationError: a parameter is wrong, or two clash.
    """

    on_conflict: str = "fail"
    flow: str = "temporary"
    session_bytes: int = SESSION_BYTES
    row_count: int | None = None
    on_created: Callable[[JobRef], None] | None = None

    def __post_init__(self) -> None:
        writable_table(self.scope)
        check_type(upload_name(self.key), self.body)
        for parameter, allowed in (("on_conflict", ON_CONFLICT), ("flow", FLOWS)):
            value = getattr(self, parameter)
            if value not in allowed:
                raise ConfigurationError(f"{parameter} is {value!r}: it is one of {', '.join(allowed)}")
        if self.flow == "original" and self.on_conflict == "replace":
            raise ConfigurationError(
                "on_conflict 'replace' clashes with flow 'original', which would delete the old upload "
                "before the new bytes are sent"
            )


@dataclass(frozen=True, slots=True)
class UploadSubmission(Submission):
    """A submitted upload.

    :param expected: What it has to be in the end; None if it is somebody else's, and left alone.
    """

    expected: Expected | None = None


class Finding(Enum):
    """What an upload at the wanted name's address is to us."""

    SAME = auto()
    #: It is under way, and Redivis does not tell yet whether it is the same.
    UNKNOWN = auto()
    EMPTY = auto()
    FAILED = auto()
    OTHER = auto()
    #: It has another name, and only the address is the same.
    CLASH = auto()


def submit_once(api: RedivisApi, transfers: Transfers, request: UploadRequest) -> UploadSubmission:
    """Upload the file, or adopt what is there of it; nothing is sent that Redivis has already.

    :raises ConflictError: the table has another upload of that name.
    """
    if request.media is None:
        raise ConfigurationError("there is nothing to upload: source is missing")
    source = Digested(request.media.source)
    table = writable_table(request.scope)
    attempt = _Attempt(api, transfers, request, table, replace(request.media, source=source), source)
    for name in _names(request.key):
        try:
            made = attempt.at(name)
        except ConflictError as error:
            if error.reason != _TAKEN:  # Redivis has said 409, and has no upload of that name
                raise
            error.retryable = request.on_conflict == "replace"  # somebody was faster
            if request.on_conflict not in {"rename", "skip"}:
                raise
            made = attempt.at(name)
        if made:
            return made
    raise ConfigurationError(f"upload_name {request.key!r}: {_MOST_NAMES} names like it are taken")


@dataclass(frozen=True)
class _Attempt:
    """One request while it is carried out."""

    api: RedivisApi
    transfers: Transfers
    request: UploadRequest
    table: TableReference
    media: Media
    source: Digested

    def at(self, name: str) -> UploadSubmission | None:
        """Upload the file under a name, or adopt what has it; None if it is taken and another is wanted.

        :raises ConflictError: another upload has it.
        """
        found, wanted = self.api.find(self.table.upload_path(name)), self.request.on_conflict
        finding = self._finding(found, name) if found else None
        if found is None or finding is Finding.FAILED:
            return self.upload(name, found)
        elsewhere = self.request.first and wanted in {"rename", "skip"}  # no attempt of ours has made it
        if finding is Finding.EMPTY and self.request.flow == "original" and not elsewhere:
            return self.resume(found)
        if finding is Finding.SAME:
            log.info("%s of %s is %s already: nothing is sent", name, self.table, shown(found.get("status")))
            return self.submission(found, adopted=True)
        if wanted == "rename":
            return None
        if finding is Finding.CLASH:
            raise ConfigurationError(
                f"upload_name {name!r} has the same address in {self.table} as the upload "
                f"{found.get('name')!r}: choose another name"
            )
        if wanted == "skip":
            log.info("%s has an upload named %s: it is left as it is", self.table, name)
            return UploadSubmission(upload_status(found, str(self.table)), adopted=True, left_alone=True)
        if wanted == "replace":
            return self.upload(name, found)
        raise self._conflict(found)

    def upload(self, name: str, old: Mapping[str, Any] | None) -> UploadSubmission:
        """Send the bytes, delete what has the name, create the upload: in this order."""
        if self.request.flow == "original":
            if old:
                self.api.delete_upload_at(checked_uri(old.get("uri")))
            made, _ = self._create(name)
            return self._send_original(made, resume=False)
        sent = self.transfers.send(self.table, name, self.media, self.request.session_bytes)
        self.source.md5()  # whatever an earlier attempt sent is compared too
        if old and (there := self._make_way(name)):
            self.media.memory.forget()
            return self.submission(there, adopted=True)
        try:
            made, adopted = self._create(name, tempUploadId=sent.id)
        except JobsError as error:
            if old:
                log.warning("%s of %s is deleted, and its replacement could not be created", name, self.table)
            if not error.retryable:
                self.media.memory.forget()  # what was sent is of no use to a retry
            raise
        self.media.memory.forget()
        return self.submission(made, adopted=adopted)

    def _make_way(self, name: str) -> Mapping[str, Any] | None:
        """Delete what has the name; return it instead if another attempt has put these bytes there meanwhile.

        :raises ConflictError: somebody has put others there, and they are not to be replaced.
        """
        found = self.api.find(self.table.upload_path(name))
        if found is None:
            return None
        finding = self._finding(found, name)
        if finding is Finding.SAME:
            return found
        may_go = finding is Finding.FAILED or self.request.on_conflict == "replace"
        if finding is Finding.CLASH or not may_go:
            raise self._conflict(found)
        log.info("%s of %s is deleted, since its replacement is sent", name, self.table)
        self.api.delete_upload_at(checked_uri(found.get("uri")))
        return None

    def resume(self, found: Mapping[str, Any]) -> UploadSubmission:
        """Send the rest of an upload of the original flow if an earlier attempt began it with these bytes."""
        if self.media.memory.recall(self._fingerprint) == self._bytes_path(found):
            return self._send_original(found, resume=True)
        name = shown(found.get("name"))
        log.info("%s of %s may hold a part of other bytes: it is made anew", name, self.table)
        return self.upload(str(found.get("name")), found)

    def _send_original(self, made: Mapping[str, Any], *, resume: bool) -> UploadSubmission:
        uri, path, memory = checked_uri(made.get("uri")), self._bytes_path(made), self.media.memory
        if self.request.on_created:
            self.request.on_created(JobRef("redivis", str(self.table), uri))
        if not resume:
            memory.remember(self._fingerprint, path)
        try:
            self.transfers.send_original(path, self.media, resume=resume)
            self.source.md5()
        except JobsError as error:
            if not worth_resuming(error):
                memory.forget()
                self._drop(uri, path)
            raise
        memory.forget()
        return self.submission(self.api.get_upload_at(uri))

    def _drop(self, uri: str, path: str) -> None:
        """Delete what can never be completed, unless another task has put its own in that place."""
        found = self.api.find(uri)
        if found and found.get("status") is None and self._bytes_path(found) == path:
            self.api.delete_upload_at(uri)

    @property
    def _fingerprint(self) -> str:
        return f"original:{self.table}:{self.source.fingerprint}"

    def _bytes_path(self, made: Mapping[str, Any]) -> str:
        """Return where the bytes of an upload go; another upload of the name has another id there."""
        identity = number(made.get("id"))
        return checked_uri(made.get("uri")) if identity is None else f"{self.table.path}/uploads/{identity}"

    def submission(self, upload: Mapping[str, Any], *, adopted: bool = False) -> UploadSubmission:
        """Return what is made of the request: an upload, and what it has to be."""
        skipped = bool(self.request.body.get("skipBadRecords"))
        expected = Expected(self.source.size, self.source.md5(), self.request.row_count, skipped)
        # The name and the bytes are all that an upload is known by: what no attempt has made, others have.
        shared = adopted and self.request.first
        status = upload_status(upload, str(self.table))
        return UploadSubmission(status, adopted, shared=shared, expected=expected)

    def _finding(self, found: Mapping[str, Any], name: str, *, asked: bool = False) -> Finding:
        """Return what an upload is to this one; what is not known yet is compared once it is complete.

        :param asked: A request of ours may have made it.
        """
        finding = _compare(found, name, self.source)
        if finding is not Finding.UNKNOWN:
            return finding
        elsewhere = self.request.first and not asked and self.request.on_conflict in {"rename", "skip"}
        return Finding.OTHER if elsewhere else Finding.SAME

    def _conflict(self, found: Mapping[str, Any]) -> ConflictError:
        there = f"{found.get('status')}, {found.get('size')} bytes, MD5 {found.get('hash')}"
        advice = "set on_conflict to replace, rename or skip, or choose another upload_name"
        if self.request.on_conflict != "fail":
            advice = f"it was made meanwhile; with on_conflict {self.request.on_conflict}, run the task again"
        return ConflictError(
            f"{self.table} has another upload named {found.get('name')} ({there}; here {self.source.size} "
            f"bytes): {advice}",
            status=409,
            reason=_TAKEN,
        )

    def _create(self, name: str, **fields: Any) -> tuple[dict[str, Any], bool]:
        """Create the upload; if the reply is lost or says that it exists, look whether it is this one.

        :return: The upload, and whether no request of this call can have made it.
        """
        asked = False

        def step() -> tuple[dict[str, Any], bool]:
            nonlocal asked
            try:
                made = self.api.create_upload(str(self.table), {**self.request.body, "name": name, **fields})
                upload_status(made, str(self.table))  # a reply that names no upload is as good as lost
            except JobsError as error:
                lost = error.retryable and error.may_have_happened
                asked = asked or lost
                if not lost and not isinstance(error, ConflictError):
                    raise
                found = self.api.find(self.table.upload_path(name))
                if found is None:
                    raise  # it was not made, so asking again is harmless
                finding = self._finding(found, name, asked=asked)
                if finding is Finding.SAME or (finding is Finding.EMPTY and asked):
                    return found, not asked
                if lost and finding is Finding.FAILED:  # what had the name before has made way
                    raise JobFailed(upload_status(found, str(self.table))) from error
                raise self._conflict(found) from error
            else:
                return made, False

        try:
            return self.api.repeat(step)
        except JobsError as error:
            if error.may_have_happened and not isinstance(error, ConflictError | JobFailed):
                error.lost_job = JobRef("redivis", str(self.table), self.table.upload_path(name))
            raise


def _compare(found: Mapping[str, Any], name: str, source: Digested) -> Finding:
    """Return what an upload is to these bytes, which are read only if their number is the same."""
    if found.get("name") != name:
        return Finding.CLASH
    status, size, digest = found.get("status"), number(found.get("size")), found.get("hash")
    if status == "failed":
        return Finding.FAILED
    if status is None and not size:
        return Finding.EMPTY
    if size not in {None, source.size} or (digest is not None and md5_hex(digest) != source.md5()):
        return Finding.OTHER
    if None in (size, digest):
        return Finding.OTHER if status == "completed" else Finding.UNKNOWN
    return Finding.SAME


def _names(name: str) -> Iterator[str]:
    """Yield the wanted name and, for an upload that may be renamed, ``name_2.ext`` and so on."""
    yield name
    suffix = "".join(PurePosixPath(f"_{name}").suffixes)  # of .csv too: it tells the type
    stem = name.removesuffix(suffix)
    yield from (f"{stem}_{count}{suffix}" for count in range(2, _MOST_NAMES + 1))
