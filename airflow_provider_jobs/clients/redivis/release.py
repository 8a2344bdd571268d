"""Releasing a version of a dataset, once: it becomes readable for everybody.

Source: https://docs.redivis.com/api/resource-definitions/version
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_jobs.clients.redivis.names import dataset_reference
from airflow_provider_jobs.clients.redivis.replies import (
    NOT_RELEASED,
    RELEASE_AFTER,
    release_status,
    released_status,
    released_tag,
)
from airflow_provider_jobs.core.work import JobRequest, Submission
from airflow_provider_jobs.errors import ConflictError
from airflow_provider_jobs.jobs import JobRef, JobState
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from airflow_provider_jobs.clients.redivis.api import RedivisApi

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReleaseRequest(JobRequest):
    """A release of ``scope``, a dataset; ``body`` holds the notes.

    :param after: Tag of the version that was released before, as an earlier attempt saw it; None if this is
        the first attempt.
    """

    after: str | None = None


def release_once(api: RedivisApi, request: ReleaseRequest) -> Submission:
    """Release the next version, unless that has happened: what is read decides, before each try.

    :raises NotFoundError: there is no such dataset.
    """
    reference = str(dataset_reference(request.scope).at(None))
    after = request.after

    def step() -> Submission:
        nonlocal after
        dataset = api.get_dataset(reference)
        tag = released_tag(dataset)
        after = after or tag
        status = release_status(dataset, JobRef("redivis", reference, RELEASE_AFTER + after))
        if status.state in {JobState.SUCCEEDED, JobState.RUNNING}:
            return Submission(status, adopted=True)
        if tag != NOT_RELEASED and not dataset.get("nextVersion"):
            log.info("%s has no version to release: %s is released already", reference, shown(tag))
            return Submission(released_status(status.ref, tag), adopted=True)
        try:
            api.release_version(reference, **request.body)
        except ConflictError as error:  # an earlier request is being carried out
            log.info("%s", error)
            return Submission(replace(status, state=JobState.RUNNING), adopted=True)
        return Submission(api.status(status.ref), adopted=False)

    return api.repeat(step)
