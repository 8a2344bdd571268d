"""What commands write: tables as Airflow's own, documents for scripts, and how a wait goes on."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airflow_provider_jobs.commands.selection import Found
    from airflow_provider_jobs.jobs import JobStatus


def print_list(found: Sequence[Found], output: str) -> None:
    """Print jobs, one a row."""
    if output in _DOCUMENTS:
        _DOCUMENTS[output]([each.document() for each in found])
    else:
        _print_rows([each.row() for each in found], output)


def print_facts(found: Sequence[Found], output: str) -> None:
    """Print all that is known of jobs, a fact a row."""
    documents = [each.document() for each in found]
    if output in _DOCUMENTS:
        _DOCUMENTS[output](documents)
        return
    for document in documents:
        statistics = document.pop("statistics")
        facts = {**document, **statistics}
        rows = [{"property": name, "value": each} for name, each in facts.items() if each not in (None, [])]
        _print_rows(rows, output)


def _print_json(documents: list[dict[str, Any]]) -> None:
    sys.stdout.write(f"{json.dumps(documents, indent=2, default=str)}\n")


def _print_yaml(documents: list[dict[str, Any]]) -> None:
    from airflow.utils import yaml  # noqa: PLC0415 - one format alone needs it

    # Through JSON: states and others are texts of classes that it does not know.
    sys.stdout.write(yaml.dump(json.loads(json.dumps(documents, default=str)), sort_keys=False))


_DOCUMENTS: dict[str, Callable[[list[dict[str, Any]]], None]] = {"json": _print_json, "yaml": _print_yaml}


def _print_rows(rows: list[dict[str, Any]], output: str) -> None:
    """Print rows as Airflow's own commands do; what a service has written is no markup."""
    from airflow.cli.simple_table import AirflowConsole  # noqa: PLC0415 - it loads Airflow's plugins

    def text(value: Any) -> str:
        plain = "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        return escape(plain) if output == "table" else plain

    AirflowConsole().print_as([{name: text(each) for name, each in row.items()} for row in rows], output)


def say(text: str) -> None:
    """Tell the user what is not the result: to stderr, which no script reads as JSON."""
    sys.stderr.write(f"{text}\n")


@contextmanager
def until_closed() -> Iterator[None]:
    """Let whoever reads stdout stop before its end, as ``| head`` does: what is left is for nobody."""
    try:
        yield
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # rich makes the second of the first
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())  # else Python complains when it flushes the rest
        os.close(sink)


@contextmanager
def logs_to_stderr() -> Iterator[None]:
    """Let lines of the log not mix with the result: Airflow's go to stdout, by handlers and without."""
    loggers = [logging.root, *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict))]
    handlers = {
        handler: handler.stream
        for logger in loggers
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stdout, sys.__stdout__)
    }
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        for handler, stream in handlers.items():
            handler.setStream(stream)


@contextmanager
def waiting(statuses: Sequence[JobStatus]) -> Iterator[Callable[[JobStatus], None]]:
    """Show how many jobs have ended, and for how long that takes; yield what tells of a change.

    A terminal has one line that changes; elsewhere there is a line for each change.
    """
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    ended = {status.ref for status in statuses if status.state.ended}

    def text() -> str:
        return f"{len(ended)} of {len(statuses)} jobs have ended"

    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        line = progress.add_task(text(), total=None)

        def tell(news: JobStatus) -> None:
            if news.state.ended:
                ended.add(news.ref)
            console.print(f"{news.ref} is {news.vendor_state}", markup=False, highlight=False, soft_wrap=True)
            progress.update(line, description=text())

        yield tell
