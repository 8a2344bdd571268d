"""What comes compressed and is wanted compressed stays as it came, and is counted all the same."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Output
from airflow_provider_jobs.core.http.limits import Limits
from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.errors import JobsError
from airflow_provider_jobs.hooks.base import StaticToken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.core.conftest import Loopback

    Serve = Callable[..., Loopback]

ID = "750R0000000zlh9IAA"
HEADER = b'"Id","Text"\n'
#: The first has a time, a name and the fastest level: nobody here would write the same bytes.
TEXTS = [HEADER + b'"1","a\nb"\n' * 500, HEADER + b'"2",""""\n' * 300, HEADER + b'"3","c"\n' * 7]
GZIP = {"Content-Encoding": "gzip"}


def packed(text: bytes) -> bytes:
    return gzip.compress(text, 1, mtime=1_700_000_000)


def job(total: int) -> dict[str, Any]:
    found = {
        "id": ID,
        "operation": "query",
        "state": "JobComplete",
        "apiVersion": 59.0,
        "jobType": "V2Query",
        "numberRecordsProcessed": total,
    }
    return {"body": json.dumps(found).encode()}


def page(body: bytes, records: int, following: str = "null", **headers: str) -> dict[str, Any]:
    told = {"Content-Type": "text/csv", "Sforce-Locator": following, "Sforce-NumberOfRecords": str(records)}
    return {"body": body, "headers": told | headers}


def download(server: Loopback, folder: Path, *, page_bytes: int = 10**6, **output: Any) -> Any:
    timing = Timing(time.time, lambda _: None)
    limits = Limits(page_bytes=page_bytes)
    transport = Transport(StaticToken("t", None), user_agent="test", timing=timing, limits=limits)
    client = SalesforceClient(transport, server.url)
    output = {"name": "a.csv.gz", "compress": True, **output}
    return client.download(ID, Output(**output), LocalSink(folder), workers=1)


@pytest.fixture
def three_pages(serve: Serve) -> Loopback:
    """Two pages that come compressed, one of them in two members, and one that does not."""
    members = packed(TEXTS[1][:100]) + packed(TEXTS[1][100:])
    return serve(
        job(807),
        page(packed(TEXTS[0]), 500, "L1", **GZIP),
        page(members, 300, "L2", **{"Content-Encoding": "X-GZIP"}),
        page(TEXTS[2], 7),
    )


def test_parts_are_the_bytes_that_came(three_pages: Loopback, tmp_path: Path) -> None:
    files = download(three_pages, tmp_path, split=True).files
    contents = [(tmp_path / file.name).read_bytes() for file in files]
    assert contents[0] == packed(TEXTS[0])
    assert contents[1] == packed(TEXTS[1][:100]) + packed(TEXTS[1][100:])
    assert [gzip.decompress(content) for content in contents] == TEXTS
    assert [file.record_count for file in files] == [500, 300, 7]
    assert [file.size_bytes for file in files] == [len(content) for content in contents]
    assert [file.sha256 for file in files] == [hashlib.sha256(content).hexdigest() for content in contents]


def test_one_file_begins_with_the_bytes_that_came(three_pages: Loopback, tmp_path: Path) -> None:
    """The header of other pages cannot be cut out of what is compressed: they are compressed anew."""
    (file,) = download(three_pages, tmp_path).files
    content = (tmp_path / "a.csv.gz").read_bytes()
    assert content.startswith(packed(TEXTS[0]))
    assert gzip.decompress(content) == TEXTS[0] + b"".join(text.removeprefix(HEADER) for text in TEXTS[1:])
    assert (file.record_count, file.size_bytes) == (807, len(content))
    assert file.sha256 == hashlib.sha256(content).hexdigest()


WHOLE = packed(TEXTS[0])
DAMAGED = {
    "cut": (WHOLE[:-20], "cut short"),
    "without its last byte": (WHOLE[:-1], "cut short"),
    "with a wrong checksum": (WHOLE[:-8] + bytes([WHOLE[-8] ^ 1]) + WHOLE[-7:], "and is not"),
    "with something behind it": (WHOLE + b"<html>", "and is not"),
    "with zeros behind it": (WHOLE + bytes(8), "and is not"),
    "with half of another member": (WHOLE + packed(b"more")[:9], "cut short"),
    "not compressed": (TEXTS[0], "and is not"),
    "with a record less": (packed(TEXTS[0][:-10]), "499 records, and 500 were announced"),
    "with a cut record": (packed(TEXTS[0][:-2]), "ends inside quotes"),
}


@pytest.mark.parametrize(("body", "message"), DAMAGED.values(), ids=list(DAMAGED))
@pytest.mark.parametrize("split", [True, False])
def test_a_damaged_page_is_refused(
    serve: Serve, tmp_path: Path, body: bytes, message: str, *, split: bool
) -> None:
    with pytest.raises(JobsError, match=message):
        download(serve(job(500), page(body, 500, **GZIP)), tmp_path, split=split)
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_was_cut_is_read_again(serve: Serve, tmp_path: Path) -> None:
    server = serve(job(500), page(WHOLE[:-20], 500, **GZIP), page(WHOLE, 500, **GZIP))
    download(server, tmp_path, split=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [WHOLE]


@pytest.mark.parametrize("reply", [{"status": 204, "body": b""}, {"body": b"", "headers": GZIP}])
def test_nothing_at_all_becomes_an_empty_file_that_can_be_read(
    serve: Serve, tmp_path: Path, reply: dict[str, Any]
) -> None:
    located = {"headers": {"Sforce-Locator": "null", **reply.get("headers", {})}}
    download(serve(job(0), reply | located), tmp_path, split=True)
    (path,) = tmp_path.iterdir()
    assert gzip.decompress(path.read_bytes()) == b""


def test_what_is_kept_has_a_bound_too(serve: Serve, tmp_path: Path) -> None:
    """A body may go on without a byte of text: the disk would be full."""
    body = WHOLE[:10] + b"\x00\x00\x00\xff\xff" * 60_000  # a header, and blocks of nothing
    with pytest.raises(JobsError, match=r"more than 100000 bytes.*max_page_mb"):
        download(serve(job(1), page(body, 1, **GZIP)), tmp_path, page_bytes=100_000, split=True)
    assert list(tmp_path.iterdir()) == []
