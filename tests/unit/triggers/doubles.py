"""Triggers that speak to another client, and what runs them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.triggers.base import TriggerEvent

from airflow_provider_jobs.triggers.job import JobsTrigger, JobTrigger
from tests.unit.tasks import REF, FakeClient

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from airflow_provider_jobs.jobs import JobRef

T = TypeVar("T")
#: No test waits longer for anything; seconds.
PATIENCE = 10.0


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


def watching(trigger: Any, client: Any) -> Any:
    """Return the trigger, speaking to another client, or failing to find one."""

    async def found() -> Any:
        if isinstance(client, Exception):
            raise client
        return client

    trigger.client = found
    return trigger


def job_trigger(client: Any, ref: JobRef = REF, *others: JobRef, **options: Any) -> Any:
    shared = {"service": "bigquery", "hook_args": {"gcp_conn_id": "c"}, "poll_interval": 0.01}
    return watching(
        JobTrigger(refs=[each.to_json() for each in (ref, *others)], **{**shared, **options}), client
    )


def jobs_trigger(client: Any, **options: Any) -> Any:
    shared = {"service": "bigquery", "hook_args": {"gcp_conn_id": "c"}, "poll_interval": 0.01}
    return watching(JobsTrigger(**{"search": {"job_id_prefix": "a"}, **shared, **options}), client)


async def event_of(trigger: Any) -> dict[str, Any]:
    """Return the payload of the one event, as it gets through Airflow's database."""
    events = [event async for event in trigger.run()]
    assert len(events) == 1
    assert isinstance(events[0], TriggerEvent)
    payload: dict[str, Any] = json.loads(json.dumps(events[0].payload))
    return payload


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - another process sets no event
        await asyncio.sleep(0.001)


class Searching(FakeClient):
    """Finds what it is told to find."""

    def __init__(self, *found: Any, looks: tuple[Any, ...] = ()) -> None:
        super().__init__(looks=looks)
        self.found = list(found)
        self.searches: list[Any] = []

    def search_ended(self, search: dict[str, Any]) -> bool:
        self.searches.append(search)
        found = self.found.pop(0) if len(self.found) > 1 else self.found[0]
        if isinstance(found, Exception):
            raise found
        return bool(found)
