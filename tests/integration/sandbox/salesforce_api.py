"""Bulk API 2.0 of the sandbox's org, spoken without any client library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from tests.integration.sandbox.conftest import PATIENCE_SECONDS, wait_until

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox

ACCOUNTS = "SELECT Id, Name FROM Account"
ENDED = {"JobComplete", "Failed", "Aborted"}


class SalesforceApi:
    """One version of the API."""

    def __init__(self, sandbox: Sandbox, version: str = "59.0") -> None:
        self.sandbox = sandbox
        self.base = f"{sandbox.salesforce}/services/data/v{version}"
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {sandbox.salesforce_token}"

    def other(self, version: str) -> SalesforceApi:
        """Speak another version, with the same connections."""
        api = SalesforceApi(self.sandbox, version)
        api.session.close()
        api.session = self.session
        return api

    def call(self, method: str, path: str, document: Any = None, **options: Any) -> requests.Response:
        """Send a request; ``path`` follows the version, or begins at the host."""
        url = self.sandbox.salesforce + path if path.startswith("/") else f"{self.base}/{path}"
        options.setdefault("timeout", PATIENCE_SECONDS)
        return self.session.request(method, url, json=document, **options)

    def get(self, path: str, **parameters: Any) -> Any:
        """GET what has to be there; give the document."""
        return good(self.call("GET", path, params=parameters))

    def create(self, soql: str = ACCOUNTS, operation: str = "query", **fields: Any) -> Any:
        """Create a query job; give its document."""
        return good(self.call("POST", "jobs/query", {"operation": operation, "query": soql, **fields}))

    def create_ingest(self, name: str = "Account", operation: str = "insert", **fields: Any) -> Any:
        """Create an ingest job; give its document."""
        return good(self.call("POST", "jobs/ingest", {"object": name, "operation": operation, **fields}))

    def put(self, job: Any, content: bytes, media_type: str = "text/csv") -> requests.Response:
        """Send an ingest job's data."""
        path = f"jobs/ingest/{job['id']}/batches"
        return self.call("PUT", path, data=content, headers={"Content-Type": media_type})

    def state(self, kind: str, job: Any, state: str) -> requests.Response:
        """Ask for another state."""
        return self.call("PATCH", f"jobs/{kind}/{job['id']}", {"state": state})

    def info(self, job: Any, kind: str = "query") -> Any:
        """Give a job."""
        return self.get(f"jobs/{kind}/{job['id']}")

    def ended(self, job: Any, kind: str = "query") -> Any:
        """Wait for a job to end and give it."""
        return wait_until(lambda: found if (found := self.info(job, kind))["state"] in ENDED else None)

    def query(self, soql: str = ACCOUNTS, **fields: Any) -> Any:
        """Create a query job and give it when it is complete."""
        job = self.ended(self.create(soql, **fields))
        assert job["state"] == "JobComplete", job
        return job

    def ingest(self, content: bytes, name: str = "Account", operation: str = "insert", **fields: Any) -> Any:
        """Bring records in; give the job when it has ended."""
        job = self.create_ingest(name, operation, **fields)
        assert self.put(job, content).status_code == 201
        assert self.state("ingest", job, "UploadComplete").status_code == 200
        return self.ended(job, "ingest")

    def results(self, job: Any, encoding: str = "identity", **parameters: Any) -> requests.Response:
        """Ask for a page."""
        path = f"jobs/query/{job['id']}/results"
        return self.call("GET", path, params=parameters, headers={"Accept-Encoding": encoding})

    def pages(self, job: Any, **parameters: Any) -> list[requests.Response]:
        """Give all pages, by their locators."""
        replies = [self.results(job, **parameters)]
        while (locator := replies[-1].headers["Sforce-Locator"]) != "null":
            replies.append(self.results(job, locator=locator, **parameters))
        return replies

    def page_urls(self, job: Any, following: str = "nextRecordsUrl") -> list[str]:
        """Give the URLs of all pages, by the list of pages."""
        document, urls = self.get(f"jobs/query/{job['id']}/resultPages"), []
        while True:
            urls += [page["resultUrl"] for page in document["resultPages"]]
            if document["done"]:
                return urls
            document = self.get(document[following])

    def outcome(self, job: Any, kind: str) -> bytes:
        """Give what became of an ingest job's records."""
        reply = self.call("GET", f"jobs/ingest/{job['id']}/{kind}")
        assert reply.status_code == 200, reply.text
        return reply.content

    def fault(self, operation: str, **spec: Any) -> None:
        """Add a fault."""
        self.sandbox.faults(operation=rf"salesforce\.{operation}", **spec)


class PlainAdapter(HTTPAdapter):
    """Sends what is meant for any https host to the sandbox."""

    def __init__(self, sandbox_url: str) -> None:
        super().__init__()
        self._host = urlsplit(sandbox_url).netloc

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        parts = urlsplit(request.url)
        request.headers["Host"] = parts.netloc
        request.url = parts._replace(scheme="http", netloc=self._host).geturl()
        return super().send(request, *args, **kwargs)


def good(reply: requests.Response) -> Any:
    """Give the document of a reply that has to be good."""
    assert reply.status_code == 200, reply.text
    return reply.json()


def error(reply: requests.Response) -> tuple[int, str]:
    """Give status and code of an error, after checking the documented shape of its body."""
    ((entry),) = reply.json()
    assert entry["message"]
    return reply.status_code, str(entry["errorCode"])


def joined(pages: list[bytes]) -> bytes:
    """Give pages as one file: the header, which all share, only once."""
    header = pages[0][: pages[0].index(b"\n") + 1]
    assert all(page.startswith(header) for page in pages)
    return header + b"".join(page[len(header) :] for page in pages)
