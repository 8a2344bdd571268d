"""uploads: create, get, list, delete, and the bytes of the original flow.

See https://docs.redivis.com/api/rest-api/uploads.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from airflow_provider_jobs.sandbox.call import MOST_BODY_BYTES, read_object, whole_number
from airflow_provider_jobs.sandbox.redivis.model import QUEUED
from airflow_provider_jobs.sandbox.redivis.references import read_table
from airflow_provider_jobs.sandbox.redivis.replies import invalid, missing
from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.uploads.body import Body
from airflow_provider_jobs.sandbox.uploads.book import COMPLETE, FAILED, Upload
from airflow_provider_jobs.sandbox.uploads.multipart import Multipart, boundary_of, field_name
from airflow_provider_jobs.sandbox.uploads.resumable import SessionEndpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.redivis.model import Table, TableUpload, Version
    from airflow_provider_jobs.sandbox.redivis.state import RedivisState

UPLOADS = "tables/{table}/uploads"
UPLOAD = UPLOADS + "/{upload:path}"  # a name may have slashes
MULTIPART = ("multipart/form-data", "multipart/related", "multipart/mixed")
MOST_DIRECT_BYTES = 100_000_000  # of a file that comes with the fields
DEFAULT_PAGE, LARGEST_PAGE = 100, 1000
# The fields of a new upload: https://docs.redivis.com/api/rest-api/uploads/post.
TYPES = frozenset(
    {
        "delimited", "stream", "avro", "ndjson", "parquet", "orc", "xls", "xlsx", "dta", "sas7bdat", "sav",
        "geojson", "geojsonl", "json", "shp", "shp.zip", "kml",
    }
)  # fmt: skip
EXTENSIONS = {"csv": "delimited", "tsv": "delimited", "txt": "delimited", "jsonl": "ndjson"}
FLAGS = frozenset({"hasHeaderRow", "skipBadRecords", "allowJaggedRows", "hasQuotedNewlines"})
CHARACTERS = frozenset({"delimiter", "quoteCharacter", "escapeCharacter"})
OBJECTS = {"metadata": dict, "transferSpecification": dict, "nullMarkers": list, "schema": list}
TEXTS = frozenset({"name", "type", "tempUploadId", "resumableUploadId"})
LONGEST_NAME = 500


def routes(service: RedivisState) -> list[Route]:
    """Give the routes of uploads."""
    methods = UploadMethods(service)
    bytes_of_original = SessionEndpoint(
        service.operation("upload.data", methods.put), service.operation("upload.status", methods.put)
    )
    return [
        service.route("POST", UPLOADS, "uploads.create", methods.create),
        service.route("GET", UPLOADS, "uploads.list", methods.list_uploads),
        service.route("HEAD", UPLOAD, "uploads.head", methods.head),  # before GET, which would take it
        service.route("GET", UPLOAD, "uploads.get", methods.get),
        service.route("DELETE", UPLOAD, "uploads.delete", methods.delete),
        Route(f"{service.base}/{UPLOAD}", bytes_of_original, methods=["PUT"], name="upload.put"),
    ]


class UploadMethods:
    """The methods of uploads."""

    def __init__(self, service: RedivisState) -> None:
        self._service = service
        self._catalog = service.catalog
        self._book = service.platform.uploads

    async def create(self, call: Call) -> Reply:
        """Make an upload: of bytes that came before, that come with it, or that will come."""
        table, version = self._table(call, writable=True)
        if call.media_type in MULTIPART:
            document, file = await self._from_parts(call, table)
        elif call.media_type == "application/json":
            document, file = await call.document(), None
        else:
            document = fields_of_query(call.request.query_params)
            async with Body(call, self._book.threads) as body:
                file = await self._receive(call, "simple", table, body.blocks())
        try:
            return self._made(call, table, version, document, file)
        except Refusal:
            if file is not None:
                self._book.end(file, FAILED)
            raise

    def _made(
        self, call: Call, table: Table, version: Version, document: dict[str, Any], file: Upload | None
    ) -> Reply:
        fields = check_fields(document)
        name = fields.pop("name")
        self._catalog.refuse_used_name(table, version, name)
        temp_id = fields.get("tempUploadId") or fields.get("resumableUploadId")
        if temp_id and file is not None:
            raise invalid("An upload has one file: a temporary one, or one that comes with it.")
        if temp_id:
            file = self._service.storage.use(temp_id, table)
        upload = self._catalog.add_upload(table, version, name, fields)
        if file is None:
            upload.original = True
            file = self._service.storage.expect(call, upload, table)
        upload.file = file.upload_id
        file.details["shown"] = {"name": name}
        self._book.write(file)
        self._catalog.keep(upload)
        if file.state != COMPLETE:
            return Reply(self._spell(upload, table, version, None))
        self._service.processing.arrived(upload)
        return Reply(self._spell(upload, table, version, QUEUED))

    async def _from_parts(self, call: Call, table: Table) -> tuple[dict[str, Any], Upload]:
        """Take the parts metadata and data, by their names or else in this order."""
        boundary = boundary_of(call.request.headers.get("content-type", ""), *MULTIPART)
        found: dict[str, Any] = {}
        try:
            async with Body(call, self._book.threads) as body:
                parts = Multipart(body.blocks(), boundary)
                while (headers := await parts.next_part()) is not None:
                    name = field_name(headers) or ("data" if "metadata" in found else "metadata")
                    if name in found or name not in {"metadata", "data"}:
                        raise invalid(f"The part {name[:100]!r} is not expected.")  # noqa: TRY301 - clean up below
                    if name == "metadata":
                        found[name] = read_object(await parts.text(MOST_BODY_BYTES))
                    else:
                        found[name] = await self._receive(call, "multipart", table, parts.content())
            return found["metadata"], found["data"]
        except BaseException as error:
            if "data" in found:
                self._book.end(found["data"], FAILED)
            if isinstance(error, KeyError):
                raise invalid("A multipart upload has two parts: metadata and data.") from error
            raise

    async def _receive(self, call: Call, kind: str, table: Table, blocks: AsyncIterator[bytes]) -> Upload:
        """Bring a file that comes with its upload to the disk."""
        upload = self._service.storage.begin(call, kind, table)
        with self._book.arriving(upload):
            await self._book.fill(upload, _bounded(blocks))
        self._book.complete(upload)
        return upload

    async def get(self, call: Call) -> Reply:
        """Give an upload; counts as a poll."""
        upload, table, version = self._find(call)
        status = self._service.processing.status(upload, asked=True)
        return Reply(self._spell(upload, table, version, status, whole=True))

    async def head(self, call: Call) -> Reply:
        """Tell whether there is an upload."""
        self._find(call)
        return Reply()

    async def list_uploads(self, call: Call) -> Reply:
        """Give a page of a table's uploads."""
        table, version = self._table(call)
        listing = f"{table.reference_id}.{version.number}."
        after = _read_token(call.request.query_params.get("pageToken", ""), listing)
        size = _page_size(call.request.query_params.get("maxResults"))
        uploads = [each for each in self._catalog.uploads(table, version) if each.number > after]
        state = self._service.processing.status
        results = [self._spell(each, table, version, state(each)) for each in uploads[:size]]
        token = _make_token(listing, uploads[size - 1].number) if len(uploads) > size else None
        return Reply({"kind": "uploadList", "results": results, "nextPageToken": token})

    async def delete(self, call: Call) -> Reply:
        """Delete an upload, with its rows."""
        self._table(call, writable=True)
        upload, _, _ = self._find(call)
        self._catalog.remove_upload(upload)
        file = self._book.get(upload.file or "")
        if file is not None:
            self._service.storage.drop(file)
        return Reply({})

    async def put(self, call: Call) -> Reply:
        """Take bytes of the original flow, or tell how many there are."""
        upload, _, _ = self._find(call)
        file = self._book.get(upload.file or "")
        if not upload.original or file is None:
            raise invalid("The bytes of this upload came in another way.")
        return await self._service.storage.take(call, file)

    def _table(self, call: Call, *, writable: bool = False) -> tuple[Table, Version]:
        wanted = read_table(call.path("table"))
        found = self._catalog.table(wanted)
        if writable:
            self._catalog.writable_version(wanted)
        return found

    def _find(self, call: Call) -> tuple[TableUpload, Table, Version]:
        table, version = self._table(call)
        path = call.path("upload")
        if not path:
            raise missing("The upload")
        return self._catalog.upload(table, version, path), table, version

    def _spell(
        self, upload: TableUpload, table: Table, version: Version, status: str | None, *, whole: bool = False
    ) -> dict[str, Any]:
        return self._service.resources.upload(upload, table, version, status, whole=whole)


