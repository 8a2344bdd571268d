"""Files of Cloud Storage loaded into a table, with the names and defaults of Google's operator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jobs.clients.bigquery.configuration import (
    file_format,
    gcs_uris,
    not_negative,
    table_schema,
)
from airflow_provider_jobs.clients.bigquery.names import check_labels, table_reference
from airflow_provider_jobs.clients.bigquery.read import column_name, query_rows, start_query, table_name
from airflow_provider_jobs.core.work import truth
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.bigquery.google_parameters import GoogleParameters
from airflow_provider_jobs.operators.bigquery.job import BigQueryJobOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.core.work import JobRequest, Submission
    from airflow_provider_jobs.jobs import JobStatus

__all__ = ["GCSToBigQueryOperator"]

#: Options of a Parquet file, which the API has one level deeper than ``src_fmt_configs`` does.
_PARQUET_OPTIONS = frozenset({"enumAsString", "enableListInference", "mapTargetType"})


class _FileOptions(GoogleParameters, BigQueryJobOperator):
    """How the files are read.

    :param source_format: ``CSV``, ``NEWLINE_DELIMITED_JSON``, ``PARQUET``, ``AVRO``, ``ORC``,
        ``DATASTORE_BACKUP``; in lower case too.
    :param compression: Without effect: BigQuery sees it by itself.
    :param skip_leading_rows: Header lines of each CSV file.
    :param field_delimiter: Of CSV.
    :param max_bad_records: Rows that may be wrong before the job fails.
    :param quote_character: Of CSV; BigQuery's default is a double quote.
    :param ignore_unknown_values: Drop values that no column takes.
    :param allow_quoted_newlines: Line ends may be within quotes of CSV.
    :param allow_jagged_rows: The last columns of a CSV row may be missing.
    :param encoding: Of CSV.
    """

    def __init__(
        self,
        *,
        source_format: str = "CSV",
        compression: str = "NONE",
        skip_leading_rows: int | None = None,
        field_delimiter: str = ",",
        max_bad_records: int = 0,
        quote_character: str | None = None,
        ignore_unknown_values: bool = False,
        allow_quoted_newlines: bool = False,
        allow_jagged_rows: bool = False,
        encoding: str = "UTF-8",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_format = file_format(source_format, "source_format")
        self.compression = compression
        self.skip_leading_rows = skip_leading_rows
        self.field_delimiter = field_delimiter
        self.max_bad_records = max_bad_records
        self.quote_character = quote_character
        self.ignore_unknown_values = ignore_unknown_values
        self.allow_quoted_newlines = allow_quoted_newlines
        self.allow_jagged_rows = allow_jagged_rows
        self.encoding = encoding

    def _reading(self) -> dict[str, Any]:
        """Return the fields of JobConfigurationLoad that say how files are read."""
        fields = {
            "sourceFormat": self.source_format,
            "ignoreUnknownValues": truth(self.ignore_unknown_values, "ignore_unknown_values"),
            "maxBadRecords": not_negative("max_bad_records", self.max_bad_records) or None,
        }
        if self.source_format != "CSV":
            return fields
        return {
            **fields,
            "skipLeadingRows": not_negative("skip_leading_rows", self.skip_leading_rows),
            "fieldDelimiter": self.field_delimiter,
            "quote": self.quote_character,
            "allowQuotedNewlines": truth(self.allow_quoted_newlines, "allow_quoted_newlines"),
            "allowJaggedRows": truth(self.allow_jagged_rows, "allow_jagged_rows") or None,
            "encoding": self.encoding,
        }


class _TableOptions(_FileOptions):
    """What the table is like.

    :param schema_fields: The API's fields, ``[{"name": …, "type": …, "mode": …}]``.
    :param schema_object: A JSON file of them in Cloud Storage, if not ``schema_fields``.
    :param schema_object_bucket: Its bucket; default is that of the files.
    :param autodetect: Let BigQuery find the schema in the files; None leaves it to the table that is there.
    :param schema_update_options: ``ALLOW_FIELD_ADDITION`` and ``ALLOW_FIELD_RELAXATION``.
    :param time_partitioning: As the API's TimePartitioning.
    :param range_partitioning: As the API's RangePartitioning.
    :param cluster_fields: Columns to cluster by.
    :param description: Of a new table.
    :param encryption_configuration: As the API's EncryptionConfiguration.
    """

    def __init__(
        self,
        *,
        schema_fields: Sequence[Mapping[str, Any]] | str | None = None,
        schema_object: str | None = None,
        schema_object_bucket: str | None = None,
        autodetect: bool | None = True,
        schema_update_options: Sequence[str] = (),
        time_partitioning: Mapping[str, Any] | None = None,
        range_partitioning: Mapping[str, Any] | None = None,
        cluster_fields: Sequence[str] | None = None,
        description: str | None = None,
        encryption_configuration: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if time_partitioning and range_partitioning:
            raise ValueError("time_partitioning clashes with range_partitioning: give one of them")
        self.schema_fields = schema_fields
        self.schema_object = schema_object
        self.schema_object_bucket = schema_object_bucket
        self.autodetect = autodetect
        self.schema_update_options = schema_update_options
        self.time_partitioning = time_partitioning
        self.range_partitioning = range_partitioning
        self.cluster_fields = cluster_fields
        self.description = description
        self.encryption_configuration = encryption_configuration

    def _table(self, table_id: str) -> dict[str, Any]:
        """Return the fields of JobConfigurationLoad that say what the table is like."""
        properties = {
            "labels": check_labels(self.labels, "labels") or None,
            "description": self.description,
        }
        properties = {name: value for name, value in properties.items() if value is not None}
        # A partition that is named is a day, unless something else is said.
        is_day = "$" in table_id and not self.range_partitioning
        partitions = {**({"type": "DAY"} if is_day else {}), **(self.time_partitioning or {})}
        return {
            "autodetect": truth(self.autodetect, "autodetect"),
            "schemaUpdateOptions": _words(self.schema_update_options) or None,
            "timePartitioning": partitions or None,
            "rangePartitioning": self.range_partitioning or None,
            "clustering": {"fields": _words(self.cluster_fields)} if self.cluster_fields else None,
            "destinationTableProperties": properties or None,
            "destinationEncryptionConfiguration": self.encryption_configuration or None,
        }


class GCSToBigQueryOperator(_TableOptions):
    """Load files from Cloud Storage into a table; takes over from Google's operator of the same name.

    The result is a dict, as :class:`.BigQueryLoadOperator` has it; with ``max_id_key`` the largest value as
    text. Labels are the job's and those of a new table. See the base classes for the other parameters.

    :param bucket: The bucket of the files.
    :param source_objects: Names in it, one or several; each may hold one ``*``.
    :param destination_project_dataset_table: The table, ``project.dataset.table`` or ``dataset.table``.
    :param create_disposition: ``CREATE_IF_NEEDED`` or ``CREATE_NEVER``.
    :param write_disposition: ``WRITE_EMPTY``, ``WRITE_APPEND`` or ``WRITE_TRUNCATE``.
    :param max_id_key: A column whose largest value is the result, asked for by a query after the load.
    :param src_fmt_configs: More fields of the API's JobConfigurationLoad; of Parquet its options.
    :param extra_config: More fields of it, nested as the API has them; they go before all others.
    :param external_table: Refused if True, since it is not a job: see ``CREATE EXTERNAL TABLE``.
    :param force_delete: Delete the table before the first load of the work is submitted.
    """

    template_fields = (
        "bucket",
        "source_objects",
        "schema_fields",
        "schema_object",
        "schema_object_bucket",
        "schema_update_options",
        "cluster_fields",
        "destination_project_dataset_table",
        "src_fmt_configs",
        "extra_config",
        *BigQueryJobOperator.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"schema_fields": "json"}

    def __init__(
        self,
        *,
        bucket: str,
        source_objects: str | Sequence[str],
        destination_project_dataset_table: str | Mapping[str, str],
        create_disposition: str = "CREATE_IF_NEEDED",
        write_disposition: str = "WRITE_EMPTY",
        max_id_key: str | None = None,
        src_fmt_configs: Mapping[str, Any] | None = None,
        extra_config: Mapping[str, Any] | None = None,
        external_table: bool = False,
        force_delete: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if external_table:
            raise ValueError(
                "external_table is not a job: run CREATE EXTERNAL TABLE, or keep Google's operator"
            )
        self.bucket = bucket
        self.source_objects = source_objects
        self.destination_project_dataset_table = destination_project_dataset_table
        self.create_disposition = create_disposition
        self.write_disposition = write_disposition
        self.max_id_key = max_id_key
        self.src_fmt_configs = src_fmt_configs
        self.extra_config = extra_config
        self.external_table = external_table
        self.force_delete = force_delete
        self._max_id = ""

    def configuration_of(self, project: str) -> dict[str, Any]:
        """Return the configuration of a load job, with the schema as far as it is known."""
        if not (self.schema_fields or self.schema_object) and truth(self.autodetect, "autodetect") is False:
            raise ConfigurationError(
                "there is no schema: give schema_fields or schema_object, or let autodetect be True, or None "
                "for the schema of a table that is there"
            )
        if self.max_id_key:
            column_name(self.max_id_key, "max_id_key")
        names = [self.source_objects] if isinstance(self.source_objects, str) else list(self.source_objects)
        table = self._destination(project)
        fields = {
            "sourceUris": gcs_uris([f"gs://{self.bucket}/{name}" for name in names], "source_objects"),
            "destinationTable": table,
            "createDisposition": self.create_disposition,
            "writeDisposition": self.write_disposition,
            "schema": self._schema(self.schema_fields) if self.schema_fields else None,
            **self._reading(),
            **self._table(table["tableId"]),
            **self._more(),
        }
        return {"load": {name: value for name, value in fields.items() if value is not None}}

    def request(self, client: BigQueryClient, context: Context) -> JobRequest:
        """Return the work to submit; a schema that is an object is read before."""
        if self.schema_object and not self.schema_fields and self.source_format != "DATASTORE_BACKUP":
            found = client.read_object(self.schema_object_bucket or self.bucket, self.schema_object)
            try:
                self.schema_fields = json.loads(found)
            except ValueError:
                raise ConfigurationError(f"schema_object {self.schema_object} is not JSON") from None
        return super().request(client, context)

    def submissions(self, client: BigQueryClient, context: Context) -> Sequence[Submission]:
        """Submit the load, or adopt that of an earlier attempt; only before the first the table goes."""
        if truth(self.force_delete, "force_delete") and not client.was_submitted(
            self.request(client, context)
        ):
            table = self._destination(client.table_project)
            client.delete_table({**table, "tableId": table["tableId"].partition("$")[0]})
        return super().submissions(client, context)

    def ends_in_trigger(self) -> bool:
        """Return False if a worker has to ask for the largest value."""
        return not self.max_id_key and super().ends_in_trigger()

    def completed(
        self, client: BigQueryClient, context: Context, statuses: list[JobStatus]
    ) -> list[JobStatus]:
        """Return the statuses; the largest value is kept for the result."""
        if self.max_id_key:
            column, place = column_name(self.max_id_key, "max_id_key"), statuses[0].ref.location
            source = table_name(self._destination(client.table_project))
            sql = f"SELECT MAX({column}) AS max_value FROM {source}"  # noqa: S608 - names are checked
            ref = start_query(client, sql, location=place)
            (row,) = query_rows(client, ref, 1)
            self._max_id = str(row["max_value"] or 0)
            self.log.info("the largest %s is %s", self.max_id_key, self._max_id)
        return super().completed(client, context, statuses)

    def result(self, statuses: Sequence[JobStatus]) -> Any:
        """Return what is told of the job, or the largest value."""
        return self._max_id if self.max_id_key else super().result(statuses)

    def _destination(self, project: str) -> dict[str, str]:
        table = self.destination_project_dataset_table
        return table_reference(table, project, "destination_project_dataset_table")

    def _schema(self, fields: Sequence[Mapping[str, Any]] | str) -> dict[str, Any]:
        return {"fields": table_schema(fields, "schema_object" if self.schema_object else "schema_fields")}

    def _more(self) -> dict[str, Any]:
        """Return the fields that are given as the API has them."""
        given = dict(self.src_fmt_configs or {})
        if self.source_format == "PARQUET":
            nested = {name: given.pop(name) for name in _PARQUET_OPTIONS & given.keys()}
            given = {**given, **({"parquetOptions": nested} if nested else {})}
        return {**given, **(self.extra_config or {})}


def _words(given: str | Sequence[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())
