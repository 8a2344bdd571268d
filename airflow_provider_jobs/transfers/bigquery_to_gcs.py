"""A table written to files in Cloud Storage, with the names and defaults of Google's operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.configuration import file_format, gcs_uris
from airflow_provider_jobs.clients.bigquery.names import table_reference
from airflow_provider_jobs.core.work import truth
from airflow_provider_jobs.operators.bigquery.google_parameters import GoogleParameters
from airflow_provider_jobs.operators.bigquery.job import BigQueryJobOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from airflow_provider_jobs.core.work import Submission
    from airflow_provider_jobs.jobs import JobStatus

__all__ = ["BigQueryToGCSOperator"]


class BigQueryToGCSOperator(GoogleParameters, BigQueryJobOperator):
    """Write a table to files in Cloud Storage; takes over from Google's operator of the same name.

    The result is ``destination_cloud_storage_uris``, as that operator's is; the dict is the XCom ``job``.

    :param source_project_dataset_table: The table, ``project.dataset.table`` or ``dataset.table``.
    :param destination_cloud_storage_uris: ``gs://bucket/object``, one or several; with a ``*`` BigQuery
        writes as many files as it needs.
    :param compression: ``NONE``, ``GZIP``, ``DEFLATE``, ``SNAPPY`` or ``ZSTD``, as the format allows.
    :param export_format: ``CSV``, ``NEWLINE_DELIMITED_JSON``, ``PARQUET`` or ``AVRO``; in lower case too.
    :param field_delimiter: Of CSV.
    :param print_header: Begin each CSV file with the column names.
    """

    template_fields = (
        "source_project_dataset_table",
        "destination_cloud_storage_uris",
        "export_format",
        *BigQueryJobOperator.template_fields,
    )

    def __init__(
        self,
        *,
        source_project_dataset_table: str | Mapping[str, str],
        destination_cloud_storage_uris: str | Sequence[str],
        compression: str = "NONE",
        export_format: str = "CSV",
        field_delimiter: str = ",",
        print_header: bool = True,
        force_rerun: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(force_rerun=force_rerun, **kwargs)
        self.source_project_dataset_table = source_project_dataset_table
        self.destination_cloud_storage_uris = destination_cloud_storage_uris
        self.compression = compression
        self.export_format = export_format
        self.field_delimiter = field_delimiter
        self.print_header = print_header

    def configuration_of(self, project: str) -> dict[str, Any]:
        """Return the configuration of an extract job."""
        table, uris = self.source_project_dataset_table, self.destination_cloud_storage_uris
        fields: dict[str, Any] = {
            "sourceTable": table_reference(table, project, "source_project_dataset_table", is_read=True),
            "destinationUris": gcs_uris(uris, "destination_cloud_storage_uris"),
            "destinationFormat": file_format(self.export_format, "export_format"),
            "compression": file_format(self.compression, "compression"),
        }
        if fields["destinationFormat"] == "CSV":
            fields["fieldDelimiter"] = self.field_delimiter
            fields["printHeader"] = truth(self.print_header, "print_header")
        return {"extract": fields}

    def submissions(self, client: BigQueryClient, context: Context) -> Sequence[Submission]:
        """Submit the job, or adopt it; a trigger that ends the task has to know whether one URI was given."""
        self._carried["one_uri"] = isinstance(self.destination_cloud_storage_uris, str)
        return super().submissions(client, context)

    @classmethod
    def xcoms(cls, client: Any, statuses: list[JobStatus], carried: dict[str, Any]) -> dict[str, Any]:
        """Return the XComs of a task whose job has succeeded, its result the URIs as they were given."""
        uris = statuses[0].statistics["destination_uris"]
        result = uris[0] if carried.get("one_uri") else uris
        return {**super().xcoms(client, statuses, carried), "return_value": result}

    def result(self, statuses: Sequence[JobStatus]) -> Any:
        """Return the URIs."""
        return self.destination_cloud_storage_uris
