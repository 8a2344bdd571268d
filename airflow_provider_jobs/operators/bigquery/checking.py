"""What all checks share: one query, whose rows are to be as they should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.read import rows_of
from airflow_provider_jobs.core.work import truth
from airflow_provider_jobs.errors import CheckFailed, ConfigurationError
from airflow_provider_jobs.operators.bigquery.job import BigQueryJobOperator
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.core.work import JobRequest
    from airflow_provider_jobs.jobs import JobStatus

#: Rows that are read of a check's query: no check looks at more.
_MOST_ROWS = 2
#: Characters of a value in an error.
_MOST_VALUE = 200


class CheckingOperator(BigQueryJobOperator):
    """Runs one query, and fails with every check that its rows do not pass.

    Each attempt asks anew, since what was wrong may be right by then.

    :param use_legacy_sql: The SQL is in BigQuery's legacy dialect.
    :param encryption_configuration: As the API's EncryptionConfiguration.
    :param retry_on_failure: False lets a check that fails fail the task for good.
    :param database: Without effect: a table names its dataset.
    """

    #: False if the SQL is made here, and is GoogleSQL.
    takes_legacy_sql = True

    def __init__(
        self,
        *,
        use_legacy_sql: bool = False,
        encryption_configuration: Mapping[str, Any] | None = None,
        retry_on_failure: bool = True,
        database: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not self.wait:
            raise ValueError("wait=False clashes with a check, which looks at what the query gives")
        if use_legacy_sql is True and not self.takes_legacy_sql:
            raise ValueError("use_legacy_sql clashes with this check, which writes its query in GoogleSQL")
        self.use_legacy_sql = use_legacy_sql
        self.encryption_configuration = encryption_configuration
        self.retry_on_failure = retry_on_failure
        self.database = database

    # What each check adds.

    def query(self, project: str) -> str:
        """Return the SQL.

        :param project: The project of tables that name none.
        :raises ConfigurationError: a parameter is wrong.
        """
        raise NotImplementedError

    def failures(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return what is wrong with the rows, one check a line; at least one row is given."""
        raise NotImplementedError

    # What they share.

    def query_fields(self) -> dict[str, Any]:
        """Return more fields of the API's JobConfigurationQuery."""
        return {}

    def configuration_of(self, project: str) -> dict[str, Any]:
        """Return the configuration of a query job."""
        text = self.query(project)
        if not isinstance(text, str) or not text.strip():
            raise ConfigurationError("sql is empty: a check needs a query")
        fields: dict[str, Any] = {"query": text, "useLegacySql": truth(self.use_legacy_sql, "use_legacy_sql")}
        if self.encryption_configuration:
            fields["destinationEncryptionConfiguration"] = dict(self.encryption_configuration)
        return {"query": {**fields, **self.query_fields()}}

    def request(self, client: BigQueryClient, context: Context) -> JobRequest:
        """Return the work to submit: another in each attempt."""
        self._since = context["ti"].try_number
        return super().request(client, context)

    def _lasts(self, context: Context) -> bool:
        """Return False: another attempt asks anew, and so this one leaves no query behind."""
        return False

    def ends_in_trigger(self) -> bool:
        """Return False: a worker looks at the rows."""
        return False

    def completed(
        self, client: BigQueryClient, context: Context, statuses: list[JobStatus]
    ) -> list[JobStatus]:
        """Return the statuses, if the rows pass.

        :raises CheckFailed: they do not.
        """
        (status,) = statuses
        rows = rows_of(client, status.ref, _MOST_ROWS)
        wrong = self.failures(rows) if rows else ["the query gave no rows"]
        if wrong:
            lines = ["BigQuery check failed:", *(f"  {line}" for line in wrong), f"  job: {status.ref}"]
            console = [f"  console: {status.url}"] if status.url else []
            again = truth(self.retry_on_failure, "retry_on_failure") is not False
            raise CheckFailed("\n".join([*lines, *console]), retryable=again)
        self.log.info("the check has passed: %s", _told(rows))
        return statuses


def share_of(tolerance: Any) -> float | None:
    """Return the share by which a number may be off, of which a template makes text.

    :raises ConfigurationError: it is not a number.
    """
    return None if tolerance is None else number_of("tolerance", tolerance)


def number_of(parameter: str, value: Any) -> float:
    """Return a number, or the text of one.

    :raises ConfigurationError: it is neither.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{parameter} is {shown(value, 40)!r}: a number is needed") from None


def value_text(value: Any) -> str:
    """Return a value that a query gave as it stands in an error or the log."""
    return "NULL" if value is None else shown(value, _MOST_VALUE)


def _told(rows: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(", ".join(f"{name} {value_text(value)}" for name, value in row.items()) for row in rows)


def where_of(*clauses: str | None) -> str:
    """Return the WHERE of conditions that all have to hold, nothing if none is given."""
    given = [f"({clause})" for clause in clauses if clause]
    return f" WHERE {' AND '.join(given)}" if given else ""
