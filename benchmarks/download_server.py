"""A server that has one finished Bulk API 2.0 query, whose pages all hold the same records.

It answers a create, the job, resultPages and results; and compresses if it is told to and the client asks,
from a file made before.
"""

from __future__ import annotations

import gzip
import itertools
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

JOB_ID = "750R0000000zlh9IAA"
_URLS_A_CALL = 5
_RECORD = (
    '"003R{number:014d}","Zoë ""Z"" Ångström {number}","{hash:016x}{hash:016x}","line one\nline two",""\n'
)


def make_page(folder: Path, mebibytes: int) -> int:
    """Write a page and its compressed twin; return how many records it holds."""
    count = 0
    with (folder / "page.csv").open("wb") as out:
        out.write(b'"Id","Name","Hash__c","Description","Empty__c"\n')
        for count in itertools.count(1):
            scrambled = count * 0x9E3779B97F4A7C15 % (1 << 64)
            out.write(_RECORD.format(number=count, hash=scrambled).encode())
            if out.tell() >= mebibytes << 20:
                break
    with (folder / "page.csv").open("rb") as plain, gzip.open(folder / "page.gz", "wb", 6) as packed:
        shutil.copyfileobj(plain, packed)
    return count


class Org:
    """Serves on an address of this machine until it is closed.

    :param folder: Where :func:`make_page` has written.
    :param pages: How many pages the query has.
    :param records: Records a page.
    :param compresses: Whether it heeds Accept-Encoding.
    """

    def __init__(self, folder: str, pages: int, records: int, *, compresses: bool) -> None:
        facts = {"folder": Path(folder), "pages": pages, "records": records, "compresses": compresses}
        handler = type("Handler", (_Handler,), facts)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder: Path
    pages: int
    records: int
    compresses: bool

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Create the query."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._document(self._job("UploadComplete"))

    def do_GET(self) -> None:
        """Give the job, the addresses of its pages, or a page."""
        parts = urlsplit(self.path)
        page = int(parse_qs(parts.query).get("locator", ["p0"])[0].removeprefix("p"))
        if parts.path.endswith("/results"):
            self._page(page)
        elif parts.path.endswith("/resultPages"):
            self._document(self._result_pages(parts.path.removesuffix("/resultPages"), page))
        else:
            self._document(self._job("JobComplete") | {"numberRecordsProcessed": self.pages * self.records})

    def _job(self, state: str) -> dict[str, Any]:
        return {
            "id": JOB_ID,
            "operation": "query",
            "object": "Contact",
            "createdDate": "2026-01-01T00:00:00.000+0000",
            "state": state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": 59.0,
            "jobType": "V2Query",
            "lineEnding": "LF",
            "columnDelimiter": "COMMA",
            "retries": 0,
            "totalProcessingTime": 1,
        }

    def _result_pages(self, job: str, first: int) -> dict[str, Any]:
        end = min(first + _URLS_A_CALL, self.pages)
        urls = [f"{job}/results" + (f"?locator=p{page}" if page else "") for page in range(first, end)]
        done = end == self.pages
        next_url = None if done else f"{job}/resultPages?locator=p{end}"
        return {"resultPages": [{"resultUrl": url} for url in urls], "nextRecordsUrl": next_url, "done": done}

    def _document(self, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _page(self, page: int) -> None:
        packed = self.compresses and "gzip" in self.headers.get("Accept-Encoding", "")
        path = self.folder / ("page.gz" if packed else "page.csv")
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Sforce-Locator", "null" if page + 1 == self.pages else f"p{page + 1}")
        self.send_header("Sforce-NumberOfRecords", str(self.records))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        with path.open("rb") as file:
            self.connection.sendfile(file)