async def _bounded(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Refuse more bytes than may come with an upload."""
    size = 0
    async for block in blocks:
        size += len(block)
        if size > MOST_DIRECT_BYTES:
            raise Refusal(413, "invalid_request", "Larger files need a temporary upload.")
        yield block


def _page_size(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE
    size = whole_number(text)
    if not size:
        raise invalid(f"Invalid maxResults: {text[:100]!r}.")
    return min(size, LARGEST_PAGE)


def _make_token(listing: str, number: int) -> str:
    return base64.urlsafe_b64encode(f"{listing}{number}".encode()).decode().rstrip("=")


def _read_token(token: str, listing: str) -> int:
    """Give the number that a page begins behind."""
    if not token:
        return 0
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        text = ""
    number = whole_number(text.removeprefix(listing))
    if not text.startswith(listing) or number is None:
        raise invalid("Invalid pageToken.")
    return number


def check_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields with their defaults, name and type among them.

    :raises Refusal: 400, naming what is wrong.
    """
    fields: dict[str, Any] = {"hasHeaderRow": True, "skipBadRecords": False, "allowJaggedRows": False}
    fields |= {name: value for name, value in document.items() if value is not None}
    for name, value in fields.items():
        _check_field(name, value)
    if fields.get("transferSpecification"):
        raise invalid("The sandbox fetches no data: send it.")
    fields["type"] = fields.get("type") or _type_of(str(fields.get("name", "")))
    fields["name"] = fields.get("name") or f"untitled_upload.{fields['type']}"
    if fields.get("schema") is not None and fields["type"] != "stream":
        raise invalid("schema is for uploads of type stream.")
    return fields


def fields_of_query(query: Mapping[str, str]) -> dict[str, Any]:
    """Give the fields that are spelled as URL parameters."""
    fields: dict[str, Any] = {}
    for name, text in query.items():
        try:
            fields[name] = json.loads(text) if name in FLAGS or name in OBJECTS else text
        except ValueError as error:
            raise invalid(f"{name} is malformed.") from error
    fields.pop("uploadType", None)
    return fields


def _check_field(name: str, value: Any) -> None:
    if name in FLAGS:
        good = isinstance(value, bool)
    elif name in CHARACTERS:
        good = isinstance(value, str) and len(value) == 1
    elif name in OBJECTS:
        good = isinstance(value, OBJECTS[name])
    elif name in TEXTS:
        good = isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()
    else:
        raise invalid(f"An upload has no field {name[:100]}.")
    if not good or (name == "type" and value not in TYPES):
        raise invalid(f"Invalid value of {name}: {str(value)[:100]!r}.")


def _type_of(name: str) -> str:
    plain = name.lower().removesuffix(".gz")
    extension = "shp.zip" if plain.endswith(".shp.zip") else plain.rpartition(".")[2]
    kind = EXTENSIONS.get(extension, extension)
    if "." not in plain or kind not in TYPES or extension in {"delimited", "stream"}:
        raise invalid(f"The type of {name[:100]!r} is not known; give it.")
    return kind
