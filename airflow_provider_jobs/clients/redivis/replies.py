"""What Redivis's replies mean: one reply, one meaning.

Sources: https://docs.redivis.com/api/resource-definitions/upload and
https://docs.redivis.com/api/resource-definitions/version
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from airflow_provider_jobs.clients.redivis.names import checked_uri
from airflow_provider_jobs.core.http.messages import Reply, number
from airflow_provider_jobs.errors import ProtocolError, ServiceError
from airflow_provider_jobs.jobs import JobProblem, JobRef, JobState, JobStatus
from airflow_provider_jobs.words import shown

_TRANSIENT_STATUSES = frozenset({408, 429, *range(500, 600)})
#: Redivis's own words for how an upload is doing; None is one that has no bytes yet.
STATES = {
    None: JobState.PENDING,
    "queued": JobState.PENDING,
    "running": JobState.RUNNING,
    "completed": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
}
#: The state of an upload that is not there.
GONE = "gone"
#: How the id of a release begins; the tag of the version before it follows.
RELEASE_AFTER = "release-after-"
#: In place of the tag, where no version is released yet.
NOT_RELEASED = "none"
#: An address of a page: who may read it is told by no user, query or fragment.
_PAGE_URL = re.compile(r"https?://[\w.\[\]:-]{1,255}(?:/[\w.:~%-]{0,200}){0,20}", re.ASCII)
#: Most characters of a service's message that are repeated.
_MESSAGE_LENGTH = 2000
#: Characters of a version's tag, such as v1.2, that tell it from others.
_TAG_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Expected:
    """What an upload has to be once it is complete.

    :param md5: In hexadecimal digits.
    :param row_count: None if nobody counted.
    :param bad_records: Rows may have been left out.
    """

    size: int
    md5: str
    row_count: int | None = None
    bad_records: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return asdict(self)

    def problems(self, statistics: Mapping[str, Any]) -> list[str]:
        """Return what differs in a complete upload; what Redivis does not tell is not compared."""
        found = [
            f"{what} {here} here, {there} there"
            for what, here, there in (
                ("size in bytes is", self.size, statistics.get("size_bytes")),
                ("MD5 is", self.md5, md5_hex(statistics.get("hash"))),
                ("row count is", self.row_count, statistics.get("row_count")),
            )
            if here is not None and there is not None and here != there
        ]
        bad = statistics.get("bad_record_count")
        if bad and not self.bad_records:
            found.append(f"{bad} records were left out, and skip_bad_records is not set")
        return found


def parse_json(reply: Reply) -> dict[str, Any]:
    """Return the JSON object of a good reply, empty for an empty body; raise the error of a refusal.

    One that comes with a good status is an error too.
    """
    check_good(reply)
    document = reply.json_object()
    if document.get("error"):
        raise service_error(reply)
    return document


def check_good(reply: Reply, service: str = "Redivis") -> None:
    """Raise the error of a refusal, by ``service``."""
    if not reply.good:
        raise service_error(reply, service)


def service_error(reply: Reply, service: str = "Redivis") -> ServiceError:
    """Return the error that a refusal stands for."""
    try:
        document = reply.json()
    except ProtocolError:
        document = {}  # a proxy's page, the storage's XML, or nothing at all: the status has to do
    document = document if isinstance(document, dict) else {"error": document}
    error = document.get("error")
    if isinstance(error, dict):  # the older of two shapes
        reason, message = error.get("status") or error.get("code"), error.get("message")
    else:
        reason, message = error, document.get("error_description") or document.get("message")
    words = re.sub(r"https?://\S+", "(address)", str(message or ""))  # one could let anybody upload
    retryable = reply.status in _TRANSIENT_STATUSES
    return reply.refusal(service, str(reason or ""), shown(words, _MESSAGE_LENGTH), retryable=retryable)


def upload_status(upload: Mapping[str, Any], table: str, ref: JobRef | None = None) -> JobStatus:
    """Return our reading of an upload, whole or as a list shows it.

    :param ref: How the caller names it; default is by its ``uri``.
    :raises ProtocolError: it has no name or uri.
    """
    name, word = upload.get("name"), upload.get("status")
    if not isinstance(name, str) or not isinstance(word, str | None):
        raise ProtocolError("the reply holds an upload that is not what the API describes")
    ref = ref or JobRef("redivis", table, checked_uri(upload.get("uri")))
    state = STATES.get(word, JobState.RUNNING)
    message = shown(upload.get("errorMessage") or "Redivis gives no reason", _MESSAGE_LENGTH)
    return JobStatus(
        ref=ref,
        state=state,
        vendor_state=word or "without bytes",
        title=f"Redivis upload {name}",
        problem=JobProblem("the upload", message) if state is JobState.FAILED else None,
        url=page_url(upload),
        statistics={
            "name": name,
            "row_count": number(upload.get("numRows")),
            "size_bytes": number(upload.get("size")),
            "hash": upload.get("hash"),
            "bad_record_count": number(upload.get("badRecordsCount")),
        },
        whole=upload.get("badRecordsCount") is not None,  # only a get tells
    )


def page_url(resource: Mapping[str, Any]) -> str | None:
    """Return the address of the page that Redivis shows a resource on; None of what may hold a secret."""
    url = resource.get("url")
    return url if isinstance(url, str) and _PAGE_URL.fullmatch(url) else None


def checked_status(status: JobStatus, expected: Expected | None, *, ours: bool = True) -> JobStatus:
    """Return the status of a complete upload, failed if it is not what was sent.

    :param ours: False if somebody else has made it: a retry finds it complete, and so as what it is.
    """
    differing = expected.problems(status.statistics) if expected else []
    if not differing:
        return status
    what = "it is not what was sent" if ours else "somebody else has sent other bytes under its name"
    problem = JobProblem(what, "; ".join(differing))
    return replace(status, state=JobState.FAILED, problem=problem, retryable=not ours)


def gone_status(ref: JobRef) -> JobStatus:
    """Return the status of an upload that is not there any more: somebody has deleted it."""
    why = "it was deleted, its version was released, or the token may not see it any more"
    problem = JobProblem("it is gone", why)
    title = f"Redivis upload {ref.id.rpartition('/')[2]}"
    return JobStatus(ref, JobState.CANCELLED, GONE, title=title, problem=problem)


def is_released(dataset: Mapping[str, Any]) -> bool:
    """Return True if the version that a Dataset resource shows is released."""
    version = dataset.get("version")
    return bool(isinstance(version, Mapping) and version.get("isReleased"))


def released_tag(dataset: Mapping[str, Any]) -> str:
    """Return the tag of the released version that a Dataset resource shows, ``none`` if none is."""
    return shown(dataset["version"].get("tag"), _TAG_LENGTH) if is_released(dataset) else NOT_RELEASED


def release_status(dataset: Mapping[str, Any], ref: JobRef) -> JobStatus:
    """Return how a dataset's next release is doing, that after the version which ``ref`` names."""
    tag = released_tag(dataset)
    if tag not in {NOT_RELEASED, ref.id.removeprefix(RELEASE_AFTER)}:
        return released_status(ref, dataset)
    version = dataset.get("nextVersion") or dataset.get("version")
    version = version if isinstance(version, Mapping) else {}
    word = str(version.get("status") or "unreleased")
    state = JobState.RUNNING if word in {"releasing", "running", "queued"} else JobState.PENDING
    status = JobStatus(ref, state, word, title=f"Redivis release of {ref.scope}", url=page_url(dataset))
    message = version.get("releaseErrorMessage")
    if message or word == "failed":
        problem = JobProblem("the release", shown(message or "Redivis gives no reason", _MESSAGE_LENGTH))
        return replace(status, state=JobState.FAILED, problem=problem)
    return status


def released_status(ref: JobRef, dataset: Mapping[str, Any]) -> JobStatus:
    """Return the status of a release that has happened, and made a version of the dataset readable."""
    title, found = f"Redivis release of {ref.scope}", {"version": released_tag(dataset)}
    return JobStatus(
        ref, JobState.SUCCEEDED, "released", title=title, url=page_url(dataset), statistics=found
    )


def md5_hex(value: Any) -> str | None:
    """Return the hexadecimal digits of an MD5 that is written in them or in base64; None of anything else."""
    if not isinstance(value, str):
        return None
    if re.fullmatch(r"[0-9A-Fa-f]{32}", value):
        return value.lower()
    try:
        raw = base64.b64decode(value, validate=True)
    except ValueError:
        return None
    return raw.hex() if len(raw) == 16 else None  # noqa: PLR2004 - bytes of an MD5
