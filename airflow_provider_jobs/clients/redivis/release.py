"""Releases: one version becomes readable for everybody, once.

Source: https://docs.redivis.com/api/resource-definitions/version
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.redivis.names import dataset_reference
from airflow_provider_jobs.clients.redivis.prepare import is_released
from airflow_provider_jobs.core.work import JobRequest, Submission
from airflow_provider_jobs.errors import ConflictError
from airflow_provider_jobs.jobs import JobProblem, JobRef, JobState, JobStatus

if TYPE_CHECKING:
    from airflow_provider_jobs.clients.redivis.client import RedivisClient

log = logging.getLogger(__name__)

#: How the id of a release begins; the tag of the version before it follows.
RELEASE_AFTER = "release-after-"
#: In place of the tag, where no version is released yet.
NOT_RELEASED = "none"


@dataclass(frozen=True, slots=True)
class ReleaseRequest(JobRequest):
    """A release of ``scope``, a dataset; ``body`` holds the notes.

    :param after: Tag of the version that was released before, as an earlier attempt saw it; None if this is
        the first attempt.
    """

    after: str | None = None


def released_tag(dataset: Mapping[str, Any]) -> str:
    """Return the tag of the released version that a Dataset resource shows, ``none`` if none is."""
    version = dataset.get("version")
    return str(version.get("tag")) if isinstance(version, Mapping) and is_released(dataset) else NOT_RELEASED


def release_once(client: RedivisClient, request: ReleaseRequest) -> Submission:
    """Release the next version, unless that has happened: what is read decides, before each try.

    :raises NotFoundError: there is no such dataset.
    """
    reference = str(dataset_reference(request.scope).at(None))
    after = request.after

    def step() -> Submission:
        nonlocal after
        dataset = client.get_dataset(reference)
        tag = released_tag(dataset)
        after = after or tag
        status = release_status(dataset, JobRef("redivis", reference, RELEASE_AFTER + after))
        if status.state in {JobState.SUCCEEDED, JobState.RUNNING}:
            return Submission(status, adopted=True)
        if tag != NOT_RELEASED and not dataset.get("nextVersion"):
            log.info("%s has no version to release: %s is released already", reference, tag)
            return Submission(replace(status, **_succeeded(tag)), adopted=True)
        try:
            client.release_version(reference, **request.body)
        except ConflictError as error:  # an earlier request is being carried out
            log.info("%s", error)
            return Submission(replace(status, state=JobState.RUNNING), adopted=True)
        return Submission(client.status(status.ref), adopted=False)

    return client.repeat(step)


def release_status(dataset: Mapping[str, Any], ref: JobRef) -> JobStatus:
    """Return how the release of a dataset's next version is doing.

    :param ref: Names the version that was released before.
    """
    tag = released_tag(dataset)
    title = f"Redivis release of {ref.scope}"
    if tag not in {NOT_RELEASED, ref.id.removeprefix(RELEASE_AFTER)}:
        return JobStatus(ref, title=title, **_succeeded(tag))
    version = dataset.get("nextVersion") or dataset.get("version")
    version = version if isinstance(version, Mapping) else {}
    word = str(version.get("status") or "unreleased")
    if message := version.get("releaseErrorMessage"):
        problem = JobProblem("the release", str(message)[:2000])
        return JobStatus(ref, JobState.FAILED, word, title=title, problem=problem)
    state = JobState.RUNNING if word in {"releasing", "running", "queued"} else JobState.PENDING
    return JobStatus(ref, state, word, title=title)


def _succeeded(tag: str) -> dict[str, Any]:
    return {"state": JobState.SUCCEEDED, "vendor_state": "released", "statistics": {"version": tag}}
