"""Redivis as a service of the sandbox: its state, and every route on top."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.redivis import (
    datasets_routes,
    storage_routes,
    tables_routes,
    uploads_routes,
)
from airflow_provider_jobs.sandbox.redivis.state import RedivisState
from airflow_provider_jobs.sandbox.replies import Reply

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.call import Call, Handler


class Redivis(RedivisState):
    """One Redivis, and the routes that lead to it."""

    def routes(self) -> list[Route]:
        """Give every route."""
        return [
            *datasets_routes.routes(self),
            *tables_routes.routes(self),
            *uploads_routes.routes(self),
            *storage_routes.routes(self),
        ]

    def control(self) -> list[tuple[str, str, Handler]]:
        """Give method, path and handler of the control endpoints."""
        return [
            ("GET", "/sandbox/redivis", self._show_settings),
            ("POST", "/sandbox/redivis", self._change_settings),
        ]

    async def _show_settings(self, _call: Call) -> Reply:
        return Reply(asdict(self.settings))

    async def _change_settings(self, call: Call) -> Reply:
        return Reply(self.settings.change(await call.document()))
