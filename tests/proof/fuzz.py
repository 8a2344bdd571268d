"""Parsers under changed replies: what comes out, how long it takes, how much memory."""

from __future__ import annotations

import resource
import time
from random import Random
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.errors import JobsError

if TYPE_CHECKING:
    from tests.proof.parsers import Parser

#: Seconds of this thread's own time that one input may take, and kilobytes that a process may grow by.
MOST_SECONDS, MOST_KILOBYTES = 2.0, 256 * 1024


def problems(parser: Parser, inputs: int) -> list[str]:
    """Give a parser so many inputs; return what is wrong, each thing once."""
    found: dict[str, str] = {}

    def one(seed: int) -> None:
        made = parser.given(Random(seed))  # noqa: S311 - no secret
        began = time.thread_time()
        try:
            parser.read(made)
        except JobsError:
            pass  # an answer too
        except Exception as error:  # noqa: BLE001 - that there is none is what is proven
            where = error.__traceback__
            while where and where.tb_next:
                where = where.tb_next
            place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else ""
            found.setdefault(f"{type(error).__name__} at {place}: {error!s:.200}", f"Random({seed})")
        took = time.thread_time() - began
        if took > MOST_SECONDS:
            found.setdefault(f"it takes longer than {MOST_SECONDS} s", f"Random({seed})")

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )(given(st.integers(0, 2**64 - 1))(one))()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if grown > MOST_KILOBYTES:
        found[f"it takes {grown} kB of memory"] = "all inputs"
    return [f"{what} (of {seed})" for what, seed in found.items()]
