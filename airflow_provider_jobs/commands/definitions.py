"""Which commands there are and what they take: for ``python -m airflow_provider_jobs`` and for ``airflow``.

Every start of ``airflow`` imports this module: it imports what defines commands there, and nothing else.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import time

from airflow.cli.cli_config import ARG_OUTPUT, ActionCommand, Arg, GroupCommand, lazy_load_command

#: Core commands have taken most names: one of theirs would break all commands of ``airflow``.
GROUP = "provider-jobs"
_ACTIONS = "airflow_provider_jobs.commands.actions."
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_STATES = ("active", "ended", "pending", "running", "succeeded", "failed", "cancelled")


def moment(text: str) -> float:
    """Return seconds since 1970 of ``90m``, ``12h``, ``7d`` ago, or of ISO 8601, UTC if it has no zone.

    :raises argparse.ArgumentTypeError: it is neither.
    """
    if ago := re.fullmatch(r"(\d{1,6})([smhdw])", text):
        return max(0.0, time.time() - int(ago[1]) * _SECONDS[ago[2]])  # BigQuery refuses what is below 0
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: write 12h, 7d or 2026-01-31T08:00"
        ) from None
    return max(0.0, (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp())


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,5}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 999999")
    return int(text)


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return found


_CONNECTION = Arg(("conn_id",), help="The id of a connection")
_CONNECTIONS = Arg(
    ("conn_ids",),
    nargs="*",
    metavar="conn_id",
    help="Ids of connections; none means all of the three services in the database and the environment",
)
_JOB = Arg(
    ("job",), help="A job: its id, or all that a task's log calls it; of Redivis an upload's uri or name"
)
_JOBS = Arg(("jobs",), nargs="+", metavar="job", help=_JOB.kwargs["help"])
_SERVICE = Arg(
    ("--service",),
    choices=("bigquery", "redivis", "salesforce"),
    help="The service, if the type of the connection does not tell it",
)
_PROJECT = Arg(("--project",), help="BigQuery: the project of the jobs, if it is not the connection's")
_LOCATION = Arg(("--location",), help="BigQuery: where the job runs; found out if it is not given")
_KIND = Arg(("--kind",), choices=("query", "ingest"), help="Salesforce: the kind of job; default both")
_VERSION = Arg(("--api-version",), help="Salesforce: the version that made the job, if not the connection's")
_TABLE = Arg(("--table",), help="Redivis: owner.dataset:next.table, whose uploads are listed or named")
_PLACE = (_SERVICE, _PROJECT, _LOCATION, _KIND, _VERSION, _TABLE, ARG_OUTPUT)

COMMANDS = (
    ActionCommand(
        name="list",
        help="List jobs, the newest first",
        func=lazy_load_command(f"{_ACTIONS}list_jobs"),
        args=(
            _CONNECTIONS,
            Arg(("--state",), choices=_STATES, help="Only jobs in this state"),
            Arg(
                ("--since",),
                type=moment,
                default="1d",
                help="Only jobs made since: 12h, 7d, or a time in ISO 8601 (default: 1d)",
            ),
            Arg(
                ("--limit",), type=_count, default=50, help="At most so many jobs a connection (default: 50)"
            ),
            Arg(("-d", "--dag-id"), help="Only jobs of this DAG, as BigQuery's labels name it"),
            Arg(("-t", "--task-id"), help="Only jobs of this task, as BigQuery's labels name it"),
            Arg(("--all-users",), action="store_true", help="BigQuery: other accounts' jobs too"),
            *(_SERVICE, _PROJECT, _KIND, _TABLE, ARG_OUTPUT),
        ),
    ),
    ActionCommand(
        name="show",
        help="Show a job: its state, numbers, errors and page",
        func=lazy_load_command(f"{_ACTIONS}show_job"),
        args=(_CONNECTION, _JOB, *_PLACE),
    ),
    ActionCommand(
        name="wait",
        help="Wait until jobs have ended; exit code 0 if all have succeeded",
        func=lazy_load_command(f"{_ACTIONS}wait_for_jobs"),
        args=(
            _CONNECTION,
            _JOBS,
            Arg(("--timeout",), type=_seconds, help="Give up after so many seconds; default is never"),
            Arg(
                ("--poll-interval",),
                type=_seconds,
                default=5.0,
                help="Seconds between two looks (default: 5)",
            ),
            *_PLACE,
        ),
    ),
    ActionCommand(
        name="cancel",
        help="Cancel jobs and see them end; of Redivis an upload that is under way is deleted",
        func=lazy_load_command(f"{_ACTIONS}cancel_jobs"),
        args=(
            _CONNECTION,
            _JOBS,
            Arg(
                ("--timeout",),
                type=_seconds,
                default=60.0,
                help="See them end for so many seconds (default: 60)",
            ),
            *_PLACE,
        ),
    ),
)


def get_commands() -> list[GroupCommand]:
    """Return what ``airflow provider-jobs`` offers; Airflow 3.2 or newer asks for it."""
    return [GroupCommand(name=GROUP, help="Jobs of BigQuery, Salesforce and Redivis", subcommands=COMMANDS)]
