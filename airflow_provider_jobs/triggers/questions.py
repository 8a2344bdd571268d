"""What triggers ask of Airflow, and of threads: neither may block the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs import compat

if TYPE_CHECKING:
    from collections.abc import Callable

#: The first question to Airflow of this process.
_first_questions: list[asyncio.Task[None]] = []


def ask_first(ti: Any) -> None:
    """Ask Airflow for nothing in particular, once: the first answer takes a triggerer seconds of work.

    They are better spent while jobs run than when one has ended, or is to be cancelled.
    """

    async def ask() -> None:
        with contextlib.suppress(Exception):  # the answer does not matter
            await ask_airflow(compat.task_state, ti)

    if not _first_questions:
        _first_questions.append(asyncio.create_task(ask()))


def in_this_context(step: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    """Return a step for another thread that logs where this trigger does: into the log of its task."""
    return partial(contextvars.copy_context().run, step, *args)


async def ask_airflow(ask: Callable[..., Any], *args: Any) -> Any:
    """Return what a call of Airflow's SDK returns, which blocks, in a thread of its own."""
    from asgiref.sync import sync_to_async  # noqa: PLC0415 - the SDK's calls find their way back by it

    return await sync_to_async(ask, thread_sensitive=False)(*args)
