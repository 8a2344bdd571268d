"""Rows that cannot be loaded: counted, described, tolerated or not."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem, error_entry

# How many rows a job describes; the rest is only counted.
_DESCRIBED = 100

_PREFIX = "Error while reading data, error message: "


@dataclass
class BadRows:
    """The bad rows of one load job."""

    allowed: int
    format: str  # "CSV" or "JSON", as messages call it
    rows: int = 0  # read so far, good ones included
    count: int = 0
    errors: list[dict[str, str]] = field(default_factory=list)

    def add(self, uri: str, message: str) -> None:
        """Note one bad row."""
        self.count += 1
        if len(self.errors) < _DESCRIBED:
            self.errors.append(error_entry("invalid", f"{_PREFIX}{message} File: {uri}", uri))

    def check(self) -> None:
        """End the job if there are more bad rows than it allows.

        :raises JobProblem: with every described row in its ``errors``.
        """
        if self.count > self.allowed:
            raise JobProblem(
                "invalid",
                f"{_PREFIX}{self.format} table encountered too many errors, giving up. Rows: {self.rows}; "
                f"errors: {self.count}. Please look into the errors[] collection for more details.",
                self.errors[0]["location"],
                errors=self.errors,
            )


def conversion_message(line: int, offset: int, index: int, name: str, kind: str, value: str) -> str:
    """Describe a CSV cell that is not a value of its column's type."""
    return (
        f"Could not parse '{value}' as {kind} for field {name} (position {index}) "
        f"starting at location {offset} with message 'Unable to parse'; line_number: {line} "
        f"byte_offset_to_start_of_line: {offset} "
        f'column_index: {index} column_name: "{name}" column_type: {kind} value: "{value}"'
    )


def place(line: int, offset: int) -> str:
    """Give the place of a row the way messages end."""
    return f"; line_number: {line} byte_offset_to_start_of_line: {offset}"
