"""BigQuery's SQL for records that are staged as text: names, columns, and the casts that make values of
texts.

A name becomes a part of a statement only here, checked and in backticks. Values go as query parameters;
nothing of a record ever becomes SQL.
Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.configuration import query_parameters
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The instant up to which a row's run was complete; the largest is the target's mark.
SYNCED_TO = "_synced_to"
#: When a row was written last, by BigQuery's clock.
LOADED_AT = "_loaded_at"
#: When a sweep found that the record is gone.
DELETED_AT = "_deleted_at"
#: Columns that the target has besides the record's; all TIMESTAMP.
OWN_COLUMNS = (SYNCED_TO, LOADED_AT, DELETED_AT)
#: Columns of one table. Source: https://cloud.google.com/bigquery/quotas#standard_tables
MOST_COLUMNS = 10_000
#: Characters of one query; BigQuery's limit is 1 MB. Source: https://cloud.google.com/bigquery/quotas#query_jobs
MOST_QUERY_CHARACTERS = 1_000_000
#: What a field becomes: Salesforce's names have no other characters.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,299}")
#: What a column of a table may be called that others have made.
#: Source: https://cloud.google.com/bigquery/docs/schemas#flexible-column-names
_ANY_NAME = re.compile(r"[^\x00-\x1f!\"$()*,./;?@\[\\\]^`{}~]{1,300}")
#: Texts that hold no NUL: what Salesforce makes itself, or an administrator names.
_WITHOUT_NUL = frozenset({"id", "reference", "multipicklist"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the target, and the field of Salesforce that fills it.

    :param path: The field as SOQL and the header of the results have it, such as ``Owner.Name``.
    :param name: The column's name, such as ``Owner_Name``.
    :param kind: The field's type as Salesforce describes it.
    :param type: The column's type, as GoogleSQL has it.
    :param calculated: The value may change while the record's stamps stay: a formula, or a field of a parent.
    """

    path: str
    name: str
    kind: str
    type: str
    calculated: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"{shown(self.path, 80)!r} cannot become a column: letters from a to z, digits and _, at "
                "most 300"
            )


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL, and the values of its parameters."""

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (size := len(self.sql.encode())) > MOST_QUERY_CHARACTERS:
            raise ConfigurationError(
                f"the statement would have {size:,} bytes, and BigQuery takes "
                f"{MOST_QUERY_CHARACTERS:,}: leave fields out with exclude_fields"
            )

    def query(self) -> dict[str, Any]:
        """Return the fields of the API's JobConfigurationQuery."""
        return {"query": self.sql, "useLegacySql": False, **query_parameters(self.parameters)}


def quoted(name: str) -> str:
    """Return a column's name in backticks.

    :raises ConfigurationError: no column of BigQuery can have it.
    """
    if not isinstance(name, str) or not _ANY_NAME.fullmatch(name):
        raise ConfigurationError(f"{shown(name, 80)!r} is not the name of a column")
    return f"`{name}`"


def table_path(table: Mapping[str, str]) -> str:
    """Return the SQL of a TableReference that :func:`.table_reference` has checked.

    :raises ConfigurationError: it names a part of a table, or what no statement can.
    """
    parts = (table["projectId"], *table["datasetId"].split("."), table["tableId"])
    for part in parts:
        if not part or re.search(r"[`\\$@*\x00-\x1f]", part):
            raise ConfigurationError(
                f"{shown('.'.join(parts), 200)!r} is not a whole table: give one without $, @ and *"
            )
    return ".".join(f"`{part}`" for part in parts)


def cast(column: Column, *, safe: bool = False) -> str:
    """Return the SQL that makes a column's value of the staged text of that name; empty text is NULL.

    :param safe: NULL for what is not a value of the type; otherwise the statement fails.
    """
    staged = quoted(column.name)
    text = f"NULLIF({staged}, '')"
    function = "SAFE_CAST" if safe else "CAST"
    match column.type:
        case "ARRAY<STRING>":
            return f"SPLIT({text}, ';')"
        case "STRING" if column.kind in _WITHOUT_NUL:
            return text
        case "STRING":
            return f"NULLIF(REPLACE({staged}, CHR(0), ''), '')"
        case "INT64":
            return _whole_number(column, text, function)
        case "TIME":
            return f"{function}(RTRIM({text}, 'Z') AS TIME)"
        case _:
            return f"{function}({text} AS {column.type})"


def _whole_number(column: Column, text: str, function: str) -> str:
    """Return the cast to INT64, which reads neither ``0.0`` nor ``1.6E13``, and would round ``1.5``."""
    number = f"{function}({text} AS NUMERIC)"
    said = f"CONCAT('{column.name} of ', `Id`, ' is not a whole number: ', {quoted(column.name)})"
    other = "NULL" if function == "SAFE_CAST" else f"ERROR({said})"
    return f"{function}(IF(MOD({number}, 1) != 0, {other}, {number}) AS INT64)"


def is_bad(column: Column) -> str | None:
    """Return the condition that a staged text is not a value of the column's type; None if all are."""
    if column.type in {"STRING", "ARRAY<STRING>"}:
        return None
    return f"({quoted(column.name)} != '' AND {cast(column, safe=True)} IS NULL)"
