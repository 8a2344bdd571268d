"""The bytes of a load job that were uploaded with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine import JobProblem
from airflow_provider_jobs.sandbox.uploads.book import COMPLETE
from airflow_provider_jobs.sandbox.uploads.long_lines import MOST_LINE_BYTES, has_long_line

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from airflow_provider_jobs.sandbox.uploads.book import UploadBook

# Beside the buckets, in a folder that no gs:// name can mean: DuckDB may read below the buckets only.
FOLDER = "buckets/.uploads"
SERVICE = "bigquery"
LINE_FORMATS = frozenset({"CSV", "NEWLINE_DELIMITED_JSON"})


class Media:
    """Uploaded files as jobs see them; all but ``path`` belongs to the event loop."""

    def __init__(self, book: UploadBook) -> None:
        self._book = book

    def path(self, upload_id: str | None) -> Path | None:
        """Give the file of a job's upload; None if the job has none."""
        upload = self._book.get(upload_id) if upload_id else None
        return None if upload is None else self._book.path(upload)

    def release(self, upload_id: str | None) -> None:
        """Delete the file of a job that is done."""
        upload = self._book.get(upload_id) if upload_id else None
        if upload is not None:
            self._book.release(upload)

    def release_all_but(self, needed: set[str | None]) -> None:
        """Delete what jobs of an earlier life have left behind."""
        for upload in self._book.all():
            if upload.service == SERVICE and upload.state == COMPLETE and upload.upload_id not in needed:
                self._book.release(upload)


def check_rows(path: Path, load: dict[str, Any], cancelled: threading.Event) -> None:
    """Refuse a file with a longer row than BigQuery accepts, before anything reads that row whole.

    :raises JobProblem: there is such a row.
    """
    if str(load.get("sourceFormat") or "CSV").upper() not in LINE_FORMATS or not has_long_line(
        path, cancelled
    ):
        return
    message = (
        f"Error while reading data, error message: Row size is larger than the maximum of {MOST_LINE_BYTES} "
        "bytes. File: the uploaded file"
    )
    statistics = {"inputFiles": "1", "inputFileBytes": str(path.stat().st_size)}
    statistics |= dict.fromkeys(("outputRows", "outputBytes", "badRecords"), "0")
    raise JobProblem("invalid", message, statistics={"load": statistics})
