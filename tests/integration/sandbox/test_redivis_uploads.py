"""Redivis uploads: how bytes come, and what an upload looks like on its way."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
import requests

from airflow_provider_jobs.clients.redivis.client import RedivisClient
from airflow_provider_jobs.core.http.transport import Transport
from tests.integration.redivis.lab import ApiToken
from tests.integration.sandbox.conftest import wait_until
from tests.integration.sandbox.redivis_api import CSV, RedivisApi, good, parts, word

MD5 = hashlib.md5(CSV, usedforsecurity=False)


def test_plain_upload(redivis: RedivisApi) -> None:
    """Temporary upload, one PUT, create, poll: with hash, size and the rows that are really there."""
    temp = redivis.promise(len(CSV))
    assert (temp["kind"], temp["name"], temp["size"], temp["resumable"]) == (
        "tempUpload",
        "a.csv",
        len(CSV),
        False,
    )
    assert temp["url"].startswith(redivis.sandbox.url)
    assert requests.put(temp["url"], data=CSV, timeout=10).status_code == 200
    made = redivis.create(name="a.csv", tempUploadId=temp["id"])
    assert (made["kind"], made["name"], made["status"]) == ("upload", "a.csv", "queued")
    upload = redivis.ended(made)
    assert upload["status"] == "completed"
    assert (upload["hash"], upload["size"], upload["numRows"], upload["numBytes"]) == (
        MD5.hexdigest(),
        len(CSV),
        3,
        len(CSV),
    )
    assert (upload["type"], upload["hasHeaderRow"], upload["skipBadRecords"]) == ("delimited", True, False)
    assert (upload["badRecordsCount"], upload["errorMessage"]) == (0, None)
    assert redivis.get(redivis.table)["numRows"] == 3
    (record,) = redivis.records()
    assert record["sha256"] == hashlib.sha256(CSV).hexdigest()
    assert (record["kind"], record["name"], record["bytes_received"]) == ("plain", "a.csv", len(CSV))


def test_file_is_deleted_when_it_was_read(redivis: RedivisApi) -> None:
    redivis.upload(CSV)
    folder = redivis.sandbox.root / "uploads"
    (record,) = redivis.records()
    wait_until(lambda: not (folder / record["id"]).exists())


def test_plain_upload_is_all_or_nothing(redivis: RedivisApi) -> None:
    """A PUT that breaks off stores nothing; the URL takes another one, which counts."""
    temp = redivis.promise(len(CSV))
    redivis.fault(r"upload\.plain", action="cut_after_bytes", bytes=10)
    with pytest.raises(requests.ConnectionError):
        requests.put(temp["url"], data=CSV, timeout=10)
    refused = redivis.call("POST", f"{redivis.table}/uploads", {"name": "a.csv", "tempUploadId": temp["id"]})
    assert (refused.status_code, word(refused)) == (400, "invalid_request")
    requests.put(temp["url"], data=b"old", timeout=10)
    assert requests.put(temp["url"], data=CSV, timeout=10).status_code == 200
    assert redivis.ended(redivis.create(name="a.csv", tempUploadId=temp["id"]))["hash"] == MD5.hexdigest()


def test_multipart_create(redivis: RedivisApi) -> None:
    """As the official client sends it: the parts have no content types, the file is under ``data``."""
    files = parts("a.csv", {"name": "a.csv", "type": "delimited"}, CSV)
    for named in (files, dict(reversed(files.items()))):
        upload = good(redivis.call("POST", f"{redivis.table}/uploads", files=named))
        assert redivis.ended(upload)["hash"] == MD5.hexdigest()
        assert redivis.call("DELETE", upload["uri"]).status_code == 200


def test_multipart_related_create(redivis: RedivisApi) -> None:
    body = b'--b\r\n\r\n{"name": "a.csv"}\r\n--b\r\nContent-Type: text/csv\r\n\r\n' + CSV + b"\r\n--b--\r\n"
    headers = {"Content-Type": "multipart/related; boundary=b"}
    upload = good(redivis.call("POST", f"{redivis.table}/uploads", data=body, headers=headers))
    assert redivis.ended(upload)["numRows"] == 3


def test_bad_multipart_create(redivis: RedivisApi) -> None:
    uploads = f"{redivis.table}/uploads"
    missing = {"metadata": (None, "{}")}
    extra = parts("a.csv", {"name": "a.csv"}, CSV) | {"more": (None, "x")}
    nameless = parts("a.csv", {}, CSV)
    for files in (missing, extra, nameless):
        assert redivis.call("POST", uploads, files=files).status_code == 400
    large = parts("a.csv", {"name": "a.csv"}, bytes(100_000_001))
    assert redivis.call("POST", uploads, files=large).status_code == 413
    assert redivis.get(uploads)["results"] == []
    assert {each["state"] for each in redivis.records()} == {"failed"}


def test_simple_create(redivis: RedivisApi) -> None:
    """The fields as parameters, the file as the body."""
    reply = redivis.call(
        "POST",
        f"{redivis.table}/uploads",
        data=CSV,
        params={"uploadType": "simple", "name": "a.txt", "hasHeaderRow": "false", "delimiter": ","},
        headers={"Content-Type": "text/csv"},
    )
    assert redivis.ended(good(reply))["numRows"] == 4


@pytest.mark.parametrize("name", ["a.csv", "a_csv"])
def test_name_clash(redivis: RedivisApi, name: str) -> None:
    """Names are one if their paths are; nothing is lost by trying."""
    first = redivis.upload(CSV)
    temp_id = redivis.send_plain(CSV, name)
    fields = {"name": name, "tempUploadId": temp_id, "type": "delimited"}
    assert word(redivis.call("POST", f"{redivis.table}/uploads", fields)) == "conflict"
    assert redivis.get(first["uri"]) == first
    assert redivis.call("DELETE", first["uri"]).status_code == 200
    assert redivis.ended(redivis.create(**fields))["status"] == "completed"


def test_names_without_and_default_types(redivis: RedivisApi) -> None:
    assert redivis.create(type="ndjson")["name"] == "untitled_upload.ndjson"
    assert redivis.get(redivis.create(name="b.jsonl")["uri"])["type"] == "ndjson"
    assert redivis.get(redivis.create(name="c.CSV.gz")["uri"])["type"] == "delimited"
    assert redivis.get(redivis.create(name="d.shp.zip")["uri"])["type"] == "shp.zip"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "a"},
        {"name": "a.stream"},
        {"name": "a.csv", "type": "csv"},
        {"name": "a.csv", "hasHeaderRow": "yes"},
        {"name": "a.csv", "delimiter": "ab"},
        {"name": "a.csv", "schema": []},
        {"name": "a.csv", "replace": True},
        {"name": "a.csv", "transferSpecification": {"sourceType": "gcs"}},
        {"name": "x" * 501 + ".csv"},
        {"name": "a\n.csv"},
    ],
)
def test_bad_fields(redivis: RedivisApi, fields: dict[str, Any]) -> None:
    reply = redivis.call("POST", f"{redivis.table}/uploads", fields)
    assert (reply.status_code, word(reply)) == (400, "invalid_request")


def test_read_test_and_delete(redivis: RedivisApi) -> None:
    """An upload's path is its name with underscores; deleting takes the rows, too."""
    upload = redivis.upload(CSV)
    path = f"{redivis.table}/uploads/a_csv"
    assert redivis.get(path) == upload == redivis.get(f"{redivis.table}/uploads/a.csv")
    assert redivis.call("HEAD", path).status_code == 200
    assert redivis.call("DELETE", path).status_code == 200
    assert redivis.call("HEAD", path).status_code == 404
    assert word(redivis.call("DELETE", path)) == "not_found"
    assert redivis.get(redivis.table)["numRows"] == 0


