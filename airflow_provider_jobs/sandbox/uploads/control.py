"""The control endpoints of uploads: what has arrived, and what expires."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.clock import read_seconds
from airflow_provider_jobs.sandbox.operations import steering
from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.uploads.book import COMPLETE, EXPIRED, OPEN

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.call import Call, Handler
    from airflow_provider_jobs.sandbox.platform import Platform


class UploadControl:
    """The control methods."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._book = platform.uploads

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Give method, path and handler of each endpoint."""
        return [
            ("GET", "/sandbox/uploads", self.list_uploads),
            ("POST", "/sandbox/uploads/expire", self.expire),
            *steering(self._platform.upload_settings, "/sandbox/uploads/settings"),
            ("POST", "/sandbox/clock", self.advance),
        ]

    async def list_uploads(self, _call: Call) -> Reply:
        """Give every upload; waits for the digests of complete ones."""
        return Reply({"uploads": await self.overview()})

    async def overview(self) -> list[dict[str, Any]]:
        """Give every upload, oldest first."""
        uploads = self._book.all()
        for upload in uploads:
            if upload.state == COMPLETE:
                await self._book.digests(upload)
        return [upload.overview() for upload in uploads]

    async def expire(self, call: Call) -> Reply:
        """End the sessions that are open: of the upload ``id``, or all."""
        spec = await call.document()
        if spec.keys() - {"id"}:
            raise Refusal(400, "invalid", "Only an id can be given.")
        return Reply({"expired": self.expire_sessions(spec.get("id"))})

    def expire_sessions(self, upload_id: str | None) -> int:
        """End one session or all that are open; give how many."""
        uploads = [each for each in self._book.all() if upload_id in {None, each.upload_id}]
        if upload_id is not None and not uploads:
            raise Refusal(404, "notFound", "There is no such upload.")
        expired = [each for each in uploads if each.state == OPEN and each.secret_hash]
        for upload in expired:
            self._book.end(upload, EXPIRED)
        return len(expired)

    async def advance(self, call: Call) -> Reply:
        """Put the clock of sessions forward by ``seconds``."""
        spec = await call.document()
        self._platform.clock.advance(read_seconds("seconds", spec.get("seconds")))
        return Reply({"now": self._platform.clock.now()})
