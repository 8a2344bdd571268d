"""A server with jobs of two DAGs, which the tests of this folder share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.jobs_page.seed import GIB, Job, bigquery, redivis, salesforce, store
from tests.integration.jobs_page.server import ApiServer

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = "<img src=x onerror=document.title='hacked'><script>document.title='hacked'</script>"
RUN = "manual__2026-11-29T00:00:00+00:00"
#: The newest jobs; one of each service.
NEWS = (
    Job(
        redivis("running", url="javascript:alert(1)", size_bytes=999_999_999),
        hours=0.1,
        task_state="deferred",
        duration=None,
    ),
    Job(
        salesforce("failed", error="INVALID_FIELD: No such column 'Profit' on Account", record_count=7),
        hours=1,
        task_state="failed",
        map_index=3,
    ),
    Job(
        bigquery(
            destination_table="shop.sales.daily",
            statement_type="MERGE",
            bytes_processed=800 * GIB,
            bytes_billed=1024 * GIB,
            slot_ms=90_000,
            duration_seconds=12.5,
            row_count=1234,
        ),
        hours=2,
        task_id="total",
        run_id=RUN,
    ),
    Job(bigquery("running", destination_table="shop.sales.hourly"), hours=2.5, task_id="total"),
    Job(bigquery(destination_table="shop.hr.salaries", bytes_billed=GIB), hours=3, dag_id="shop_secret"),
)
#: Two a day, in the six days before.
DAILY = tuple(
    Job(
        bigquery(
            "failed" if (day, part) == (3, 0) else "succeeded",
            destination_table=f"shop.sales.part_{part}",
            statement_type="INSERT",
            bytes_processed=100 * GIB * day * (part + 2),
            bytes_billed=120 * GIB * day * (part + 2),
            slot_ms=50_000 * day,
            duration_seconds=20.0 * (part + day),
            row_count=100_000 * day,
        ),
        hours=24 * day + 4 * part,
        task_state="failed" if (day, part) == (3, 0) else "success",
    )
    for day in range(1, 6)
    for part in range(2)
)
#: Before that week.
OLD = (
    Job(bigquery("failed", destination_table=HOSTILE, error=HOSTILE), hours=230, task_state="failed"),
    Job(bigquery(destination_uris=["gs://shop/published/sales-*.csv", "gs://shop/again/*.csv"]), hours=232),
    Job(redivis("failed", table="=HYPERLINK(1)", error="-1+1"), hours=231, task_state="failed"),
    Job(redivis("failed", table="\uff1dHYPERLINK(1)", error="\n=1+1"), hours=231, task_state="failed"),
    *(Job(bigquery(destination_table=f"shop.old.t{number}"), hours=240) for number in range(60)),
)


@pytest.fixture(scope="session")
def server() -> Iterator[ApiServer]:
    with ApiServer("/air/flow/") as server:
        with server.engine().begin() as connection:
            store(connection, (*NEWS, *DAILY, *OLD))
        yield server