def test_list_in_pages(redivis: RedivisApi) -> None:
    """Pages stay what they are while uploads before them are deleted."""
    uploads = f"{redivis.table}/uploads"
    made = [redivis.create(name=f"{number}.csv") for number in range(5)]
    first = redivis.get(uploads, maxResults=2)
    assert [each["name"] for each in first["results"]] == ["0.csv", "1.csv"]
    redivis.call("DELETE", made[0]["uri"])
    second = redivis.get(uploads, maxResults=2, pageToken=first["nextPageToken"])
    assert [each["name"] for each in second["results"]] == ["2.csv", "3.csv"]
    last = redivis.get(uploads, pageToken=second["nextPageToken"])
    assert ([each["name"] for each in last["results"]], last["nextPageToken"]) == (["4.csv"], None)
    assert "type" not in last["results"][0]
    redivis.post(f"{redivis.dataset}/tables", {"name": "others"})
    others = redivis.table.replace("orders", "others")
    for path, token in ((uploads, "x"), (f"{others}/uploads", first["nextPageToken"])):
        assert word(redivis.call("GET", path, params={"pageToken": token})) == "invalid_request"
    for most in ("0", "9" * 5000):
        assert word(redivis.call("GET", uploads, params={"maxResults": most})) == "invalid_request"


