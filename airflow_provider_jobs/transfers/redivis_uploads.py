"""What a table of Redivis has of a Salesforce object: uploads, whose names tell what is in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_jobs.jobs import JobProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow_provider_jobs.clients.redivis.client import RedivisClient

_MOMENT = r"-(\d{8}T\d{6}Z)"


@dataclass(frozen=True, slots=True)
class ObjectUpload:
    """An upload of an object's records, in the version of the table that is looked at.

    :param until: The end of what is in it, as its name has it.
    :param full: It has all records; else those of a window.
    """

    name: str
    until: str
    full: bool
    status: str


def object_uploads(client: RedivisClient, table: str, object_name: str) -> Iterator[ObjectUpload]:
    """Yield the uploads of an object.

    :raises NotFoundError: there is no such table, or version.
    """
    own = re.compile(rf"{re.escape(object_name)}{_MOMENT}(?:{_MOMENT})?\.csv", re.ASCII)
    for upload in client.list_uploads(table):
        if match := own.fullmatch(str(upload.get("name"))):
            until, full = match[2] or match[1], match[2] is None
            yield ObjectUpload(match[0], until, full, str(upload.get("status")))


def why_not_replace(
    name: str, until: str, uploads: Sequence[ObjectUpload], *, overtaken: bool
) -> JobProblem | None:
    """Return why a complete full upload may not replace the table's rows; None if it may.

    :param uploads: Those of the version that is to be released next.
    :param overtaken: The mark is of a later run.
    """
    there = name in {each.name for each in uploads}
    later = [each.name for each in uploads if each.full and each.status == "completed" and each.until > until]
    if later or (there and overtaken):
        into = f", into {later[0]}" if later else ""
        return JobProblem(
            "another run was faster",
            f"it has read all records later{into}: this upload is deleted. A retry reads all of them again",
        )
    if not there:
        return JobProblem(
            "the table has other rows too",
            "the version was released, or the upload deleted, before it could replace the rows of the "
            "version before. A retry reads all records again",
        )
    return None
