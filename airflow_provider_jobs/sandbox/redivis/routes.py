"""Redivis as a service of the sandbox: its state, and every route on top."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.operations import steering
from airflow_provider_jobs.sandbox.redivis import (
    datasets_routes,
    storage_routes,
    uploads_routes,
)
from airflow_provider_jobs.sandbox.redivis.state import RedivisState

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.call import Handler


class Redivis(RedivisState):
    """One Redivis, and the routes that lead to it."""

    def routes(self) -> list[Route]:
        """Give every route."""
        return [
            *datasets_routes.routes(self),
            *uploads_routes.routes(self),
            *storage_routes.routes(self),
        ]

    def control(self) -> list[tuple[str, str, Handler]]:
        """Give method, path and handler of the control endpoints."""
        return steering(self.settings, "/sandbox/redivis")
