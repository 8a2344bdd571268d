"""How the upload sessions of all services behave, where the real ones may differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider_jobs.sandbox.switches import Switches

DAY_SECONDS = 86400.0
# BigQuery: a week, https://cloud.google.com/bigquery/docs/reference/api-uploads; Cloud Storage too,
# https://cloud.google.com/storage/docs/resumable-uploads. Redivis: a day.
LIFETIMES = {"bigquery": 7 * DAY_SECONDS, "storage": 7 * DAY_SECONDS, "redivis": DAY_SECONDS}


@dataclass
class UploadSettings(Switches):
    """What can be switched."""

    completed_status: Literal[200, 201] = 200  # of the reply that completes an upload, and of later questions
    expired_status: Literal[404, 410] = 404  # of a session that has ended
    lifetime_seconds: float | None = None  # of a session; None: as long as the service has it

    def lifetime_of(self, service: str) -> float:
        """Give how long a session of the service lives."""
        return LIFETIMES[service] if self.lifetime_seconds is None else self.lifetime_seconds
