"""Salesforce as a service of the sandbox: its state, and every route on top."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce import (
    ingest_routes,
    limits_routes,
    listing,
    login_routes,
    query_routes,
    rest_query_routes,
    sobject_routes,
)
from airflow_provider_jobs.sandbox.salesforce.control import OrgControl, SalesforceControl
from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.call import Handler
    from airflow_provider_jobs.sandbox.platform import Platform


class Salesforce(SalesforceState):
    """One org, and the routes that lead to it."""

    def __init__(self, platform: Platform, *, sample_records: bool = True) -> None:
        super().__init__(platform, sample_records=sample_records)
        self.control_methods = SalesforceControl(self)
        self.org_methods = OrgControl(self)

    def routes(self) -> list[Route]:
        """Give every route."""
        return [
            *login_routes.routes(self),
            *limits_routes.routes(self),
            *sobject_routes.routes(self),
            *query_routes.routes(self),
            *rest_query_routes.routes(self),
            *ingest_routes.routes(self),
            *listing.routes(self),
            limits_routes.everything_else(self),
        ]

    def control(self) -> list[tuple[str, str, Handler]]:
        """Give method, path and handler of the control endpoints."""
        return [*self.control_methods.handlers(), *self.org_methods.handlers()]
