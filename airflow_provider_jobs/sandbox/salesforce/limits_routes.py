"""What is neither a login nor a job: versions, resources, limits, and paths that lead nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from airflow_provider_jobs.sandbox.operations import Operation
from airflow_provider_jobs.sandbox.replies import Reply
from airflow_provider_jobs.sandbox.salesforce.replies import missing, salesforce_error
from airflow_provider_jobs.sandbox.salesforce.state import BASE, NEWEST, OLDEST

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

SEASONS = ("Spring", "Summer", "Winter")
SPRING_VERSION, SPRING_YEAR = 66, 26  # Spring '26 brought it; three versions make a year
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def routes(service: SalesforceState) -> list[Route]:
    """Give the routes."""
    methods = LimitMethods(service)
    name, platform = "salesforce.versions", service.platform
    versions = Operation(name, methods.versions, platform=platform, scopes=None, errors=salesforce_error)
    return [
        *(Route(path, versions, methods=["GET"], name=name) for path in (BASE, f"{BASE}/")),
        *service.both("GET", "limits", "limits", methods.limits),
        service.route("GET", "", "resources", methods.resources),
        Route(f"{BASE}/v{{version}}", service.operation("resources", methods.resources), methods=["GET"]),
    ]


def everything_else(service: SalesforceState) -> Route:
    """Give the route of every path that no other route has."""

    async def refuse(_call: Call) -> Reply:
        raise missing()

    return Route(f"{BASE}/{{rest:path}}", service.operation("unknown", refuse), methods=METHODS)


class LimitMethods:
    """The methods."""

    def __init__(self, service: SalesforceState) -> None:
        self._service = service

    async def versions(self, _call: Call) -> Reply:
        """Give the API versions; no token needed."""
        versions = {f"{number}.0": label_of(number) for number in range(OLDEST, NEWEST + 1)}
        return Reply([{"label": label, "url": f"{BASE}/v{v}", "version": v} for v, label in versions.items()])

    async def resources(self, call: Call) -> Reply:
        """Give where things are."""
        base = f"{BASE}/v{call.path('version')}"
        return Reply({name: f"{base}/{name}" for name in ("jobs", "limits", "sobjects")})

    async def limits(self, _call: Call) -> Reply:
        """Give what is left of the day's limits."""
        return Reply(self._service.limits.overview())


def label_of(number: int) -> str:
    """Give the name of a version's release; a winter has the next year's number."""
    later = number - SPRING_VERSION
    year = SPRING_YEAR + (later + 1) // len(SEASONS)
    return f"{SEASONS[later % len(SEASONS)]} '{year}"