def test_states_by_polls(redivis: RedivisApi, redivis_settings: Any) -> None:
    redivis_settings(queued_polls=2, running_polls=1)
    made = redivis.create(name="a.csv", tempUploadId=redivis.send_plain(CSV))
    assert redivis.records()[0]["md5"] == MD5.hexdigest()
    states = [redivis.get(made["uri"])["status"] for _ in range(3)]
    assert states == ["queued", "queued", "running"]
    assert redivis.ended(made)["status"] == "completed"


def test_states_by_time(redivis: RedivisApi) -> None:
    redivis.sandbox.timing(project=redivis.owner, pending_seconds=3600, running_seconds=3600)
    made = redivis.create(name="a.csv", tempUploadId=redivis.send_plain(CSV))
    assert redivis.get(made["uri"])["status"] == "queued"
    redivis.sandbox.advance(3600)
    running = redivis.get(made["uri"])
    assert (running["status"], running["numRows"], running["badRecordsCount"]) == ("running", None, None)
    redivis.sandbox.advance(3600)
    assert redivis.ended(made)["status"] == "completed"


def test_processing_fails_on_request(redivis: RedivisApi) -> None:
    redivis.fault(r"uploads\.run", action="reply", message="The disk is full.")
    upload = redivis.upload(CSV)
    assert (upload["status"], upload["errorMessage"]) == ("failed", "The disk is full.")


def test_unknown_state(redivis: RedivisApi) -> None:
    upload = redivis.upload(CSV)
    redivis.fault(r"uploads\.get", action="patch", document={"status": "archived"})
    assert redivis.get(upload["uri"])["status"] == "archived"


def test_hash_in_base64_and_numbers_as_texts(redivis: RedivisApi, redivis_settings: Any) -> None:
    redivis_settings(hash="base64", numbers="texts")
    assert redivis.promise(7)["size"] == "7"
    upload = redivis.upload(CSV)
    assert upload["hash"] == base64.b64encode(MD5.digest()).decode()
    assert (upload["size"], upload["numRows"], upload["badRecordsCount"]) == (str(len(CSV)), "3", "0")
    assert redivis.get(redivis.table)["numRows"] == "3"


def test_lost_reply_of_create(redivis: RedivisApi) -> None:
    redivis.fault(r"uploads\.create", action="drop_reply_after_accepting")
    fields = {"name": "a.csv", "tempUploadId": redivis.send_plain(CSV)}
    with pytest.raises(requests.ConnectionError):
        redivis.call("POST", f"{redivis.table}/uploads", fields)
    assert word(redivis.call("POST", f"{redivis.table}/uploads", fields)) == "conflict"
    assert redivis.ended(redivis.get(f"{redivis.table}/uploads/a_csv"))["hash"] == MD5.hexdigest()


NAMES = (
    "plain.csv", "daily sales.csv", "a#1.csv", "what?.csv", "100%25.csv", "2026/jan.csv", "ümläut.csv",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_of_all_kinds(redivis: RedivisApi, name: str) -> None:
    """A reply's ``uri`` can be used as it is."""
    upload = redivis.upload(CSV, name)
    assert (upload["name"], upload["status"]) == (name, "completed")
    assert good(redivis.call("DELETE", upload["uri"])) == {}
    assert redivis.call("HEAD", upload["uri"]).status_code == 404


def test_names_of_all_kinds_by_the_client(redivis: RedivisApi) -> None:
    """The client finds the paths by itself."""
    transport = Transport(ApiToken(redivis.sandbox.redivis_token), user_agent="test")
    client = RedivisClient(transport, endpoint=redivis.sandbox.redivis)
    table = f"{redivis.owner}.sales:next.orders"
    for name in NAMES:
        upload = client.put_upload(table, CSV, name)
        assert client.get_upload(table, name)["uri"] == upload["uri"]
    assert [each["name"] for each in client.list_uploads(table)] == list(NAMES)
