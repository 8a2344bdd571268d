"""google-cloud-bigquery, Google's own client, uploads to the sandbox."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import pytest
from google.api_core import exceptions
from google.cloud import bigquery

from tests.integration.sandbox.upload_api import csv_of

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

CONTENT = csv_of(6_000_000)
SCHEMA = [bigquery.SchemaField("n", "INTEGER"), bigquery.SchemaField("text", "STRING")]


def load(client: bigquery.Client, content: bytes, *, sized: bool = False) -> bigquery.LoadJob:
    job = client.load_table_from_file(
        io.BytesIO(content),
        "d.t",
        size=len(content) if sized else None,
        job_config=bigquery.LoadJobConfig(schema=SCHEMA, source_format="CSV"),
    )
    job.result()
    return job


def check(sandbox: Sandbox, client: bigquery.Client, content: bytes, kind: str) -> None:
    """One upload has arrived, byte for byte, as one job."""
    uploads = [each for each in sandbox.uploads() if each["target"] == client.project]
    (upload,) = [each for each in uploads if each["state"] == "complete"]
    assert upload["kind"] == kind
    assert upload["sha256"] == hashlib.sha256(content).hexdigest()
    assert len(list(client.list_jobs())) == 1
    assert client.get_table("d.t").num_rows == content.count(b"\n")


def test_resumable(sandbox: Sandbox, client: bigquery.Client) -> None:
    assert load(client, CONTENT).output_rows == CONTENT.count(b"\n")
    check(sandbox, client, CONTENT, "resumable")


def test_multipart(sandbox: Sandbox, client: bigquery.Client) -> None:
    small = csv_of(1_000_000)
    load(client, small, sized=True)
    check(sandbox, client, small, "multipart")


def test_empty_file(sandbox: Sandbox, client: bigquery.Client) -> None:
    load(client, b"")
    check(sandbox, client, b"", "resumable")


def test_rows_as_json(client: bigquery.Client) -> None:
    client.load_table_from_json([{"n": 1, "text": "a"}, {"n": 2}], "d.t").result()
    assert [(row.n, row.text) for row in client.list_rows("d.t")] == [(1, "a"), (2, None)]


@pytest.mark.parametrize("place", [0, 3_000_000, len(CONTENT)])
def test_cut_is_survived_by_its_own_retry(sandbox: Sandbox, client: bigquery.Client, place: int) -> None:
    """It sends the same bytes again; those that are stored are dropped."""
    sandbox.faults(
        action="cut_after_bytes", bytes=place, operation=r"bigquery\.upload\.data", path=client.project
    )
    load(client, CONTENT)
    check(sandbox, client, CONTENT, "resumable")


def test_503_is_survived_by_its_own_retry(sandbox: Sandbox, client: bigquery.Client) -> None:
    sandbox.faults(
        action="reply", status=503, bytes=1_000_000, operation=r"bigquery\.upload\.data", path=client.project
    )
    load(client, CONTENT)
    check(sandbox, client, CONTENT, "resumable")


def test_lost_final_reply_is_survived(sandbox: Sandbox, client: bigquery.Client) -> None:
    sandbox.faults(action="lost_final_reply", operation=r"bigquery\.upload\.data", path=client.project)
    load(client, CONTENT)
    check(sandbox, client, CONTENT, "resumable")


def test_bad_rows(client: bigquery.Client) -> None:
    with pytest.raises(exceptions.BadRequest, match="the uploaded file"):
        load(client, b"x,y\n")
