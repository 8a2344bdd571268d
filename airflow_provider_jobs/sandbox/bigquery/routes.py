"""BigQuery as a service of the sandbox: its state, and every route on top."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.bigquery import (
    jobs_routes,
    results_routes,
    tables_routes,
    upload_routes,
)
from airflow_provider_jobs.sandbox.bigquery.state import BigQueryState

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.call import Handler


class BigQuery(BigQueryState):
    """One BigQuery, and the routes that lead to it."""

    def routes(self) -> list[Route]:
        """Give every route."""
        return [
            *jobs_routes.routes(self),
            *results_routes.routes(self),
            *tables_routes.routes(self),
            *upload_routes.routes(self),
        ]

    def control(self) -> list[tuple[str, str, Handler]]:
        """Give the control endpoints: there are none of its own."""
        return []
