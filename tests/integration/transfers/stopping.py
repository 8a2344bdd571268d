"""What happens to a task in the middle of its work."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.transfers.salesforce_to_bigquery import SalesforceToBigQueryOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class StoppedError(BaseException):
    """The end of a worker: nothing of the task's handles it."""


def at(
    patch: pytest.MonkeyPatch,
    method: str,
    happens: Callable[[Any], None],
    *,
    after: bool = False,
    nth: int = 1,
) -> None:
    """Let something happen to a task at the nth call of a method, before it or after."""
    own = getattr(SalesforceToBigQueryOperator, method)
    calls = iter(range(1, 100))

    @functools.wraps(own)
    def called(task: Any, *arguments: Any, **options: Any) -> Any:
        now = next(calls) == nth
        if now and not after:
            happens(task)
        result = own(task, *arguments, **options)
        if now and after:
            happens(task)
        return result

    patch.setattr(SalesforceToBigQueryOperator, method, called)


def stop(_task: Any) -> None:
    raise StoppedError
