"""What Redivis' routes share: catalog, storage, processing, and how a handler becomes an operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from airflow_provider_jobs.sandbox.auth import DATA_EDIT
from airflow_provider_jobs.sandbox.operations import Operation
from airflow_provider_jobs.sandbox.redivis.catalog import Catalog
from airflow_provider_jobs.sandbox.redivis.processing import Processing
from airflow_provider_jobs.sandbox.redivis.replies import ErrorStyle, Limits
from airflow_provider_jobs.sandbox.redivis.resources import Resources
from airflow_provider_jobs.sandbox.redivis.settings import RedivisSettings
from airflow_provider_jobs.sandbox.redivis.storage import Storage
from airflow_provider_jobs.sandbox.replies import Reply, google_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow_provider_jobs.sandbox.call import Call, Handler
    from airflow_provider_jobs.sandbox.platform import Platform
    from airflow_provider_jobs.sandbox.redivis.model import TableUpload

BASE = "/api/v1"
SCOPES = frozenset({DATA_EDIT})


class RedivisState:
    """One Redivis, with all its owners.

    :param foreign_url: of another origin that reaches the same server, for storage.
    """

    base = BASE

    def __init__(self, platform: Platform, foreign_url: str) -> None:
        self.platform = platform
        self.settings = RedivisSettings()
        self.catalog = Catalog(platform.root / "redivis.sqlite", platform.clock)
        self.resources = Resources(self.catalog, self.settings, platform.url)
        self.processing = Processing(self.catalog, platform, self.settings)
        self.storage = Storage(self.catalog, self.processing, platform)
        self._foreign_url = foreign_url
        self._limits = Limits(self.settings, platform.clock.now)
        self._errors = ErrorStyle(self.settings, self._limits)

    @property
    def storage_origin(self) -> str:
        """Where upload URLs lead."""
        return self.platform.url if self.settings.storage == "own" else self._foreign_url

    async def every_upload(self) -> list[dict[str, Any]]:
        """Give the uploads of all tables, oldest first."""
        return [self._shown(upload) for upload in self.catalog.all_uploads()]

    def _shown(self, upload: TableUpload) -> dict[str, Any]:
        table = self.catalog.identified(upload.table_id)
        versions = self.catalog.dataset_of(table).versions
        version = next(each for each in versions if each.number == upload.version)
        status = self.processing.status(upload)
        document = self.resources.upload(upload, table, version, status, whole=True)
        return {"table": self.catalog.name_of(table), **document}

    async def start(self) -> None:
        """Take up what had arrived when the sandbox ended."""
        self.processing.start()

    async def stop(self) -> None:
        """End threads and files."""
        await self.processing.close()
        self.catalog.close()

    def route(self, method: str, path: str, name: str, handler: Handler) -> Route:
        """Give the route of one API method; ``path`` follows ``/api/v1/``."""
        operation = self.operation(name, handler, head=method == "HEAD")
        return Route(f"{BASE}/{path}", operation, methods=[method], name=name)

    def operation(self, name: str, handler: Handler, *, head: bool = False) -> Operation:
        """Give the operation ``redivis.<name>``."""
        errors = self._errors.header if head else self._errors.body
        return Operation(
            f"redivis.{name}", self._limited(handler), platform=self.platform, scopes=SCOPES, errors=errors
        )

    def storage_operation(self, name: str, handler: Handler) -> Operation:
        """Give an operation of the storage host, where the URL is the permission."""

        async def handled(call: Call) -> Reply:
            if self.settings.storage_bearer == "required":
                self.platform.tokens.grant_of(call.request.headers.get("authorization", ""))
            return await handler(call)

        return Operation(f"redivis.{name}", handled, platform=self.platform, scopes=None, errors=google_error)

    def _limited(self, handler: Handler) -> Callable[[Call], Awaitable[Reply]]:
        async def handled(call: Call) -> Reply:
            self._limits.count()
            return self._limits.headed(await handler(call))

        return handled
