"""The methods of Cloud Storage: objects insert, get, list and delete, buckets insert and get.

See https://cloud.google.com/storage/docs/json_api/v1. Of what is sent with an object only its bytes are kept.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.routing import Route

from airflow_provider_jobs.sandbox.auth import CLOUD_PLATFORM, SCOPE_ROOT
from airflow_provider_jobs.sandbox.bigquery.engine import JobProblem
from airflow_provider_jobs.sandbox.call import MOST_BODY_BYTES, read_object
from airflow_provider_jobs.sandbox.operations import Operation
from airflow_provider_jobs.sandbox.replies import Refusal, Reply, google_error
from airflow_provider_jobs.sandbox.storage.objects import page_of, resource, span_of
from airflow_provider_jobs.sandbox.streaming import Pieces
from airflow_provider_jobs.sandbox.uploads.body import Body
from airflow_provider_jobs.sandbox.uploads.multipart import Multipart, boundary_of
from airflow_provider_jobs.sandbox.uploads.resumable import SECRET_PARAMETER, SessionEndpoint, Sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from airflow_provider_jobs.sandbox.bigquery.engine import Storage
    from airflow_provider_jobs.sandbox.call import Call, Handler
    from airflow_provider_jobs.sandbox.platform import Platform
    from airflow_provider_jobs.sandbox.uploads.book import Upload

SERVICE, FOLDER = "storage", "buckets/.uploads"  # beside the buckets, where no name of a bucket leads
BUCKETS = "/storage/v1/b"
OBJECTS = f"{BUCKETS}/{{bucket}}/o"
DEVSTORAGE = SCOPE_ROOT + "devstorage."
WRITE_SCOPES = frozenset({CLOUD_PLATFORM, DEVSTORAGE + "full_control", DEVSTORAGE + "read_write"})
READ_SCOPES = WRITE_SCOPES | {CLOUD_PLATFORM + ".read-only", DEVSTORAGE + "read_only"}
STATUSES = {"notFound": 404, "accessDenied": 403}  # of what is wrong with a name; 400 of anything else
CONDITIONS = {
    f"if{what}{match}" for what in ("Generation", "Metageneration") for match in ("Match", "NotMatch")
}
UNKNOWN = CONDITIONS | {
    "endOffset", "includeFoldersAsPrefixes", "includeTrailingDelimiter", "matchGlob", "softDeleted",
    "startOffset", "versions",
}  # fmt: skip


class CloudStorage:
    """The buckets of one sandbox, and the routes that lead to them.

    :param storage: where BigQuery's jobs read and write them.
    """

    def __init__(self, platform: Platform, storage: Storage) -> None:
        self._platform = platform
        self._storage = storage
        self._book = platform.uploads
        self._sessions = Sessions(platform, SERVICE, self._complete)

    def routes(self) -> list[Route]:
        """Give every route."""
        one, sent = f"{OBJECTS}/{{name:path}}", f"/upload{OBJECTS}"
        data, status = (
            self._operation(f"upload.{each}", self._session, WRITE_SCOPES) for each in ("data", "status")
        )
        methods = (
            ("POST", BUCKETS, "buckets.insert", self._insert_bucket),
            ("GET", f"{BUCKETS}/{{bucket}}", "buckets.get", self._get_bucket),
            ("GET", OBJECTS, "objects.list", self._list),
            ("POST", sent, "objects.insert", self._insert),
            ("GET", one, "objects.get", self._get),
            ("GET", f"/download{one}", "objects.get", self._get),
            ("DELETE", one, "objects.delete", self._delete),
        )
        return [
            *(
                Route(
                    path,
                    self._operation(name, handler, READ_SCOPES if method == "GET" else WRITE_SCOPES),
                    methods=[method],
                )
                for method, path, name, handler in methods
            ),
            Route(sent, SessionEndpoint(data, status), methods=["PUT"]),
        ]

    def control(self) -> list[tuple[str, str, Handler]]:
        """Give the control endpoints: there are none of its own."""
        return []

    async def start(self) -> None:
        """Nothing runs here."""

    async def stop(self) -> None:
        """Nothing has to end."""

    def _operation(self, name: str, handler: Handler, scopes: frozenset[str]) -> Operation:
        name, handler = f"storage.{name}", _refusing(handler)
        return Operation(name, handler, platform=self._platform, scopes=scopes, errors=google_error)

    def _place(self, bucket: str, name: object) -> Path:
        return self._storage.target(f"gs://{bucket}/{name}")

    async def _insert_bucket(self, call: Call) -> Reply:
        name = str((await call.document()).get("name"))
        try:
            self._storage.bucket(name).mkdir()
        except FileExistsError as error:
            raise Refusal(409, "conflict", f"There is a bucket {name}.") from error
        return Reply(_bucket(name))

    async def _get_bucket(self, call: Call) -> Reply:
        self._place(call.path("bucket"), "any")
        return Reply(_bucket(call.path("bucket")))

    async def _list(self, call: Call) -> Reply:
        bucket = call.path("bucket")
        folder = self._place(bucket, "any").parent
        return Reply(await asyncio.to_thread(self._listed, bucket, folder, dict(call.request.query_params)))

    def _listed(self, bucket: str, folder: Path, asked: dict[str, str]) -> dict[str, Any]:
        files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        page = page_of((path.as_posix() for path in files), asked)
        places = ((name, self._place(bucket, name)) for name in page["items"])
        items = [resource(bucket, name, path, self._platform.url) for name, path in places]
        return {"kind": "storage#objects", **page, "items": items}

    async def _get(self, call: Call) -> Reply:
        path = self._place(call.path("bucket"), call.path("name"))
        reply = await self._asked(call)
        if call.request.query_params.get("alt") != "media":
            return reply
        found, size = reply.document, int(reply.document["size"])
        span = span_of(call.request.headers.get("range", ""), size)
        headers = {"X-Goog-Generation": found["generation"]}
        headers["X-Goog-Hash"] = f"crc32c={found['crc32c']},md5={found['md5Hash']}"
        if span is not None:
            headers["Content-Range"] = f"bytes {span[0]}-{span[1] - 1}/{size}"
        pieces = Pieces(path, (span or (0, size),))
        return Reply(None, 206 if span else 200, headers, pieces=pieces, media_type=found["contentType"])

    async def _delete(self, call: Call) -> Reply:
        path = self._place(call.path("bucket"), call.path("name"))
        await self._asked(call)
        path.unlink()
        with contextlib.suppress(OSError):  # the first folder that is not empty; the bucket stays
            for folder in path.parents[: call.path("name").count("/")]:
                folder.rmdir()
        return Reply(status=204)

    async def _insert(self, call: Call) -> Reply:
        """Take an object, or open a session for one."""
        kind = call.request.query_params.get("uploadType")
        if kind == "resumable":
            upload = self._begin(call, kind, read_object(await call.body() or b"{}"))
            query = urlencode({"uploadType": kind, SECRET_PARAMETER: self._book.open_session(upload)})
            return Reply(headers={"Location": f"{self._platform.url}{call.request.url.path}?{query}"})
        async with Body(call, self._book.threads) as body:
            if kind == "multipart":
                return await self._multipart(call, body)
            if kind == "media":
                return await self._filled(call, self._begin(call, kind, {}), body.blocks())
        raise Refusal(400, "invalidParameter", "uploadType must be media, multipart or resumable.")

    async def _multipart(self, call: Call, body: Body) -> Reply:
        """Take an object's description and its bytes in one request."""
        boundary = boundary_of(call.request.headers.get("content-type", ""), "multipart/related")
        parts = Multipart(body.blocks(), boundary)
        await parts.next_part()
        document = read_object(await parts.text(MOST_BODY_BYTES))
        if await parts.next_part() is None:
            raise Refusal(400, "badContent", "A multipart upload has two parts: the object, its bytes.")
        return await self._filled(call, self._begin(call, "multipart", document), parts.content())

    async def _session(self, call: Call) -> Reply:
        """Take bytes of a session, or tell how many there are."""
        return await self._sessions.take(call, self._sessions.find(call))

    def _begin(self, call: Call, kind: str, document: dict[str, Any]) -> Upload:
        """Note an object that is to come; its name is checked before its bytes come."""
        bucket, name = call.path("bucket"), call.request.query_params.get("name") or document.get("name")
        self._place(bucket, name)
        return self._book.start(SERVICE, kind, f"{bucket}/{name}", call.email, FOLDER)

    async def _filled(self, call: Call, upload: Upload, blocks: AsyncIterator[bytes]) -> Reply:
        with self._book.arriving(upload):
            await self._book.fill(upload, blocks)
            self._book.complete(upload)
            return await self._complete(call, upload)

    async def _complete(self, _call: Call, upload: Upload) -> Reply:
        """Make the file the object, unless this upload has, and answer it."""
        bucket, _, name = upload.target.partition("/")
        if not upload.details.get("made"):
            await self._book.digests(upload)
            try:
                self._storage.put(self._book.path(upload), self._place(bucket, name))
            except OSError as error:
                message = f"The sandbox's objects are files; {upload.target} cannot be: {error.strerror}."
                raise Refusal(400, "invalid", message) from error
            upload.details["made"] = True
            self._book.release(upload)
        return await self._resource(bucket, name, final=True)

    async def _asked(self, call: Call) -> Reply:
        """Give the object that a path names; another generation of it is not there any more."""
        bucket, name = call.path("bucket"), call.path("name")
        reply = await self._resource(bucket, name)
        if (
            call.request.query_params.get("generation", reply.document["generation"])
            != reply.document["generation"]
        ):
            raise Refusal(404, "notFound", f"No such object: {bucket}/{name}")
        return reply

    async def _resource(self, bucket: str, name: str, *, final: bool = False) -> Reply:
        path = self._place(bucket, name)
        if not path.is_file():
            raise Refusal(404, "notFound", f"No such object: {bucket}/{name}")
        return Reply(await asyncio.to_thread(resource, bucket, name, path, self._platform.url), final=final)


def _bucket(name: str) -> dict[str, str]:
    """Give a bucket: https://cloud.google.com/storage/docs/json_api/v1/buckets#resource."""
    return {"kind": "storage#bucket", "id": name, "name": name, "location": "US", "storageClass": "STANDARD"}


def _refusing(handler: Handler) -> Callable[[Call], Awaitable[Reply]]:
    """Refuse names that lead nowhere, or elsewhere, and what would otherwise be passed over in silence."""

    async def handled(call: Call) -> Reply:
        if unknown := call.request.query_params.keys() & UNKNOWN:
            raise Refusal(501, "notImplemented", f"The sandbox's buckets do not know {min(unknown)}.")
        try:
            return await handler(call)
        except JobProblem as problem:
            status = STATUSES.get(problem.reason, 400)
            raise Refusal(status, problem.reason, problem.message) from problem

    return handled
