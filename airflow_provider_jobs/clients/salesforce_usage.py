"""How much of its daily API requests an org has used, as every reply tells."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from airflow_provider_jobs.errors import ConfigurationError, UsageLimitReached

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

#: A value older than this says little: others use the org too; seconds.
FRESH_SECONDS = 300.0
#: Told again whenever so many more hundredths are used.
_STEP_PERCENT = 5
_USAGE = re.compile(r"(?:^|[;,\s])api-usage\s*=\s*(\d{1,12})\s*/\s*(\d{1,12})")


class ApiUsage:
    """The last value that a service told of ``api-usage``; shared by threads, of which the last one wins.

    Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm

    :param limit: The share, 0 to 1, from which on no new job is made; None sets none.
    """

    def __init__(self, limit: float | None, *, now: Callable[[], float]) -> None:
        if limit is not None and not 0 < limit <= 1:
            raise ConfigurationError(f"api_usage_limit is {limit}: it is a share above 0, and at most 1")
        self.limit = limit
        self.used: int | None = None
        self.allowed: int | None = None
        self._now = now
        self._seen_at = float("-inf")
        self._told: int | None = None

    @property
    def share(self) -> float | None:
        """What share of the allowed requests is used; None if it is not known."""
        return self.used / self.allowed if self.used is not None and self.allowed else None

    @property
    def fresh(self) -> bool:
        """True if the value is young enough to decide by."""
        return self._now() - self._seen_at <= FRESH_SECONDS

    def note(self, headers: Mapping[str, str]) -> None:
        """Keep what the headers of a reply tell; log a notable change."""
        match = _USAGE.search(headers.get("Sforce-Limit-Info") or "")
        if not match:
            return
        self.used, self.allowed, self._seen_at = int(match[1]), int(match[2]), self._now()
        step = int((self.share or 0) * 100) // _STEP_PERCENT
        if step != self._told:
            self._told = step
            log.info("API requests of this org used in 24 hours: %s of %s", self.used, self.allowed)

    def check(self) -> None:
        """See that a new job may be made.

        :raises UsageLimitReached: too much is used; later, less is.
        """
        share = self.share
        if self.limit is not None and share is not None and share >= self.limit:
            raise UsageLimitReached(
                f"{self.used} of {self.allowed} API requests of this org are used, and api_usage_limit is "
                f"{self.limit:.0%}: no job was made; try again later, or raise the limit"
            )
