"""BigQuery jobs: any configuration, query, load, extract, copy, upload.

Every operator here takes what :class:`.BigQueryJobOperator` and :class:`.JobOperator` take. What nearly every
DAG sets is a parameter; all other fields of the API go into ``options``, under the API's own names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_provider_jobs.clients.bigquery_configuration import (
    dataset_reference,
    gcs_uris,
    not_negative,
    table_reference,
    with_options,
)
from airflow_provider_jobs.clients.bigquery_parameters import query_parameters
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.bigquery_job import BigQueryInsertJobOperator, BigQueryJobOperator, Table
from airflow_provider_jobs.operators.bigquery_load import (
    BigQueryLoadOperator,
    BigQueryUploadOperator,
    csv_only,
)

__all__ = [
    "BigQueryCopyOperator",
    "BigQueryExtractOperator",
    "BigQueryInsertJobOperator",
    "BigQueryLoadOperator",
    "BigQueryQueryOperator",
    "BigQueryUploadOperator",
]


class BigQueryQueryOperator(BigQueryJobOperator):
    """Run SQL.

    :param sql: GoogleSQL, or a .sql file.
    :param parameters: Values for ``@name`` as a mapping, for ``?`` as a list; or the API's QueryParameters.
    :param destination_table: ``project.dataset.table`` or ``dataset.table`` for the rows; default is a
        temporary one.
    :param write_disposition: ``WRITE_TRUNCATE``, ``WRITE_APPEND`` or ``WRITE_EMPTY``.
    :param create_disposition: ``CREATE_IF_NEEDED`` or ``CREATE_NEVER``.
    :param default_dataset: For tables that the SQL names without a dataset.
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
        if self.use_legacy_sql and self.parameters:
            raise ConfigurationError("parameters clashes with use_legacy_sql: legacy SQL has no parameters")
        if not (isinstance(self.sql, str) and self.sql.strip()):
            raise ConfigurationError("sql is empty")
        most_bytes = not_negative("maximum_bytes_billed", self.maximum_bytes_billed)
        fields = {
            "query": self.sql,
            "useLegacySql": self.use_legacy_sql,
            **query_parameters(self.parameters),
            "destinationTable": table_reference(self.destination_table, project, "destination_table")
            if self.destination_table
            else None,
            "defaultDataset": dataset_reference(self.default_dataset, project, "default_dataset")
            if self.default_dataset
            else None,
            "writeDisposition": self.write_disposition,
            "createDisposition": self.create_disposition,
            "priority": self.priority,
            "maximumBytesBilled": None if most_bytes is None else str(most_bytes),
        }
        dry_run = {"dryRun": True} if self.estimate_only else {}
        return {"query": with_options(fields, self.options), **dry_run}


class BigQueryExtractOperator(BigQueryJobOperator):
    """Write a table to files in Cloud Storage.

    :param source_table: ``project.dataset.table`` or ``dataset.table``.
    :param destination_uris: ``gs://bucket/object``; with a ``*`` BigQuery writes as many files as it needs,
        and more than 1 GB needs one.
    :param destination_format: ``CSV``, ``NEWLINE_DELIMITED_JSON``, ``PARQUET`` or ``AVRO``.
    :param compression: ``NONE``, ``GZIP``, ``DEFLATE``, ``SNAPPY`` or ``ZSTD``, as the format allows.
    :param print_header: Begin each CSV file with the column names; BigQuery does so by default.
    :param field_delimiter: Of CSV; default is a comma.
    :param options: More fields of the API's JobConfigurationExtract, as it names them.
    """

    template_fields = (
        "source_table",
        "destination_uris",
        "destination_format",
        "options",
        *BigQueryJobOperator.template_fields,
    )

    def __init__(
        self,
        *,
        source_table: Table,
        destination_uris: str | Sequence[str],
        destination_format: str = "CSV",
        compression: str = "NONE",
        print_header: bool | None = None,
        field_delimiter: str | None = None,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_table = source_table
        self.destination_uris = destination_uris
        self.destination_format = destination_format
        self.compression = compression
        self.print_header = print_header
        self.field_delimiter = field_delimiter
        self.options = options

    def configuration_of(self, project: str) -> dict[str, Any]:
        """Return the configuration of an extract job."""
        csv_only(self, self.destination_format, "destination_format", "print_header", "field_delimiter")
        fields = {
            "sourceTable": table_reference(self.source_table, project, "source_table"),
            "destinationUris": gcs_uris(self.destination_uris, "destination_uris"),
            "destinationFormat": self.destination_format,
            "compression": self.compression,
            "printHeader": self.print_header,
            "fieldDelimiter": self.field_delimiter,
        }
        return {"extract": with_options(fields, self.options)}


class BigQueryCopyOperator(BigQueryJobOperator):
    """Copy one table, or several of equal schema, into another.

    :param source_tables: ``project.dataset.table`` or ``dataset.table``, one or a list.
    :param destination_table: Likewise.
    :param write_disposition: ``WRITE_EMPTY``, ``WRITE_APPEND`` or ``WRITE_TRUNCATE``.
    :param create_disposition: ``CREATE_IF_NEEDED`` or ``CREATE_NEVER``.
    :param options: More fields of the API's JobConfigurationTableCopy, as it names them.
    """

    template_fields = ("source_tables", "destination_table", "options", *BigQueryJobOperator.template_fields)

    def __init__(
        self,
        *,
        source_tables: Table | Sequence[Table],
        destination_table: Table,
        write_disposition: str = "WRITE_EMPTY",
        create_disposition: str | None = None,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_tables = source_tables
        self.destination_table = destination_table
        self.write_disposition = write_disposition
        self.create_disposition = create_disposition
        self.options = options

    def configuration_of(self, project: str) -> dict[str, Any]:
        """Return the configuration of a copy job."""
        sources = self.source_tables
        tables = [sources] if isinstance(sources, str | Mapping) else list(sources)
        if not tables:
            raise ConfigurationError("source_tables is empty: name a table")
        fields = {
            "sourceTables": [table_reference(table, project, "source_tables") for table in tables],
            "destinationTable": table_reference(self.destination_table, project, "destination_table"),
            "writeDisposition": self.write_disposition,
            "createDisposition": self.create_disposition,
        }
        return {"copy": with_options(fields, self.options)}
