"""What the commands do, and with which code they exit: scripts go by it."""

from __future__ import annotations

import time
from functools import wraps
from itertools import islice
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_jobs.clients.redivis.replies import RELEASE_AFTER
from airflow_provider_jobs.commands.connections import Opened, connection_ids, open_connection
from airflow_provider_jobs.commands.output import (
    logs_to_stderr,
    print_facts,
    print_list,
    say,
    until_closed,
    waiting,
)
from airflow_provider_jobs.commands.selection import Filter, Found, Place
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.http.retry import Timing
from airflow_provider_jobs.core.wait.single import ask_each, wait_for
from airflow_provider_jobs.errors import ConfigurationError, JobsError, NotFoundError
from airflow_provider_jobs.jobs import JobState

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from airflow_provider_jobs.jobs import JobStatus

#: Exit codes: all went well; a job failed or was cancelled; an argument or a connection is wrong (the code of
#: argparse); the service refuses, or could not be asked; there is no such job; a job still runs; Ctrl-C.
OK, FAILED, WRONG, REFUSED, NOT_FOUND, STILL_RUNS, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
#: An exit code, and the jobs to print.
_Outcome = tuple[int, "Sequence[Found]"]
#: Between two looks at jobs that were told to end, in seconds.
_LOOK_SECONDS = 2.0


def _command(
    show: Callable[[Sequence[Found], str], None],
) -> Callable[[Callable[[argparse.Namespace], _Outcome]], Callable[[argparse.Namespace], None]]:
    """Make commands of what returns an exit code and jobs: an error is a line, without a traceback.

    :param show: Prints the jobs, once nothing else writes to stdout.
    """

    def made(run: Callable[[argparse.Namespace], _Outcome]) -> Callable[[argparse.Namespace], None]:
        @wraps(run)
        def command(args: argparse.Namespace) -> None:
            found: Sequence[Found] | None = None
            try:
                with logs_to_stderr():
                    code, found = run(args)
            except KeyboardInterrupt:
                say("interrupted: jobs that were not asked to stop run on")
                code = INTERRUPTED
            except (JobsError, AirflowException) as error:
                say(f"error: {error}")
                code = _code_of(error)
            if found is not None:
                with until_closed():
                    show(found, args.output)
            if code:
                raise SystemExit(code)

        return command

    return made


def _code_of(error: Exception) -> int:
    if isinstance(error, NotFoundError):
        return NOT_FOUND
    return REFUSED if isinstance(error, JobsError) and not isinstance(error, ConfigurationError) else WRONG


@_command(print_list)
def list_jobs(args: argparse.Namespace) -> _Outcome:
    """List jobs of connections; of several the others are listed if one cannot be asked."""
    wanted, found, code = Filter.of(args), list[Found](), OK
    for conn_id in args.conn_ids or connection_ids():
        try:
            opened = open_connection(conn_id, args.service, args.project)
            found += islice(opened.jobs.listed(opened.client, wanted, conn_id), args.limit)
        except (JobsError, AirflowException) as error:
            if len(args.conn_ids) == 1:
                raise
            say(f"{conn_id}: {error}")
            # Without ids all are tried, also those that the filters are not for.
            if args.conn_ids or not isinstance(error, ConfigurationError):
                code = code or _code_of(error)
    return code, found


@_command(print_facts)
def show_job(args: argparse.Namespace) -> _Outcome:
    """Show a job, whatever has come of it."""
    opened = open_connection(args.conn_id, args.service, args.project)
    return OK, [Found(args.conn_id, opened.jobs.find(opened.client, args.job, Place.of(args)))]


@_command(print_list)
def wait_for_jobs(args: argparse.Namespace) -> _Outcome:
    """Wait until jobs have ended, and tell what has come of them."""
    opened, statuses = _named(args)
    until = float("inf") if args.timeout is None else time.time() + args.timeout
    statuses = _waited(opened, statuses, until, args.poll_interval)
    found = [Found(args.conn_id, each) for each in statuses]
    for each in statuses:
        if each.state in {JobState.FAILED, JobState.CANCELLED}:
            say(each.failure_report())
    if not all(each.state.ended for each in statuses):
        say(f"error: jobs still run after {args.timeout:g} s")
        return STILL_RUNS, found
    return OK if all(each.state is JobState.SUCCEEDED for each in statuses) else FAILED, found


@_command(print_list)
def cancel_jobs(args: argparse.Namespace) -> _Outcome:
    """Ask for the end of jobs, and see whether they end."""
    opened, statuses = _named(args)
    for status in statuses:
        if status.ref.id.startswith(RELEASE_AFTER):
            raise ConfigurationError(f"{status.ref} is a release: Redivis stops none")
    until, code = time.time() + args.timeout, OK
    active = [each.ref for each in statuses if not each.state.ended]
    for ref, outcome in several.cancel_all(opened.client, active).items():
        if isinstance(outcome, JobsError):
            say(f"error: {ref} could not be cancelled, and may run on: {outcome}")
            code = code or _code_of(outcome)
        else:
            say(f"{ref} had ended by itself" if outcome else f"asked {ref} to stop")
    if not code:
        statuses = _waited(opened, statuses, until, _LOOK_SECONDS)
    if not code and not all(each.state.ended for each in statuses):
        say(f"error: asked to stop, and still runs after {args.timeout:g} s")
        code = STILL_RUNS
    return code, [Found(args.conn_id, each) for each in statuses]


def _named(args: argparse.Namespace) -> tuple[Opened, list[JobStatus]]:
    """Return the connection, and the jobs that the arguments name: one may be a task's result of several."""
    opened = open_connection(args.conn_id, args.service, args.project)
    names = dict.fromkeys(name for text in args.jobs for name in several.split_ids(text))
    return opened, [opened.jobs.find(opened.client, name, Place.of(args)) for name in names]


def _waited(
    opened: Opened, statuses: Sequence[JobStatus], until: float, poll_interval: float
) -> list[JobStatus]:
    """Return how jobs have ended, or are doing at a time; whole, as no list tells of them."""
    with waiting(statuses) as tell:
        found = wait_for(
            opened.client,
            statuses,
            until=until,
            poll_interval=poll_interval,
            timing=Timing(),
            on_change=tell,
        )
    in_part = [each.ref for each in found if not each.whole]
    whole = dict(zip(in_part, ask_each(opened.client.status, in_part), strict=True)) if in_part else {}
    return [whole.get(each.ref, each) for each in found]
