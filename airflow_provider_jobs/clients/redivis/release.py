"""Releasing a version of a dataset, once: it becomes readable for everybody.

Source: https://docs.redivis.com/api/resource-definitions/version
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.redivis.names import (
    MADE_FOR_UPLOADS,
    TableReference,
    checked_uri,
    dataset_reference,
    releasable_dataset,
    table_reference,
)
from airflow_provider_jobs.clients.redivis.replies import (
    NOT_RELEASED,
    RELEASE_AFTER,
    STATES,
    release_status,
    released_status,
    released_tag,
)
from airflow_provider_jobs.core.http.messages import number
from airflow_provider_jobs.core.work import JobRequest, Submission
from airflow_provider_jobs.errors import ConfigurationError, ConflictError, OutageError
from airflow_provider_jobs.jobs import JobRef, JobState
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_provider_jobs.clients.redivis.api import RedivisApi
    from airflow_provider_jobs.clients.redivis.names import DatasetReference

log = logging.getLogger(__name__)

#: Of what is not complete, so many things are named.
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class ReleaseRequest(JobRequest):
    """A release of ``scope``, a dataset; ``body`` holds the notes.

    :param on_incomplete: What an upload does that has failed or is on its way, or a table that was made for
        one and has no complete one: ``fail`` the release, ``warn`` in the log, or None, which asks nobody.
    :param after: Tag of the version that was released before, as an earlier attempt saw it; None if this is
        the first attempt.
    """

    after: str | None = None
    on_incomplete: str | None = None


def _check_complete(api: RedivisApi, reference: str, on_incomplete: str) -> None:
    """See that what was sent to the next version of a dataset is in it: a release never changes."""
    found = list(islice(_incomplete(api, dataset_reference(reference).at("next")), _SHOWN + 1))
    if not found:
        return
    more = " and others" if len(found) > _SHOWN else ""
    named = "; ".join(each for each, _ in found[:_SHOWN])
    text = f"the next version of {reference} is not complete: {named}{more}"
    if on_incomplete == "warn":
        log.warning("%s", shown(text))
        return
    if all(passes for _, passes in found):
        raise OutageError(f"{text}. Nothing is released until it has ended")
    raise ConfigurationError(f"{text}. Nothing is released: mend or delete it, or set on_incomplete to warn")


def _incomplete(api: RedivisApi, dataset: DatasetReference) -> Iterator[tuple[str, bool]]:
    """Yield what is not complete in a version, and whether it may be in a while."""
    for table in api.list_tables(str(dataset)):
        name = str(table.get("name"))
        arrived, on_its_way = number(table.get("numRows")) != 0, False
        for upload in api.list_uploads(_reference(dataset, table)):
            status, which = upload.get("status"), f"upload {upload.get('name')} of table {name}"
            arrived = arrived or status == "completed"  # of no rows: a header alone
            if not STATES.get(status, JobState.RUNNING).ended:
                on_its_way = True
                yield f"{which} is still {status or 'without bytes'}", True
            if status == "failed" and (whole := api.find(checked_uri(upload.get("uri")))):
                yield f"{which} has failed ({whole.get('errorMessage') or 'Redivis gives no reason'})", False
        if table.get("description") == MADE_FOR_UPLOADS and not (arrived or on_its_way):
            yield f"table {name}, which was made for an upload, has none that is complete", False


def _reference(dataset: DatasetReference, table: Mapping[str, Any]) -> str:
    """Return how a table is referred to; Redivis tells it for a name that no reference can hold."""
    name = str(table.get("name"))
    reference = str(TableReference(dataset, name))
    with suppress(ConfigurationError):
        if table_reference(reference).name == name:
            return reference
    return str(table.get("qualifiedReference") or reference)


def release_once(api: RedivisApi, request: ReleaseRequest) -> Submission:
    """Release the next version, unless that has happened: what is read decides, before each try.

    :raises NotFoundError: there is no such dataset.
    :raises ConfigurationError: something of the version is not complete, and that is to fail.
    :raises OutageError: something of it is still on its way.
    """
    reference = str(releasable_dataset(request.scope))
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
            return Submission(released_status(status.ref, dataset), adopted=True)
        if request.on_incomplete:
            _check_complete(api, reference, request.on_incomplete)
        try:
            api.release_version(reference, **request.body)
        except ConflictError as error:  # an earlier request is being carried out
            log.info("%s", error)
            return Submission(replace(status, state=JobState.RUNNING), adopted=True)
        return Submission(api.status(status.ref), adopted=False)

    return api.repeat(step)
