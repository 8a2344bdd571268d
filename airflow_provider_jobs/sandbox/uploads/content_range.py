"""The ``Content-Range`` header of an upload: which bytes come, and of how many.

See https://cloud.google.com/storage/docs/performing-resumable-uploads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_provider_jobs.sandbox.replies import Refusal

FORM = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(?:(\d{1,18})|\*)", re.ASCII)


@dataclass(frozen=True)
class ContentRange:
    """``bytes first-last/total``; without first and last it asks how many bytes are stored."""

    first: int | None
    last: int | None
    total: int | None  # None: not known yet

    @property
    def size(self) -> int:
        """How many bytes come."""
        return 0 if self.first is None or self.last is None else self.last - self.first + 1


def is_status_query(text: str | None) -> bool:
    """Tell a question for the offset from bytes, by the header alone."""
    return text is not None and text.strip().startswith("bytes */")


def read_content_range(text: str) -> ContentRange:
    """Read the header.

    :raises Refusal: 400, it is malformed or contradicts itself.
    """
    found = FORM.fullmatch(text.strip())
    if found is None:
        raise _refusal(text)
    first, last, total = (None if part is None else int(part) for part in found.groups())
    if first is not None and last is not None and (first > last or (total is not None and last >= total)):
        raise _refusal(text)
    return ContentRange(first, last, total)


def _refusal(text: str) -> Refusal:
    return Refusal(400, "badRequest", f"Invalid Content-Range: {text[:100]!r}.", location="Content-Range")
