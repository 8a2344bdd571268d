"""When and how often to repeat a step. Backoff is arithmetic; time and chance come in from outside."""

from __future__ import annotations

import email.utils
import math
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_jobs.errors import JobsError, SourceChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

#: The longest single pause that a worker is held for, in seconds: a longer one is left to the task's retries,
#: or to the triggerer.
LONGEST_PAUSE_SECONDS = 120.0
#: The pause after a refusal that is known to last, in seconds: a spent quota, an ended token. Google advises
#: to wait ten minutes or longer: https://cloud.google.com/bigquery/docs/troubleshoot-quotas
LATER_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock in seconds since 1970, the sleep and the dice of the process; tests bring their own."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with jitter, bounded in attempts and in time.

    A service may ask for a pause longer than the backoff, up to :data:`LONGEST_PAUSE_SECONDS`.

    :param attempts: How often to try, the first time included.
    :param total_seconds: No attempt begins later than this after the first.
    :param base_seconds: The pause after the first failure; it doubles from there.
    :param cap_seconds: The longest pause of our own.
    """

    attempts: int = 6
    total_seconds: float = 120.0
    base_seconds: float = 1.0
    cap_seconds: float = 30.0

    def delay_seconds(self, failures: int, dice: float, retry_after: float | None = None) -> float:
        """Return the pause after so many failures: half of the backoff fixed, half by chance (0 to 1).

        :param retry_after: Seconds that the service asked for; never undercut.
        """
        backoff = min(self.cap_seconds, self.base_seconds * 2.0 ** min(failures - 1, 64))
        return max(backoff * (0.5 + dice / 2), retry_after or 0.0)

    def call(
        self,
        step: Callable[[], T],
        *,
        timing: Timing,
        idempotent: bool = True,
        on_retry: Callable[[JobsError, float], None] | None = None,
    ) -> T:
        """Run a step until it succeeds, fails for good, or the budget is spent.

        A step that is not idempotent is repeated only after errors that prove it had no effect, and none that
        has found its source changed: what it looks at stays what it was, until the task's retry.

        :raises JobsError: the last one of the step.
        """
        began = timing.now()
        failures = 0
        may_have_happened = False
        while True:
            try:
                return step()
            except JobsError as error:
                failures += 1
                may_have_happened = error.may_have_happened = may_have_happened or error.may_have_happened
                if not error.retryable or isinstance(error, SourceChanged):
                    raise
                if error.may_have_happened and not idempotent:
                    raise
                delay = self.delay_seconds(failures, timing.random(), error.retry_after)
                if failures >= self.attempts or delay > LONGEST_PAUSE_SECONDS:
                    raise
                if timing.now() + delay > began + self.total_seconds:
                    raise
                if on_retry:
                    on_retry(error, delay)
            timing.sleep(delay)


def seconds_of_date(text: str | None) -> float | None:
    """Return what an HTTP date says in seconds since 1970; None if it is not one."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None


def retry_after_seconds(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the pause that a ``Retry-After`` header asks for: seconds, an HTTP date, or seconds since 1970.

    A point in time is the service's own, and so is the ``Date`` that it is compared with; ``now`` is ours,
    for a reply without one.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    text = headers.get("Retry-After")
    if not text:
        return None
    now = seconds_of_date(headers.get("Date")) or (time.time() if now is None else now)
    try:
        seconds = float(text)
    except ValueError:
        date = seconds_of_date(text)
        if date is None:
            return None
        seconds = date
    if not math.isfinite(seconds):
        return None
    if seconds > now / 2:  # no service asks for decades: this is a point in time
        seconds -= now
    return max(seconds, 0.0)
