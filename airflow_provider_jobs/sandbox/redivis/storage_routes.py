"""Temporary uploads: promised by the API, sent to the storage host.

See https://docs.redivis.com/api/rest-api/tables/createtempuploads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.routing import Route

from airflow_provider_jobs.sandbox.call import whole_number
from airflow_provider_jobs.sandbox.redivis.references import read_table
from airflow_provider_jobs.sandbox.redivis.replies import check_known, invalid
from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.uploads.body import ENDLESS, Body
from airflow_provider_jobs.sandbox.uploads.resumable import SECRET_PARAMETER, SessionEndpoint

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.operations import Operation
    from airflow_provider_jobs.sandbox.redivis.model import TempUpload
    from airflow_provider_jobs.sandbox.redivis.state import RedivisState

PATH = "/redivis-storage/{temp}"
SIGNATURE = "X-Goog-Signature"  # the parameter that makes a URL of storage a capability
MOST_AT_ONCE = 1000
MOST_BYTES = 1 << 50


def routes(service: RedivisState) -> list[Route]:
    """Give the routes of temporary uploads."""
    methods = TempUploadMethods(service)
    put = StorageEndpoint(
        service.storage_operation("upload.plain", methods.put_plain),
        SessionEndpoint(
            service.storage_operation("upload.data", methods.put_session),
            service.storage_operation("upload.status", methods.put_session),
        ),
    )
    start = service.storage_operation("upload.start", methods.start)
    return [
        service.route("POST", "tables/{table}/tempUploads", "tempUploads.create", methods.create),
        Route(PATH, start, methods=["POST"], name="storage.start"),
        Route(PATH, put, methods=["PUT"], name="storage.put"),
    ]


class StorageEndpoint:
    """The ASGI application of PUT to storage: whole files, or sessions."""

    def __init__(self, plain: Operation, session: SessionEndpoint) -> None:
        self._plain = plain
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        in_session = f"{SECRET_PARAMETER}=".encode() in scope["query_string"]
        await (self._session if in_session else self._plain)(scope, receive, send)


class TempUploadMethods:
    """The methods of temporary uploads."""

    def __init__(self, service: RedivisState) -> None:
        self._service = service
        self._storage = service.storage
        self._book = service.platform.uploads

    async def create(self, call: Call) -> Reply:
        """Promise files, and say where to send them."""
        wanted = read_table(call.path("table"))
        table, _ = self._service.catalog.table(wanted)
        self._service.catalog.writable_version(wanted)
        given = check_known(await call.document(), "tempUploads").get("tempUploads")
        if not isinstance(given, list) or not 0 < len(given) <= MOST_AT_ONCE:
            raise invalid(f"tempUploads must be a list of 1 to {MOST_AT_ONCE}.")
        checked = [_checked(each) for each in given]
        choice = self._service.settings.resumable
        results = []
        for name, size, asked in checked:
            resumable = asked if choice == "asked" else choice == "always"
            temp, secret = self._storage.promise(table, name, size, resumable=resumable)
            results.append(self._spell(temp, secret))
        return Reply({"kind": "tempUploadList", "results": results})

    def _spell(self, temp: TempUpload, secret: str) -> dict[str, Any]:
        return {
            "kind": "tempUpload",
            "id": temp.temp_id,
            "url": f"{self._address(temp)}?{urlencode({SIGNATURE: secret})}",
            "name": temp.name,
            "size": self._service.resources.spelled_size(temp.size),
            "resumable": temp.resumable,
        }

    def _address(self, temp: TempUpload) -> str:
        return self._service.storage_origin + PATH.format(temp=temp.temp_id)

    async def start(self, call: Call) -> Reply:
        """Open a session; its URI is the reply's only content."""
        temp = self._promised(call, resumable=True)
        if call.request.headers.get("x-goog-resumable", "").lower() != "start":
            raise Refusal(400, "badRequest", "x-goog-resumable must be start.")
        if "content-length" not in call.request.headers:
            raise Refusal(411, "required", "A session's start has no body, and needs Content-Length: 0.")
        text = call.request.headers.get("x-upload-content-length", "")
        size = whole_number(text)
        if size is None:
            raise Refusal(400, "badRequest", f"Invalid x-upload-content-length: {text[:100]!r}.")
        file = self._storage.begin_promised(call, "resumable", temp, size)
        query = urlencode({SECRET_PARAMETER: self._book.open_session(file)})
        return Reply(headers={"Location": f"{self._address(temp)}?{query}"})

    async def put_session(self, call: Call) -> Reply:
        """Take bytes, or tell how many there are."""
        file = self._storage.sessions.find(call)
        if file.details.get("temp") != call.path("temp"):
            raise Refusal(404, "notFound", "There is no such upload session.")
        return await self._storage.sessions.take(call, file)

    async def put_plain(self, call: Call) -> Reply:
        """Take a whole file; one that breaks off is not stored at all."""
        temp = self._promised(call, resumable=False)
        async with Body(call, self._book.threads) as body:
            upload = self._storage.begin_promised(call, "plain", temp, body.length)
            with self._book.arriving(upload):
                await self._book.pour(upload, body, ENDLESS)
        self._book.complete(upload)
        self._storage.fill(temp, upload)
        return Reply(final=True)

    def _promised(self, call: Call, *, resumable: bool) -> TempUpload:
        temp = self._storage.promised(call.path("temp"), call.request.query_params.get(SIGNATURE, ""))
        if temp is None:
            raise Refusal(403, "forbidden", "The URL's signature is wrong, or its time is over.")
        if temp.resumable != resumable:
            way = "a session" if temp.resumable else "one PUT of the whole file"
            raise Refusal(403, "forbidden", f"The URL is signed for {way}.")
        return temp


def _checked(given: Any) -> tuple[str, int, bool]:
    """Give name, size and whether a session is wanted."""
    if not isinstance(given, dict):
        raise invalid("A temporary upload is an object.")
    check_known(given, "name", "size", "resumable")
    name, size, resumable = given.get("name"), given.get("size"), given.get("resumable", False)
    if not isinstance(name, str) or not name or not name.isprintable():
        raise invalid("name must be text.")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MOST_BYTES:
        raise invalid("size must be a number of bytes.")
    if not isinstance(resumable, bool):
        raise invalid("resumable must be true or false.")
    return name, size, resumable
