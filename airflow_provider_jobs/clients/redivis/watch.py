"""How many uploads are doing, in as few requests as can be; and several uploads as one job.

One page of a table's list costs one request however many uploads of it are watched. Who has left the active
ones there is asked for itself, since a list tells neither errors nor bad records.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core import several as joint
from airflow_provider_jobs.errors import AuthenticationError, JobsError
from airflow_provider_jobs.jobs import JobState, JobStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.clients.redivis.client import RedivisClient
    from airflow_provider_jobs.jobs import JobRef

log = logging.getLogger(__name__)

_PAGE_UPLOADS = 1000
#: From so many uploads of a table on it is listed.
_LISTED_FROM = 3


def joint_status(ref: JobRef | None, statuses: Sequence[JobStatus]) -> JobStatus:
    """Return one status for all: active as long as one is, failed if one did; None makes their reference."""
    return joint.joint_status(ref, statuses, what="Redivis uploads", key="uploads")


def single_statuses(client: RedivisClient, refs: Sequence[JobRef]) -> dict[JobRef, JobStatus | JobsError]:
    """Return the status of each upload, or the error that stands in its way."""
    by_scope: dict[str, list[JobRef]] = defaultdict(list)
    for ref in refs:
        by_scope[ref.scope].append(ref)
    found: dict[JobRef, JobStatus | JobsError] = {}
    for scope, group in by_scope.items():
        if len(group) >= _LISTED_FROM and all("/uploads/" in ref.id for ref in group):
            try:
                found |= _active(client, scope, {ref.id: ref for ref in group})
            except AuthenticationError:
                raise  # so it is with every other question
            except JobsError as error:
                log.warning("the uploads of %s cannot be listed, so each is asked for: %s", scope, error)
                found |= _unlisted(client, group)
    return found | {ref: _get(client, ref) for ref in refs if ref not in found}


def _active(client: RedivisClient, table: str, watched: dict[str, JobRef]) -> dict[JobRef, JobStatus]:
    """Return those that a list shows as active; it is read as long as that is cheaper than a get each."""
    active: dict[JobRef, JobStatus] = {}
    seen = 0
    pages = client.list_upload_pages(table, maxResults=_PAGE_UPLOADS)
    for pages_read, page in enumerate(pages, 1):
        for upload in page.get("results") or []:
            ref = watched.get(_uri(upload))
            if ref is not None:
                seen += 1
                status = client.read(upload, ref)
                if status.state in {JobState.PENDING, JobState.RUNNING}:
                    active[ref] = status
        if seen == len(watched) or pages_read >= len(watched) - seen:
            break
    return active


def _unlisted(client: RedivisClient, refs: Sequence[JobRef]) -> dict[JobRef, JobStatus | JobsError]:
    """Ask for each, since the list alone may be out; whoever comes after a failure is not asked for.

    A list and a get that failed mean that all of Redivis is out, and each get would wait for it anew.
    """
    found: dict[JobRef, JobStatus | JobsError] = {}
    news: JobStatus | JobsError | None = None
    for ref in refs:
        if not isinstance(news, JobsError):
            news = _get(client, ref)
        found[ref] = news
    return found


def _uri(upload: Any) -> str:
    return str(upload.get("uri")) if isinstance(upload, dict) else ""


def _get(client: RedivisClient, ref: JobRef) -> JobStatus | JobsError:
    try:
        return client.single_status(ref)
    except JobsError as error:
        return error
