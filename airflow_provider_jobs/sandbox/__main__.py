"""``python -m airflow_provider_jobs.sandbox``: serve until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.server import Sandbox
from airflow_provider_jobs.sandbox.timing import MOST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
HIGHEST_PORT = 65535


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; the first line on stdout is one JSON object that tells where and with which token."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="sandbox: %(message)s")
    # Blocked before any thread starts, so that all threads inherit it and sigwait below gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        sandbox = Sandbox(options.root, port=options.port, token=options.token)
    except OSError as error:
        print(f"sandbox: cannot start: {error}", file=sys.stderr)
        return 1
    with sandbox:
        sandbox.timing(running_seconds=options.job_seconds)
        print(json.dumps(sandbox.announcement()), flush=True)
        signal.sigwait(STOP_SIGNALS)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_jobs.sandbox", description=main.__doc__)
    parser.add_argument("--port", type=_port, default=0, help="0 (default) lets the system choose")
    parser.add_argument("--root", help="folder that keeps the state; default: a temporary one")
    parser.add_argument("--token", help="the bearer token; default: a new one")
    parser.add_argument("--job-seconds", type=_seconds, default=0.0, help="how long every job runs at least")
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {HIGHEST_PORT}")
    return port


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"seconds are a number from 0 to {MOST_SECONDS:.0f}")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
