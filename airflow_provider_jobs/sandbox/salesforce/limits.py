"""What the org allows in 24 hours, and how much of it is used.

See https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_limits.htm.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.sandbox.documents import Documents
    from airflow_provider_jobs.sandbox.salesforce.settings import SalesforceSettings

REQUESTS = "DailyApiRequests"
QUERY_JOBS = "DailyBulkV2QueryJobs"
QUERY_BYTES = "DailyBulkV2QueryFileStorageMB"
BATCHES = "DailyBulkApiBatches"
HOUR_SECONDS = 3600
WINDOW_HOURS = 24
MEGABYTE = 1 << 20
BATCH_RECORDS = 10_000  # an ingest job is processed in batches of so many
KIND, NAME = "usage", "hours"


class Limits:
    """The counters, hour by hour; used on the event loop."""

    def __init__(
        self, settings: SalesforceSettings, documents: Documents, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._documents = documents
        self._clock = clock
        self._hours: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for document in documents.read(KIND):
            for hour, counts in document.items():
                self._hours[int(hour)].update(counts)

    def add(self, name: str, number: int = 1) -> None:
        """Count."""
        self._hours[self._hour()][name] += number

    def used(self, name: str) -> int:
        """Give what was counted in the last 24 hours."""
        oldest = self._hour() - WINDOW_HOURS
        for hour in [hour for hour in self._hours if hour <= oldest]:
            del self._hours[hour]
        return sum(counts.get(name, 0) for counts in self._hours.values())

    def count_request(self) -> None:
        """Count an API request.

        :raises Refusal: 403, there were too many.
        """
        if self.used(REQUESTS) >= self._settings.daily_api_requests:
            raise Refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.add(REQUESTS)

    def count_query_job(self) -> None:
        """Count a query job.

        :raises Refusal: 400, there were too many, or their results were too large.
        """
        if self.used(QUERY_JOBS) >= self._settings.daily_query_jobs:
            raise Refusal(400, "LIMIT_EXCEEDED", "Max number of query jobs per 24 hours exceeded.")
        if self.used(QUERY_BYTES) >= self._settings.daily_query_file_storage_mb * MEGABYTE:
            raise Refusal(400, "LIMIT_EXCEEDED", "Max size of query results per 24 hours exceeded.")
        self.add(QUERY_JOBS)

    def check_batches(self) -> None:
        """Refuse an ingest job.

        :raises Refusal: 400, there were too many batches.
        """
        if self.used(BATCHES) >= self._settings.daily_batches:
            raise Refusal(400, "LIMIT_EXCEEDED", "Max number of batches per 24 hours exceeded.")

    def headers(self) -> dict[str, str]:
        """Give what every reply says."""
        usage = f"api-usage={self.used(REQUESTS)}/{self._settings.daily_api_requests}"
        warning = {"Warning": self._settings.warning} if self._settings.warning else {}
        return {"Sforce-Limit-Info": usage, **warning}

    def overview(self) -> dict[str, dict[str, int]]:
        """Give the document of ``/limits``."""
        settings = self._settings
        rows = {
            QUERY_JOBS: (settings.daily_query_jobs, self.used(QUERY_JOBS)),
            QUERY_BYTES: (
                settings.daily_query_file_storage_mb,
                math.ceil(self.used(QUERY_BYTES) / MEGABYTE),
            ),
            REQUESTS: (settings.daily_api_requests, self.used(REQUESTS)),
            BATCHES: (settings.daily_batches, self.used(BATCHES)),
        }
        return {name: {"Max": most, "Remaining": max(0, most - used)} for name, (most, used) in rows.items()}

    def keep(self) -> None:
        """Write the counters for the next start."""
        hours = {str(hour): dict(counts) for hour, counts in self._hours.items()}
        self._documents.write(KIND, NAME, hours)

    def _hour(self) -> int:
        return int(self._clock() // HOUR_SECONDS)
