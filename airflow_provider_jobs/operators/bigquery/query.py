"""SQL that BigQuery runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jobs.clients.bigquery.configuration import not_negative, query_parameters, with_options
from airflow_provider_jobs.clients.bigquery.names import dataset_reference, table_reference
from airflow_provider_jobs.core.work import truth
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.bigquery.job import BigQueryJobOperator, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class BigQueryQueryOperator(BigQueryJobOperator):
    """Run SQL.

    :param sql: GoogleSQL, or a .sql file.
    :param parameters: Values for ``@name`` as a mapping, for ``?`` as a list; or the API's QueryParameters.
    :param destination_table: The table for the rows, as :data:`.Table` has it; default is a temporary one.
    :param write_disposition: ``WRITE_TRUNCATE``, ``WRITE_APPEND`` or ``WRITE_EMPTY``.
    :param create_disposition: ``CREATE_IF_NEEDED`` or ``CREATE_NEVER``.
    :param default_dataset: For tables that the SQL names without a dataset; of the connection's project if
        it names none.
    :param priority: ``INTERACTIVE`` or ``BATCH``.
    :param maximum_bytes_billed: A query that would cost more fails without cost.
    :param use_legacy_sql: The SQL is in BigQuery's legacy dialect.
    :param dry_run: Run nothing; the result's ``bytes_processed`` is the estimate.
    :param options: More fields of the API's JobConfigurationQuery, as it names them.
    """

    template_fields = (
        "sql",
        "parameters",
        "destination_table",
        "default_dataset",
        "options",
        *BigQueryJobOperator.template_fields,
    )
    template_ext: Sequence[str] = (".sql",)
    file_fields = ("sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}

    def __init__(
        self,
        *,
        sql: str,
        parameters: Mapping[str, Any] | Sequence[Any] | None = None,
        destination_table: Table | None = None,
        write_disposition: str | None = None,
        create_disposition: str | None = None,
        default_dataset: Table | None = None,
        priority: str | None = None,
        maximum_bytes_billed: int | None = None,
        use_legacy_sql: bool = False,
        dry_run: bool = False,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.parameters = parameters
        self.destination_table = destination_table
        self.write_disposition = write_disposition
        self.create_disposition = create_disposition
        self.default_dataset = default_dataset
        self.priority = priority
        self.maximum_bytes_billed = maximum_bytes_billed
        self.use_legacy_sql = use_legacy_sql
        self.estimate_only = dry_run  # BaseOperator has a method dry_run
        self.options = options

    def configuration_of(self, project: str) -> dict[str, Any]:
        """Return the configuration of a query job."""
        legacy = truth(self.use_legacy_sql, "use_legacy_sql")
        if legacy and self.parameters is not None and len(self.parameters):
            raise ConfigurationError("parameters clashes with use_legacy_sql: legacy SQL has no parameters")
        if self.sql and not isinstance(self.sql, str):
            kind = type(self.sql).__name__
            raise ConfigurationError(f"sql is of type {kind}: give one text, its statements separated by ;")
        if not (self.sql and self.sql.strip()):
            raise ConfigurationError("sql is empty")
        most_bytes = not_negative("maximum_bytes_billed", self.maximum_bytes_billed)
        fields = {
            "query": self.sql,
            "useLegacySql": legacy,
            **query_parameters(self.parameters),
            "writeDisposition": self.write_disposition,
            "createDisposition": self.create_disposition,
            "priority": self.priority,
            "maximumBytesBilled": None if most_bytes is None else str(most_bytes),
        }
        if self.destination_table:
            fields["destinationTable"] = table_reference(self.destination_table, project, "destination_table")
        if self.default_dataset:
            fields["defaultDataset"] = dataset_reference(self.default_dataset, project, "default_dataset")
        dry_run = {"dryRun": True} if truth(self.estimate_only, "dry_run") else {}
        return {"query": with_options(fields, self.options), **dry_run}
