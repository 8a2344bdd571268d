"""Tables copied into another, with the names and defaults of Google's operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.names import table_reference
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.bigquery.google_parameters import GoogleParameters
from airflow_provider_jobs.operators.bigquery.job import BigQueryJobOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BigQueryToBigQueryOperator"]


class BigQueryToBigQueryOperator(GoogleParameters, BigQueryJobOperator):
    """Copy one table, or several of equal schema, into another; takes over from Google's operator.

    The result is a dict, as :class:`.BigQueryCopyOperator` has it.

    :param source_project_dataset_tables: One table or a list, ``project.dataset.table`` or ``dataset.table``;
        without a project in ``project_id``, else in the connection's.
    :param destination_project_dataset_table: Likewise.
    :param write_disposition: ``WRITE_EMPTY``, ``WRITE_APPEND`` or ``WRITE_TRUNCATE``.
    :param create_disposition: ``CREATE_IF_NEEDED`` or ``CREATE_NEVER``.
    :param encryption_configuration: As the API's EncryptionConfiguration.
    """

    template_fields = (
        "source_project_dataset_tables",
        "destination_project_dataset_table",
        *BigQueryJobOperator.template_fields,
    )

    def __init__(
        self,
        *,
        source_project_dataset_tables: str | Mapping[str, str] | Sequence[str | Mapping[str, str]],
        destination_project_dataset_table: str | Mapping[str, str],
        write_disposition: str = "WRITE_EMPTY",
        create_disposition: str = "CREATE_IF_NEEDED",
        encryption_configuration: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source_project_dataset_tables = source_project_dataset_tables
        self.destination_project_dataset_table = destination_project_dataset_table
        self.write_disposition = write_disposition
        self.create_disposition = create_disposition
        self.encryption_configuration = encryption_configuration

    def configuration_of(self, project: str) -> dict[str, Any]:
        """Return the configuration of a copy job."""
        sources, project = self.source_project_dataset_tables, self.project_id or project
        tables = [sources] if isinstance(sources, str | Mapping) else list(sources)
        if not tables:
            raise ConfigurationError("source_project_dataset_tables is empty: name a table")
        name = "source_project_dataset_tables"
        target = self.destination_project_dataset_table
        fields = {
            "sourceTables": [table_reference(table, project, name, is_read=True) for table in tables],
            "destinationTable": table_reference(target, project, "destination_project_dataset_table"),
            "writeDisposition": self.write_disposition,
            "createDisposition": self.create_disposition,
        }
        if self.encryption_configuration:
            fields["destinationEncryptionConfiguration"] = dict(self.encryption_configuration)
        return {"copy": fields}
