"""How the upload sessions of all services behave, where the real ones may differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.clock import read_seconds
from airflow_provider_jobs.sandbox.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY_SECONDS = 86400.0
# BigQuery: a week, https://cloud.google.com/bigquery/docs/reference/api-uploads; Cloud Storage too,
# https://cloud.google.com/storage/docs/resumable-uploads. Redivis: a day.
LIFETIMES = {"bigquery": 7 * DAY_SECONDS, "storage": 7 * DAY_SECONDS, "redivis": DAY_SECONDS}
CHOICES = {"completed_status": (200, 201), "expired_status": (404, 410)}


@dataclass
class UploadSettings:
    """What can be switched."""

    completed_status: int = 200  # of the reply that completes an upload, and of later questions: or 201
    expired_status: int = 404  # of a session that has ended; or 410
    lifetime_seconds: float | None = None  # of a session; None: as long as the service has it

    def lifetime_of(self, service: str) -> float:
        """Give how long a session of the service lives."""
        return LIFETIMES[service] if self.lifetime_seconds is None else self.lifetime_seconds

    def change(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Set some of them; give all.

        :raises Refusal: 400, naming what is wrong.
        """
        known = {item.name for item in fields(self)}
        for name, value in spec.items():
            if name not in known:
                raise Refusal(
                    400, "invalid", f"There is no setting {name}; there are {', '.join(sorted(known))}."
                )
            if name in CHOICES and value not in CHOICES[name]:
                raise Refusal(400, "invalid", f"{name} must be one of {CHOICES[name]}.")
            if name not in CHOICES and value is not None:
                read_seconds(name, value)
        for name, value in spec.items():
            setattr(self, name, value)
        return asdict(self)
