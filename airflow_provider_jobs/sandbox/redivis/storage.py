"""The files behind uploads: temporary ones, those that come with their upload, those of the original flow."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.redivis.model import TempUpload
from airflow_provider_jobs.sandbox.redivis.replies import invalid
from airflow_provider_jobs.sandbox.replies import Reply
from airflow_provider_jobs.sandbox.uploads.book import COMPLETE, FAILED, OPEN
from airflow_provider_jobs.sandbox.uploads.resumable import Sessions

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.platform import Platform
    from airflow_provider_jobs.sandbox.redivis.catalog import Catalog
    from airflow_provider_jobs.sandbox.redivis.model import Table, TableUpload
    from airflow_provider_jobs.sandbox.redivis.processing import Processing
    from airflow_provider_jobs.sandbox.uploads.book import Upload

SERVICE = "redivis"
FOLDER = "uploads"


class Storage:
    """What has arrived, and for which temporary upload or upload."""

    def __init__(self, catalog: Catalog, processing: Processing, platform: Platform) -> None:
        self._catalog = catalog
        self._processing = processing
        self._platform = platform
        self._book = platform.uploads
        self.sessions = Sessions(platform, SERVICE, self._complete)

    def promise(self, table: Table, name: str, size: int, *, resumable: bool) -> tuple[TempUpload, str]:
        """Make a temporary upload; give also the secret of its URL."""
        secret = secrets.token_urlsafe(48)
        temp_id = secrets.token_hex(12)
        now = self._platform.clock.now()
        temp = TempUpload(temp_id, table.reference_id, name, size, resumable, _hash(secret), now)
        self._catalog.add_temp(temp)
        return temp, secret

    def promised(self, temp_id: str, secret: str) -> TempUpload | None:
        """Give the temporary upload of a URL, if its secret is right and its time not over."""
        temp = self._catalog.temp(temp_id)
        if temp is None or not hmac.compare_digest(temp.secret_hash, _hash(secret)):
            return None
        lifetime = self._platform.upload_settings.lifetime_of(SERVICE)
        return temp if self._platform.clock.now() < temp.created_at + lifetime else None

    def use(self, temp_id: str, table: Table) -> Upload:
        """Give the file of a temporary upload, for an upload of the table.

        :raises Refusal: 400, there is none, it is not complete or already used.
        """
        temp = self._catalog.temp(temp_id)
        if temp is None or temp.table_id != table.reference_id:
            raise invalid("There is no such temporary upload of this table.")
        file = self._book.get(temp.file or "")
        if temp.used:
            raise invalid("The temporary upload is part of an upload already.")
        if file is None or file.state != COMPLETE or file.stored != temp.size:
            stored = 0 if file is None else file.stored
            raise invalid(f"The temporary upload is incomplete: {stored} of {temp.size} bytes were received.")
        temp.used = True
        self._catalog.keep(temp)
        return file

    def begin(self, call: Call, kind: str, table: Table, total: int | None = None) -> Upload:
        """Take a new file."""
        return self._book.start(SERVICE, kind, self._catalog.name_of(table), call.email, FOLDER, total)

    def begin_promised(self, call: Call, kind: str, temp: TempUpload, total: int | None) -> Upload:
        """Take a new file for a temporary upload."""
        file = self.begin(call, kind, self._catalog.identified(temp.table_id), total)
        file.details = {"temp": temp.temp_id, "shown": {"name": temp.name}}
        return file

    def fill(self, temp: TempUpload, file: Upload) -> None:
        """Let a complete file be that of a temporary upload; the last one counts."""
        before = self._book.get(temp.file or "")
        if before is not None and before is not file and not temp.used:
            self._book.release(before)
        temp.file = file.upload_id
        self._catalog.keep(temp)

    def expect(self, call: Call, upload: TableUpload, table: Table) -> Upload:
        """Give the empty file of an upload whose bytes come in the original flow."""
        file = self.begin(call, "resumable", table)
        file.details["upload"] = upload.number
        return file

    async def take(self, call: Call, file: Upload) -> Reply:
        """Take bytes of the original flow, or tell how many there are."""
        self.sessions.check_alive(file)
        return await self.sessions.take(call, file)

    def drop(self, file: Upload) -> None:
        """Delete a file whose upload was deleted."""
        if file.state == COMPLETE:
            self._book.release(file)
        elif file.state == OPEN:
            self._book.end(file, FAILED)

    async def _complete(self, _call: Call, file: Upload) -> Reply:
        """Note that a session has all its bytes."""
        if "temp" in file.details:
            temp = self._catalog.temp(file.details["temp"])
            if temp is not None and temp.file != file.upload_id and not temp.used:
                self.fill(temp, file)
        else:
            upload = self._catalog.numbered(file.details["upload"])
            if upload is not None and upload.arrived_at is None:
                self._processing.arrived(upload)
        return Reply(status=self._platform.upload_settings.completed_status, final=True)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
