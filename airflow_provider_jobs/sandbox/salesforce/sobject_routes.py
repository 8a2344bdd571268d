"""Objects: what there is, and what was updated and deleted.

See https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.replies import Reply
from airflow_provider_jobs.sandbox.salesforce.org import SalesforceRefusal
from airflow_provider_jobs.sandbox.salesforce.replies import bad, missing
from airflow_provider_jobs.sandbox.salesforce.requests import is_denied

if TYPE_CHECKING:
    from starlette.routing import Route

    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

BATCH = 200  # records of one call; part of the list of objects


def routes(service: SalesforceState) -> list[Route]:
    """Give the routes."""
    methods, one = ObjectMethods(service), "sobjects/{object}"
    return [
        *service.both("GET", "sobjects", "sobjects.list", methods.list_all),
        *service.both("GET", f"{one}/describe", "sobjects.describe", methods.describe),
        *service.both("GET", f"{one}/updated", "sobjects.updated", partial(methods.changes, which="updated")),
        *service.both("GET", f"{one}/deleted", "sobjects.deleted", partial(methods.changes, which="deleted")),
    ]


class ObjectMethods:
    """The methods."""

    def __init__(self, service: SalesforceState) -> None:
        self._service = service
        self._org = service.org

    async def list_all(self, call: Call) -> Reply:
        """Give all objects, without their fields."""
        found = self._org.describe_global(call.path("version"))
        seen = [each for each in found if not is_denied(self._service.settings, each["name"])]
        return Reply({"encoding": "UTF-8", "maxBatchSize": BATCH, "sobjects": seen})

    async def describe(self, call: Call) -> Reply:
        """Give an object with its fields."""
        return Reply(self._org.describe(self._named(call), call.path("version")))

    async def changes(self, call: Call, *, which: str) -> Reply:
        """Give the ids of what was made or changed in a span of time, or of what was deleted, and when."""
        name, span = self._named(call), [call.request.query_params.get(each) for each in ("start", "end")]
        if not all(span):
            raise bad("MISSING_ARGUMENT", "start and end have to be given")
        most = self._service.settings.replication_ids
        return Reply(await self._service.ask(self._org.changes, which, name, *map(str, span), most=most))

    def _named(self, call: Call) -> str:
        """Give an object that is there and may be seen, in its own spelling."""
        try:
            name = str(self._org.describe(call.path("object"), call.path("version"))["name"])
        except SalesforceRefusal as refusal:
            raise missing() from refusal
        if is_denied(self._service.settings, name):
            raise missing()
        return name
