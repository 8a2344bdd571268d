"""Load jobs: of files that are in Cloud Storage already, and of files that are sent along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jobs.clients.bigquery.configuration import (
    file_format,
    gcs_uris,
    not_negative,
    table_schema,
    with_options,
)
from airflow_provider_jobs.clients.bigquery.names import table_reference
from airflow_provider_jobs.core.work import truth
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.bigquery.job import BigQueryJobOperator, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class _LoadingOperator(BigQueryJobOperator):
    """What both load operators share.

    :param destination_table: The table, as :data:`.Table` has it.
    :param schema: The API's fields, ``[{"name": …, "type": …, "mode": …}]``; or a .json file of them.
    :param autodetect: Let BigQuery find the schema in the files.
    :param source_format: ``CSV``, ``NEWLINE_DELIMITED_JSON`` or ``JSON``, ``PARQUET``, ``AVRO``, ``ORC``,
        ``DATASTORE_BACKUP``; in lower case too.
    :param write_disposition: ``WRITE_APPEND``, ``WRITE_TRUNCATE`` or ``WRITE_EMPTY``.
    :param create_disposition: ``CREATE_IF_NEEDED`` or ``CREATE_NEVER``.
    :param skip_leading_rows: Header lines of each CSV file; 0 loses nothing.
    :param field_delimiter: Of CSV; default is a comma.
    :param max_bad_records: Rows that may be wrong before the job fails.
    :param options: More fields of the API's JobConfigurationLoad, as it names them.
    """

    template_fields = ("destination_table", "schema", "options", *BigQueryJobOperator.template_fields)
    template_ext: Sequence[str] = (".json",)
    file_fields = ("schema",)
    json_fields = ("schema",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"schema": "json"}

    def __init__(
        self,
        *,
        destination_table: Table,
        schema: Sequence[Mapping[str, Any]] | str | None = None,
        autodetect: bool | None = None,
        source_format: str = "CSV",
        write_disposition: str = "WRITE_APPEND",
        create_disposition: str | None = None,
        skip_leading_rows: int | None = None,
        field_delimiter: str | None = None,
        max_bad_records: int | None = None,
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.destination_table = destination_table
        self.schema = schema
        self.autodetect = autodetect
        self.source_format = file_format(source_format, "source_format")
        self.write_disposition = write_disposition
        self.create_disposition = create_disposition
        self.skip_leading_rows = skip_leading_rows
        self.field_delimiter = field_delimiter
        self.max_bad_records = max_bad_records
        self.options = options

    def load_configuration(self, project: str, source: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of a load job.

        :param source: The fields that say where the bytes are.
        :raises ConfigurationError: parameters are wrong or clash.
        """
        autodetect = truth(self.autodetect, "autodetect")
        if self.schema and autodetect:
            raise ConfigurationError("schema clashes with autodetect: give one of them")
        self.check_csv_only("source_format", "skip_leading_rows", "field_delimiter")
        fields = {
            **source,
            "destinationTable": table_reference(self.destination_table, project, "destination_table"),
            "schema": {"fields": table_schema(self.schema, "schema")} if self.schema else None,
            "autodetect": autodetect,
            "sourceFormat": self.source_format,
            "writeDisposition": self.write_disposition,
            "createDisposition": self.create_disposition,
            "skipLeadingRows": not_negative("skip_leading_rows", self.skip_leading_rows),
            "fieldDelimiter": self.field_delimiter,
            "maxBadRecords": not_negative("max_bad_records", self.max_bad_records),
        }
        return {"load": with_options(fields, self.options)}


class BigQueryLoadOperator(_LoadingOperator):
    """Load files from Cloud Storage into a table; see the base class for the other parameters.

    :param source_uris: ``gs://bucket/object``, one or several; an object may hold one ``*``.
    """

    template_fields = ("source_uris", *_LoadingOperator.template_fields)

    def __init__(self, *, source_uris: str | Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source_uris = source_uris

    def configuration_of(self, project: str) -> dict[str, Any]:
        """Return the configuration of a load job."""
        return self.load_configuration(project, {"sourceUris": gcs_uris(self.source_uris, "source_uris")})
