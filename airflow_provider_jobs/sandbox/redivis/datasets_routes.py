"""datasets, their versions and tables.

See https://docs.redivis.com/api/rest-api/datasets and https://docs.redivis.com/api/rest-api/tables.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.redivis.model import APPEND, COMPLETED, FAILED, REPLACE
from airflow_provider_jobs.sandbox.redivis.references import NEXT, check_name, read_dataset, read_table
from airflow_provider_jobs.sandbox.redivis.replies import check_known, invalid, missing
from airflow_provider_jobs.sandbox.replies import Reply

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.redivis.model import Dataset, Table, Version
    from airflow_provider_jobs.sandbox.redivis.state import RedivisState

DATASET = "datasets/{dataset}"
VERSIONS = DATASET + "/versions"
ACCESS_LEVELS = ("public", "overview", "metadata", "sample", "data", "edit", "none")
LONGEST_DESCRIPTION = 2000
TABLES = "datasets/{dataset}/tables"
TABLE = "tables/{table}"
CHANGED = ("description", "uploadMergeStrategy", "isFileIndex")


def routes(service: RedivisState) -> list[Route]:
    """Give the routes of datasets, versions and tables."""
    methods, tables = DatasetMethods(service), TableMethods(service)
    return [
        *(
            service.route(method, f"{kind}s/{{owner}}/datasets", name, partial(handler, owner_kind=kind))
            for kind in ("organization", "user")
            for method, name, handler in (
                ("POST", "datasets.create", methods.create),
                ("GET", "datasets.list", methods.list_datasets),
            )
        ),
        service.route("HEAD", DATASET, "datasets.head", methods.head),  # before GET, which would take it
        service.route("GET", DATASET, "datasets.get", methods.get),
        service.route("GET", VERSIONS, "versions.list", methods.list_versions),
        service.route("POST", VERSIONS, "versions.create", methods.create_version),
        service.route("POST", VERSIONS + "/next/release", "versions.release", methods.release),
        service.route("GET", VERSIONS + "/{version}", "versions.get", methods.get_version),
        service.route("POST", TABLES, "tables.create", tables.create),
        service.route("GET", TABLES, "tables.list", tables.list_tables),
        service.route("HEAD", TABLE, "tables.head", tables.head),  # before GET, which would take it
        service.route("GET", TABLE, "tables.get", tables.get),
        service.route("PATCH", TABLE, "tables.update", tables.update),
    ]


class DatasetMethods:
    """The methods of datasets and versions."""

    def __init__(self, service: RedivisState) -> None:
        self._service = service
        self._catalog = service.catalog
        self._spell = service.resources

    async def create(self, call: Call, *, owner_kind: str) -> Reply:
        """Make a dataset of an organization, or of a user."""
        owner = check_name(call.path("owner"), "The owner")
        document = check_known(await call.document(), "name", "publicAccessLevel", "description")
        name = check_name(document.get("name"), "name")
        access = document.get("publicAccessLevel") or "none"
        if access not in ACCESS_LEVELS:
            raise invalid(f"publicAccessLevel must be one of {', '.join(ACCESS_LEVELS)}.")
        description = checked_description(document)
        dataset = self._catalog.add_dataset(owner, owner_kind, name)
        dataset.public_access, dataset.description = access, description or ""
        self._catalog.keep(dataset)
        return Reply(self._spell.dataset(dataset, dataset.versions[0]))

    async def list_datasets(self, call: Call, *, owner_kind: str) -> Reply:
        """Give the datasets of an owner, all at once; who has none yet may be of either kind."""
        owned = self._catalog.owned(check_name(call.path("owner"), "The owner"))
        found = [each for each in owned if each.owner_kind == owner_kind]
        if owned and not found:
            raise missing(f"The {owner_kind}")
        results = [self._spell.dataset(each, each.versions[-1]) for each in found]
        return Reply({"kind": "datasetList", "results": results, "nextPageToken": None})

    async def get(self, call: Call) -> Reply:
        """Give a dataset as it is at the version that is named."""
        return Reply(self._spell.dataset(*self._find(call)))

    async def head(self, call: Call) -> Reply:
        """Tell whether there is a dataset."""
        self._find(call)
        return Reply()

    async def list_versions(self, call: Call) -> Reply:
        """Give all versions, the newest first."""
        dataset, _ = self._find(call)
        results = [self._spell.version(dataset, each) for each in reversed(dataset.versions)]
        return Reply({"kind": "versionList", "results": results, "nextPageToken": None})

    async def get_version(self, call: Call) -> Reply:
        """Give a version by its tag."""
        tag = call.path("version").replace(".", "_")
        wanted = read_dataset(f"{call.path('dataset').partition(':')[0]}:{tag}")
        return Reply(self._spell.version(self._catalog.dataset(wanted), self._catalog.version(wanted)))

    async def create_version(self, call: Call) -> Reply:
        """Open the next version."""
        dataset, _ = self._find(call)
        return Reply(self._spell.version(dataset, self._catalog.open_version(dataset)))

    async def release(self, call: Call) -> Reply:
        """Release the next version, at once or after a while."""
        document = check_known(await optional_document(call), "releaseNotes")
        notes = document.get("releaseNotes") or ""
        if not isinstance(notes, str):
            raise invalid("releaseNotes must be text.")
        wanted = read_dataset(f"{call.path('dataset').partition(':')[0]}:{NEXT}")
        dataset, version = self._catalog.dataset(wanted), self._catalog.writable_version(wanted)
        for table in self._catalog.tables(dataset, version):
            for upload in self._catalog.uploads(table, version):
                if self._service.processing.status(upload) not in {COMPLETED, FAILED}:
                    raise invalid(f"The upload {upload.name} of {table.name} is still in progress.")
        version.notes = notes
        clock, seconds = self._service.platform.clock, self._service.settings.release_seconds
        version.released_at, version.release_due = clock.now() + seconds, clock.passed() + seconds
        self._catalog.keep(dataset)
        return Reply(self._spell.version(dataset, version))

    def _find(self, call: Call) -> tuple[Dataset, Version]:
        wanted = read_dataset(call.path("dataset"))
        return self._catalog.dataset(wanted), self._catalog.version(wanted)


async def optional_document(call: Call) -> dict[str, Any]:
    """Give the body of a request that needs none."""
    return {} if call.request.headers.get("content-length", "0") == "0" else await call.document()


def checked_description(document: dict[str, Any]) -> str | None:
    """Give the description, None if there is none.

    :raises Refusal: 400, it is too long.
    """
    description = document.get("description")
    if description is not None and (
        not isinstance(description, str) or len(description) > LONGEST_DESCRIPTION
    ):
        raise invalid(f"description must be text of at most {LONGEST_DESCRIPTION} characters.")
    return description


class TableMethods:
    """The methods of tables."""

    def __init__(self, service: RedivisState) -> None:
        self._catalog = service.catalog
        self._spell = service.resources

    async def create(self, call: Call) -> Reply:
        """Make a table in the unreleased version."""
        wanted = read_dataset(call.path("dataset"))
        dataset, version = self._catalog.dataset(wanted), self._catalog.writable_version(wanted)
        document = check_known(await call.document(), "name", *CHANGED)
        name = check_name(document.get("name"), "name")
        changes = _checked(document)
        table = self._catalog.add_table(dataset, version, name)
        self._change(table, version, changes)
        return Reply(self._spell.table(table, version))

    async def list_tables(self, call: Call) -> Reply:
        """Give the tables of a version."""
        wanted = read_dataset(call.path("dataset"))
        version = self._catalog.version(wanted)
        tables = self._catalog.tables(self._catalog.dataset(wanted), version)
        results = [self._spell.table(each, version) for each in tables]
        return Reply({"kind": "tableList", "results": results, "nextPageToken": None})

    async def get(self, call: Call) -> Reply:
        """Give a table as it is at the version that is named."""
        return Reply(self._spell.table(*self._catalog.table(read_table(call.path("table")))))

    async def head(self, call: Call) -> Reply:
        """Tell whether there is a table."""
        self._catalog.table(read_table(call.path("table")))
        return Reply()

    async def update(self, call: Call) -> Reply:
        """Change a table of the unreleased version."""
        wanted = read_table(call.path("table"))
        table, version = self._catalog.table(wanted)
        self._catalog.writable_version(wanted)
        self._change(table, version, _checked(check_known(await call.document(), *CHANGED)))
        return Reply(self._spell.table(table, version))

    def _change(self, table: Table, version: Version, changes: dict[str, Any]) -> None:
        if "uploadMergeStrategy" in changes:
            table.strategies[str(version.number)] = changes["uploadMergeStrategy"]
        table.description = changes.get("description", table.description)
        table.is_file_index = changes.get("isFileIndex", table.is_file_index)
        self._catalog.keep(table)


def _checked(document: dict[str, Any]) -> dict[str, Any]:
    """Give the fields of a table that are set."""
    changes = {name: value for name, value in document.items() if value is not None}
    if changes.get("uploadMergeStrategy", APPEND) not in {APPEND, REPLACE}:
        raise invalid(f"uploadMergeStrategy must be {APPEND} or {REPLACE}.")
    if not isinstance(changes.get("isFileIndex", False), bool):
        raise invalid("isFileIndex must be true or false.")
    checked_description(changes)
    return changes
