"""The bytes of a load job that were uploaded with it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow_provider_jobs.sandbox.bigquery.engine import JobProblem
from airflow_provider_jobs.sandbox.uploads.book import COMPLETE

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from airflow_provider_jobs.sandbox.uploads.book import UploadBook

# Beside the buckets, in a folder that no gs:// name can mean: DuckDB may read below the buckets only.
FOLDER = "buckets/.uploads"
SERVICE = "bigquery"
MOST_ROW_BYTES = 100 << 20  # https://cloud.google.com/bigquery/quotas#load_jobs
BLOCK_BYTES = 1 << 20
LINE_FORMATS = frozenset({"CSV", "NEWLINE_DELIMITED_JSON"})
GZIP_MAGIC = b"\x1f\x8b"


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

    :raises JobProblem: there is such a row, or the job was cancelled meanwhile.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        compressed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    lines = str(load.get("sourceFormat") or "CSV").upper() in LINE_FORMATS
    if not lines or (size <= MOST_ROW_BYTES and not compressed):
        return
    try:
        with gzip.open(path, "rb") if compressed else path.open("rb") as file:
            too_long = _has_long_line(file, cancelled)  # type: ignore[arg-type] # both read bytes
    except (EOFError, OSError):  # a broken archive: the load will say so
        return
    if too_long:
        message = (
            "Error while reading data, error message: Row size is larger than the maximum of "
            f"{MOST_ROW_BYTES} bytes. File: the uploaded file"
        )
        statistics = {"inputFiles": "1", "inputFileBytes": str(size), "outputRows": "0", "outputBytes": "0"}
        raise JobProblem("invalid", message, statistics={"load": {**statistics, "badRecords": "0"}})


def _has_long_line(file: BinaryIO, cancelled: threading.Event) -> bool:
    length = 0
    while block := file.read(BLOCK_BYTES):
        if cancelled.is_set():
            raise JobProblem("stopped", "Job execution was cancelled")
        newline = block.rfind(b"\n")
        # Blocks are short beside the limit, so a line within one needs no look.
        length = length + len(block) if newline < 0 else len(block) - newline - 1
        if length > MOST_ROW_BYTES:
            return True
    return False
