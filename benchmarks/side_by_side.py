"""What the benchmarks share: servers in processes of their own, and ratios of clients that took turns."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


@contextlib.contextmanager
def server_process(program: str) -> Iterator[str]:
    """Run what makes a server `s`, and give its URL."""
    with subprocess.Popen(
        [sys.executable, "-c", f"{program}; print(s.url, flush=True); input()"],
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            yield (server.stdout or sys.stdin).readline().strip()
        finally:
            server.terminate()


def round_ratio(theirs: list[float], ours: list[float]) -> float:
    """Return the median of the rounds' ratios: a machine that is busy for a while does not spoil it."""
    return statistics.median(their / our for their, our in zip(theirs, ours, strict=True))
