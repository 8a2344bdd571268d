"""Tables written to files in Cloud Storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.configuration import file_format, gcs_uris, with_options
from airflow_provider_jobs.clients.bigquery.names import table_reference
from airflow_provider_jobs.operators.bigquery.job import BigQueryJobOperator, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class BigQueryExtractOperator(BigQueryJobOperator):
    """Write a table to files in Cloud Storage.

    :param source_table: The table, as :data:`.Table` has it.
    :param destination_uris: ``gs://bucket/object``; with a ``*`` BigQuery writes as many files as it needs,
        and more than 1 GB needs one.
    :param destination_format: ``CSV``, ``NEWLINE_DELIMITED_JSON`` or ``JSON``, ``PARQUET`` or ``AVRO``; in
        lower case too.
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
        self.check_csv_only("destination_format", "print_header", "field_delimiter")
        fields = {
            "sourceTable": table_reference(self.source_table, project, "source_table", is_read=True),
            "destinationUris": gcs_uris(self.destination_uris, "destination_uris"),
            "destinationFormat": file_format(self.destination_format, "destination_format"),
            "compression": file_format(self.compression, "compression"),
            "printHeader": self.print_header,
            "fieldDelimiter": self.field_delimiter,
        }
        return {"extract": with_options(fields, self.options)}
