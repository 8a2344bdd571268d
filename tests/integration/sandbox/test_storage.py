"""Cloud Storage's JSON API of the sandbox, by google-resumable-media and by plain requests.

google-cloud-storage itself is tried by ``make google-provider``.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import google_crc32c
import pytest
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials
from google.resumable_media import DataCorruption, InvalidResponse
from google.resumable_media.requests import Download, MultipartUpload, ResumableUpload

from tests.integration.sandbox.conftest import Api, query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.sandbox import Sandbox

CHUNK = 256 * 1024
CSV = b"id,name\n1,one\n2,two\n"


class Bucket:
    """A bucket of one test."""

    def __init__(self, sandbox: Sandbox, name: str, session: AuthorizedSession) -> None:
        self.sandbox, self.name, self.session = sandbox, name, session
        self.folder = sandbox.buckets / name
        assert self.make().status_code == 200

    def make(self) -> Any:
        return self.session.post(f"{self.sandbox.url}/storage/v1/b?project=p", json={"name": self.name})

    def url(self, of: str = "", before: str = "", **asked: Any) -> str:
        path = f"/{quote(of, safe='')}" if of else ""
        parameters = "&".join(f"{key}={quote(str(value))}" for key, value in asked.items())
        return f"{self.sandbox.url}{before}/storage/v1/b/{self.name}/o{path}?{parameters}"

    def get(self, of: str = "", **asked: Any) -> Any:
        return self.session.get(self.url(of, **asked))

    def put(self, name: str, content: bytes, checksum: str | None = "crc32c") -> Any:
        upload = MultipartUpload(self.url(before="/upload", uploadType="multipart"), checksum=checksum)
        return upload.transmit(self.session, content, {"name": name}, "text/csv").json()

    def start(self, name: str, content: bytes) -> ResumableUpload:
        url = self.url(before="/upload", uploadType="resumable")
        upload = ResumableUpload(url, CHUNK, checksum="crc32c")
        upload.initiate(self.session, io.BytesIO(content), {"name": name}, "text/csv")
        return upload

    def download(self, name: str, **span: int) -> bytes:
        into = io.BytesIO()
        url = self.url(name, before="/download", alt="media")
        Download(url, stream=into, checksum="crc32c", **span).consume(self.session)
        return into.getvalue()


@pytest.fixture(scope="module")
def session(shared_sandbox: Sandbox) -> Iterator[AuthorizedSession]:
    with AuthorizedSession(Credentials(shared_sandbox.token)) as session:
        yield session


@pytest.fixture
def bucket(sandbox: Sandbox, project: str, session: AuthorizedSession) -> Bucket:
    return Bucket(sandbox, project, session)


def reason(reply: Any) -> tuple[int, str]:
    error = reply.json()["error"]
    return error["code"], error["errors"][0]["reason"]


def test_an_object_is_the_file_that_jobs_load(bucket: Bucket, api: Api) -> None:
    found = bucket.put("in/people 1.csv", CSV)
    assert (found["name"], found["bucket"], found["size"]) == ("in/people 1.csv", bucket.name, "20")
    assert base64.b64decode(found["md5Hash"]) == hashlib.md5(CSV, usedforsecurity=False).digest()
    assert base64.b64decode(found["crc32c"]) == google_crc32c.Checksum(CSV).digest()
    assert (bucket.folder / "in/people 1.csv").read_bytes() == CSV
    assert bucket.get("in/people 1.csv").json() == found
    api.run("s", **query("CREATE SCHEMA d"))
    table = {"projectId": api.project, "datasetId": "d", "tableId": "people"}
    uris = [f"gs://{bucket.name}/in/*.csv"]
    load = {"sourceUris": uris, "destinationTable": table, "autodetect": True, "skipLeadingRows": 1}
    assert api.run("l", load=load)["statistics"]["load"]["outputRows"] == "2"


def test_a_large_object_comes_in_chunks_and_goes_on_where_it_was_cut(bucket: Bucket) -> None:
    content = os.urandom(3 * CHUNK + 17)
    bucket.sandbox.faults(operation=r"storage\.upload\.data", action="cut_after_bytes", bytes=99, nth=2)
    upload = bucket.start("big.bin", content)
    upload.transmit_next_chunk(bucket.session)
    while not upload.finished:
        try:
            upload.transmit_next_chunk(bucket.session)
        except (ConnectionError, InvalidResponse):
            upload.recover(bucket.session)
    assert (bucket.folder / "big.bin").read_bytes() == content
    assert bucket.download("big.bin") == content
    assert bucket.download("big.bin", start=5, end=9) == content[5:10]
    (kept,) = [each for each in bucket.sandbox.uploads() if each["target"] == f"{bucket.name}/big.bin"]
    assert (kept["state"], kept["sha256"]) == ("complete", hashlib.sha256(content).hexdigest())
    assert upload.resumable_url.partition("upload_id=")[2] not in str(bucket.sandbox.requests())


def test_media_alone_is_an_object_and_an_empty_one_too(bucket: Bucket) -> None:
    url = bucket.url(before="/upload", uploadType="media", name="a/b.txt")
    for content in (b"first", b""):
        assert bucket.session.post(url, data=content).json()["size"] == str(len(content))
        assert bucket.download("a/b.txt") == content


def test_what_was_changed_behind_the_client_is_noticed(bucket: Bucket) -> None:
    bucket.put("a.csv", CSV)
    bucket.sandbox.faults(operation=r"storage\.objects\.get", action="garbage", body="id,name\n")
    with pytest.raises(DataCorruption):
        bucket.download("a.csv")


def test_only_the_last_generation_is_there(bucket: Bucket) -> None:
    first = bucket.put("a.csv", CSV)["generation"]
    assert bucket.get("a.csv", generation=first).json()["generation"] == first
    os.utime(bucket.folder / "a.csv", ns=(1, 1))
    for asked in ({}, {"alt": "media"}):
        gone = bucket.get("a.csv", generation=first, **asked)
        assert gone.status_code == 404
    assert bucket.session.delete(bucket.url("a.csv", generation=first)).status_code == 404
    assert bucket.get("a.csv").status_code == 200


def test_what_would_give_another_list_is_refused(bucket: Bucket) -> None:
    refused = bucket.get(includeTrailingDelimiter="true")
    assert refused.status_code == 501
    assert "includeTrailingDelimiter" in refused.json()["error"]["message"]


def test_ranges(bucket: Bucket) -> None:
    bucket.put("a.csv", CSV)
    url = bucket.url("a.csv", alt="media")
    for asked, wanted in (("bytes=-4", CSV[-4:]), ("bytes=15-99", CSV[15:]), ("bytes=0-0", CSV[:1])):
        reply = bucket.session.get(url, headers={"Range": asked})
        assert (reply.status_code, reply.content) == (206, wanted)
    assert bucket.session.get(url, headers={"Range": "bytes=x"}).content == CSV
    beyond = bucket.session.get(url, headers={"Range": "bytes=20-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, "bytes */20")


def test_lists_come_in_pages_with_prefixes(bucket: Bucket) -> None:
    names = ["a/1.csv", "a/2.csv", "a/b/3.csv", "c.csv"]
    for name in names:
        bucket.put(name, CSV)

    def listed(**asked: Any) -> list[str]:
        page = bucket.get(**asked).json()
        found = sorted([each["name"] for each in page["items"]] + page["prefixes"])
        more = listed(**asked | {"pageToken": page["nextPageToken"]}) if "nextPageToken" in page else []
        return found + more

    assert listed() == names
    assert listed(maxResults=2) == names
    assert listed(prefix="a/") == names[:3]
    assert listed(delimiter="/", maxResults=1) == ["a/", "c.csv"]
    assert listed(delimiter="/", prefix="a/") == ["a/1.csv", "a/2.csv", "a/b/"]
    assert reason(bucket.get(pageToken="x")) == (400, "invalid")
    assert reason(bucket.get(matchGlob="*")) == (501, "notImplemented")


def test_a_deleted_object_is_gone_and_its_folders_too(bucket: Bucket) -> None:
    bucket.put("a/b/c.csv", CSV)
    assert bucket.session.delete(bucket.url("a/b/c.csv")).status_code == 204
    for reply in (bucket.get("a/b/c.csv"), bucket.session.delete(bucket.url("a/b/c.csv"))):
        assert reason(reply) == (404, "notFound")
    assert list(bucket.folder.iterdir()) == []
    assert bucket.put("a", CSV)["name"] == "a"
    url = bucket.url(before="/upload", uploadType="media", name="a/b")
    assert reason(bucket.session.post(url, data=CSV)) == (400, "invalid")


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", "a/..", "a\\b", "a/"])
def test_no_name_leads_out_of_the_bucket(bucket: Bucket, name: str) -> None:
    for reply in (
        bucket.get(name),
        bucket.session.delete(bucket.url(name)),
        bucket.session.post(bucket.url(before="/upload", uploadType="media", name=name), data=CSV),
        bucket.session.post(bucket.url(before="/upload", uploadType="resumable"), json={"name": name}),
    ):
        assert reason(reply) == (400, "invalid")


def test_no_link_leads_out_of_the_buckets(bucket: Bucket) -> None:
    (bucket.folder / "link").symlink_to(bucket.sandbox.root)
    for name in ("link/lock", "link"):
        assert reason(bucket.get(name, alt="media")) == (403, "accessDenied")


def test_buckets(bucket: Bucket) -> None:
    root = f"{bucket.sandbox.url}/storage/v1/b"
    assert bucket.session.get(f"{root}/{bucket.name}").json()["name"] == bucket.name
    assert reason(bucket.make()) == (409, "conflict")
    assert reason(bucket.session.get(f"{root}/none-such")) == (404, "notFound")
    for name in ("..", ".uploads", "a/b", "A", "", None, "x/../y"):
        assert reason(bucket.session.post(root, json={"name": name})) == (400, "invalid")


def test_only_tokens_with_the_right_scope_come_in(bucket: Bucket) -> None:
    bucket.put("a.csv", CSV)
    scope = "https://www.googleapis.com/auth/devstorage.read_only"
    reader = AuthorizedSession(Credentials(bucket.sandbox.issue_token("r@example.com", scopes=[scope])))
    assert reader.get(bucket.url("a.csv", alt="media")).content == CSV
    assert reason(reader.delete(bucket.url("a.csv"))) == (403, "insufficientPermissions")
    reader.close()
