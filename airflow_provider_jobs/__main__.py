"""``python -m airflow_provider_jobs``: what ``airflow provider-jobs`` does, on any Airflow."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from airflow_provider_jobs.commands import migrate
from airflow_provider_jobs.commands.definitions import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; it exits with a code of its own unless all went well."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_jobs", description="Jobs of BigQuery, Salesforce and Redivis."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        own = commands.add_parser(command.name, help=command.help, description=command.help)
        for argument in command.args:
            argument.add_to_parser(own)
        own.set_defaults(func=command.func)
    migrate.add_parser(commands)
    options = parser.parse_args(arguments)
    options.func(options)


if __name__ == "__main__":
    main()
