"""The Redivis REST API of one owner, spoken without any client library."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

from tests.integration.sandbox.conftest import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

CSV = b"n,text\n1,one\n2,two\n3,three\n"


class RedivisApi:
    """A dataset ``sales`` with a table ``orders``, made on demand."""

    def __init__(self, sandbox: Sandbox, owner: str) -> None:
        sandbox.redivis_settings(rate_limit=1_000_000)  # a busy machine may need many polls
        self.sandbox = sandbox
        self.owner = owner
        self.dataset = f"datasets/{owner}.sales"
        self.table = f"tables/{owner}.sales.orders"
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {sandbox.redivis_token}"

    def call(self, method: str, path: str, document: Any = None, **options: Any) -> requests.Response:
        url = f"{self.sandbox.redivis}/{path.lstrip('/')}"
        return self.session.request(method, url, json=document, timeout=PATIENCE_SECONDS, **options)

    def get(self, path: str, **parameters: Any) -> Any:
        """GET what has to be there; give the document."""
        return good(self.call("GET", path, params=parameters))

    def post(self, path: str, document: Any = None) -> Any:
        """POST what has to succeed; give the document."""
        return good(self.call("POST", path, document))

    def make_table(self, **fields: Any) -> None:
        """Make dataset and table."""
        self.post(f"organizations/{self.owner}/datasets", {"name": "Sales"})
        self.post(f"{self.dataset}/tables", {"name": "orders", **fields})

    def promise(self, size: int, name: str = "a.csv", *, resumable: bool = False, table: str = "") -> Any:
        """Make a temporary upload."""
        wanted = {"size": size, "name": name, "resumable": resumable}
        path = f"{table or self.table}/tempUploads"
        (result,) = self.post(path, {"tempUploads": [wanted]})["results"]
        return result

    def open_session(self, url: str, size: int) -> str:
        """Give the URI of a session; no token goes to storage."""
        headers = {"x-goog-resumable": "start", "x-upload-content-length": str(size)}
        reply = requests.post(url, headers=headers, timeout=PATIENCE_SECONDS)
        assert reply.status_code == 200, reply.text
        return reply.headers["Location"]

    def send_plain(self, content: bytes, name: str = "a.csv", table: str = "") -> str:
        """Bring a file to storage in one request; give its id."""
        temp = self.promise(len(content), name, table=table)
        assert requests.put(temp["url"], data=content, timeout=PATIENCE_SECONDS).status_code == 200
        return str(temp["id"])

    def create(self, table: str = "", **fields: Any) -> Any:
        """Create an upload."""
        return self.post(f"{table or self.table}/uploads", fields)

    def upload(self, content: bytes, name: str = "a.csv", table: str = "", **fields: Any) -> Any:
        """Bring a file into the table; give the upload when it has ended."""
        temp_id = self.send_plain(content, name, table)
        return self.ended(self.create(table, name=name, tempUploadId=temp_id, **fields))

    def ended(self, upload: Any) -> Any:
        """Wait for an upload to end."""
        wait_until(lambda: self.get(upload["uri"])["status"] in {"completed", "failed"})
        return self.get(upload["uri"])

    def records(self) -> list[dict[str, Any]]:
        """Give what the sandbox knows of the files of this owner."""
        return [each for each in self.sandbox.uploads() if each["target"].startswith(f"{self.owner}.")]

    def fault(self, operation: str, **spec: Any) -> None:
        """Add a fault."""
        self.sandbox.faults(operation=rf"redivis\.{operation}", **spec)


def good(reply: requests.Response) -> Any:
    """Give the document of a reply that has to be good."""
    assert reply.status_code == 200, reply.text
    return reply.json()


def word(reply: requests.Response) -> str:
    """Give the word of an error, after checking the documented shape of its body."""
    document = reply.json()
    assert document["error_description"]
    return str(document["error"])


def encoded(reference: str) -> str:
    """Give a reference as a path has it."""
    return quote(reference, safe="")


def parts(name: str, metadata: Any, content: bytes) -> dict[str, Any]:
    """Give the parts of a multipart create, without content types of their own."""
    return {"metadata": (None, json.dumps(metadata)), "data": (name, content)}
