"""Deferred uploads of one table wait together and suffer alone."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs import compat
from airflow_provider_jobs.clients.redivis.release import ReleaseRequest
from airflow_provider_jobs.clients.redivis.submit import UploadRequest
from airflow_provider_jobs.core.sources.source import Media, source_of
from airflow_provider_jobs.jobs import JobStatus
from airflow_provider_jobs.triggers.job import JobTrigger
from tests.integration.redivis.lab import OWNER, RedivisLab

if TYPE_CHECKING:
    from airflow_provider_jobs.jobs import JobRef

UPLOADS = 8
RUNNING_SECONDS = 3.0
POLL_SECONDS = 1.0
#: How late a busy machine may be; far from what an outage takes. Seconds.
LATE_SECONDS = 4.0
PATIENCE = 60.0


def submit(lab: RedivisLab, number: int) -> JobRef:
    media = Media(source_of(b"id\n%d\n" % number))
    return lab.client.submit(
        UploadRequest(lab.table, f"{number}.csv", {"type": "delimited"}, media=media)
    ).status.ref


async def seen_at(ref: JobRef) -> float:
    """Let a trigger wait for an upload; return when it saw the end, in seconds since 1970."""
    trigger = JobTrigger(
        service="redivis",
        hook_args={"redivis_conn_id": "redivis_default"},
        poll_interval=POLL_SECONDS,
        refs=[ref.to_json()],
    )
    event = await anext(trigger.run())
    (found,) = event.payload["statuses"]
    assert JobStatus.from_json(found).state.ended
    return time.time()


@pytest.mark.parametrize(
    ("operation", "spoilt"),
    [("uploads.get", 3), ("uploads.list", 0)],
    ids=["some cannot be asked for", "there is no list"],
)
@pytest.mark.parametrize("fault", [{"action": "reply", "status": 503}, {"action": "hang", "seconds": 30}])
def test_what_is_out_holds_up_no_other_upload(
    lab: RedivisLab, monkeypatch: pytest.MonkeyPatch, operation: str, spoilt: int, fault: dict[str, Any]
) -> None:
    monkeypatch.setattr(compat, "TRIGGER_HAS_ON_KILL", True)  # else each end of a trigger is a kill
    lab.sandbox.timing(project=OWNER, running_seconds=RUNNING_SECONDS)
    began = time.time()
    refs = [submit(lab, number) for number in range(UPLOADS)]
    over = time.time() + RUNNING_SECONDS
    paths = [ref.id.rpartition("/")[2] for ref in refs[:spoilt]] or [".*"]
    for path in paths:
        lab.fault(operation, **{"path": path, "times": 0, **fault})

    async def scene() -> None:
        failing = [asyncio.create_task(seen_at(ref)) for ref in refs[:spoilt]]
        seen = await asyncio.gather(*map(seen_at, refs[spoilt:]))
        assert max(seen) <= over + POLL_SECONDS + LATE_SECONDS
        assert not any(task.done() for task in failing)
        for task in failing:
            task.cancel()

    asyncio.run(asyncio.wait_for(scene(), PATIENCE))
    assert time.time() > began + RUNNING_SECONDS  # they were waited for


def test_releases_of_two_datasets_end_each_by_itself(
    lab: RedivisLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both follow a version of the same name: the end of one says nothing about the other."""
    monkeypatch.setattr(compat, "TRIGGER_HAS_ON_KILL", True)  # else each end of a trigger is a kill
    other = RedivisLab(lab.sandbox, monkeypatch)
    other.make_table()
    refs = []
    for each, seconds in ((lab, 1.0), (other, 4.0)):
        lab.sandbox.redivis_settings(release_seconds=seconds)
        request = ReleaseRequest(f"{OWNER}.{each.dataset}", "release", {"release_notes": None})
        refs.append(each.client.submit(request).status.ref)
    lab.sandbox.redivis_settings(release_seconds=0.0)
    assert len({ref.id for ref in refs}) == 1
    over = time.time() + 4.0

    async def scene() -> None:
        early, late = await asyncio.gather(*map(seen_at, refs))
        assert early < over - 1.0
        assert late > over - 0.5

    asyncio.run(asyncio.wait_for(scene(), PATIENCE))
