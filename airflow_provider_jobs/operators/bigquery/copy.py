"""Tables copied into another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.configuration import listed_values, with_options
from airflow_provider_jobs.clients.bigquery.names import table_reference
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.bigquery.job import BigQueryJobOperator, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class BigQueryCopyOperator(BigQueryJobOperator):
    """Copy one table, or several of equal schema, into another.

    :param source_tables: One table or a list, as :data:`.Table` has them.
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
        tables = listed_values(self.source_tables, "source_tables")
        if not tables:
            raise ConfigurationError("source_tables is empty: name a table")
        fields = {
            "sourceTables": [
                table_reference(table, project, "source_tables", is_read=True) for table in tables
            ],
            "destinationTable": table_reference(self.destination_table, project, "destination_table"),
            "writeDisposition": self.write_disposition,
            "createDisposition": self.create_disposition,
        }
        return {"copy": with_options(fields, self.options)}
