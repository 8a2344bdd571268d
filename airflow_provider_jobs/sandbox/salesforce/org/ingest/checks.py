"""Finds the records of a batch that fail, in the order in which Salesforce would look.

The table ``batch`` has for each record of the file: n, the texts c0 …, the values v0 …, ``error`` (the first
thing that is wrong), ``target`` (the record that is meant, or will be) and ``created``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.ingest.columns import column_of
from airflow_provider_jobs.sandbox.salesforce.org.ingest.values import converted, given, problems
from airflow_provider_jobs.sandbox.salesforce.org.value_macros import literal

if TYPE_CHECKING:
    import duckdb

    from airflow_provider_jobs.sandbox.salesforce.org.ingest.columns import InputColumn
    from airflow_provider_jobs.sandbox.salesforce.org.model import Field, SObject

_DELETED = literal("ENTITY_IS_DELETED:entity is deleted:--")
_UNKNOWN = literal("INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--")


class Batch:
    """The records of one job, and what is known to be wrong with them."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, of: SObject, columns: list[InputColumn]) -> None:
        self.cursor = cursor
        self.object = of
        self.columns = columns

    def build(self, limit: int | None) -> None:
        """Convert the staged texts of the first records."""
        values = "".join(f"{converted(each)} AS {each.value}, " for each in self.columns if each.converted)
        where = "" if limit is None else f"WHERE n < {limit:d}"
        self.cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE batch AS SELECT *, {values}NULL::VARCHAR AS error, "  # noqa: S608 - our names
            f"NULL::VARCHAR AS target, NULL::BIGINT AS number, false AS created FROM staged {where}"
        )

    def fail(self, condition: str, error: str) -> None:
        """Give every record of which the condition holds an error, unless it has one."""
        self.cursor.execute(f"UPDATE batch SET error = {error} WHERE error IS NULL AND ({condition})")  # noqa: S608 - our names

    # -- which record is meant --------------------------------------------------------------------

    def find_by_id(self, column: InputColumn, *, required: bool) -> None:
        """Take the record that an Id names; without one, none, or an error."""
        of = self.object
        if required:
            self.fail(f"NOT ({given(column)})", literal("MISSING_ARGUMENT:Id not specified:--"))
        start = literal(f"MALFORMED_ID:{of.label} ID: id value of incorrect type: ")
        wrong = f"{column.value} IS NULL OR substr({column.raw}, 1, 3) <> '{of.key_prefix}'"
        self.fail(f"{given(column)} AND ({wrong})", f"{start} || {column.raw} || ':Id --'")
        self.cursor.execute(
            f'UPDATE batch SET target = found."Id" FROM {of.table} AS found '  # noqa: S608 - our names
            f'WHERE error IS NULL AND found."Id" = {column.value}'
        )
        self.fail(f"{column.value} IS NOT NULL AND target IS NULL", _UNKNOWN)
        self._fail_if_deleted(of, "target")
        self._fail_repeated(
            column.value, f"'DUPLICATE_VALUE:Duplicate id specified: ' || {column.value} || ':Id --'"
        )

    def find_by_key(self, column: InputColumn) -> None:
        """Take the record that has the external id, if one has it."""
        name = column.field.name
        self.fail(f"NOT ({given(column)})", literal(f"MISSING_ARGUMENT:{name} not specified:{name} --"))
        start = literal("DUPLICATE_VALUE:Duplicate external id specified: ")
        self._fail_repeated(f"lower({column.value})", f"{start} || {column.raw} || {literal(f':{name} --')}")
        self._find(self.object, column.field, column.value, "target")

    def _find(self, of: SObject, key: Field, value: str, into: str) -> None:
        """Take the Ids of the records that have a key, one each."""
        self.cursor.execute(
            f'CREATE OR REPLACE TEMP TABLE found AS SELECT lower({key.column}) AS key, min("Id") AS id, '  # noqa: S608 - our names
            f'string_agg("Id", \', \' ORDER BY "Id") AS ids, count(*) AS number FROM {of.table} '
            f'WHERE NOT "IsDeleted" AND {key.column} IS NOT NULL GROUP BY 1'
        )
        start = literal("DUPLICATE_EXTERNAL_ID:more than one record found for external id field: [")
        self.fail(
            f"lower({value}) IN (SELECT key FROM found WHERE number > 1)",  # noqa: S608 - our names
            f"(SELECT {start} || ids || ']:{key.name} --' FROM found WHERE key = lower({value}))",  # noqa: S608 - our names
        )
        self.cursor.execute(
            f"UPDATE batch SET {into} = found.id FROM found WHERE error IS NULL AND key = lower({value})"  # noqa: S608 - our names
        )

    def _fail_repeated(self, key: str, error: str) -> None:
        """Fail all records with one key but the first."""
        first = f"SELECT min(n) FROM batch WHERE error IS NULL AND {key} IS NOT NULL GROUP BY {key}"  # noqa: S608 - our names
        self.fail(f"{key} IS NOT NULL AND n NOT IN ({first})", error)

    def _fail_if_deleted(self, of: SObject, column: str) -> None:
        if "IsDeleted" in of.columns:
            deleted = f'SELECT "Id" FROM {of.table} WHERE "IsDeleted"'  # noqa: S608 - our names
            self.fail(f"{column} IN ({deleted})", _DELETED)

    # -- what is to be written --------------------------------------------------------------------

    def check_values(self, identifying: InputColumn | None) -> None:
        """Check what can be seen in a value alone, and the records that references point to."""
        for column in self.columns:
            if column is identifying and column.field.type == "id":
                continue
            for condition, error in problems(column):
                self.fail(condition, error)
            if column.parent is not None:
                self._find_parent(column)
            elif column.field.type == "reference" and column.field.writable:
                self._check_parent(column)

    def _check_parent(self, column: InputColumn) -> None:
        known = " UNION ALL ".join(f'SELECT "Id" FROM {each.table}' for each in column.targets)  # noqa: S608 - our names
        self.fail(f"{column.value} IS NOT NULL AND {column.value} NOT IN ({known})", _UNKNOWN)
        for parent in column.targets:
            self._fail_if_deleted(parent, column.value)

    def _find_parent(self, column: InputColumn) -> None:
        """Replace the parent's external id by its Id."""
        if column.parent is None:
            return
        parent, key = column.parent.object, column.parent.key
        self._find(parent, key, column.raw, column.value)
        start = literal("INVALID_FIELD:Foreign key external ID: ")
        end = literal(f" not found for field {key.name} in entity {parent.name}:--")
        self.fail(f"{given(column)} AND {column.value} IS NULL", f"{start} || {column.raw} || {end}")

    def check_required(self) -> None:
        """Check that new records have all they need, and that old ones keep it."""
        missing_new, missing_old = [], []
        for field in self.object.fields:
            if not field.required:
                continue
            column = column_of(self.columns, field.name)
            name = literal(field.name)
            if field.default == "NULL":
                missing_new.append(f"CASE WHEN {column.value} IS NULL THEN {name} END" if column else name)
            if column:
                missing_old.append(f"CASE WHEN {column.raw} = '#N/A' THEN {name} END")
        for condition, parts in (("target IS NULL", missing_new), ("target IS NOT NULL", missing_old)):
            if parts:
                names = f"concat_ws(', ', {', '.join(parts)})"
                start = literal("REQUIRED_FIELD_MISSING:Required fields are missing: [")
                error = f"{start} || {names} || ']:' || {names} || ' --'"
                self.fail(f"{condition} AND {names} <> ''", error)

    def number_new(self, newest: int) -> int:
        """Give new records the numbers and ids after the newest; give the newest of these."""
        self.cursor.execute(
            "UPDATE batch SET created = true, number = counted.number, "  # noqa: S608 - our names
            f"target = sf_id('{self.object.key_prefix}', counted.number) FROM "
            f"(SELECT n, {newest:d} + row_number() OVER (ORDER BY n) AS number FROM batch "
            "WHERE error IS NULL AND target IS NULL) AS counted WHERE counted.n = batch.n"
        )
        found = self.cursor.execute("SELECT max(number) FROM batch").fetchone()
        return int(found[0]) if found and found[0] is not None else newest

    def check_unique(self, matched: InputColumn | None) -> None:
        """Check that no two records get the same external id."""
        for column in self.columns:
            if column.field.external_id and column is not matched and column.parent is None:
                self._check_unique(column, column.field)

    def _check_unique(self, column: InputColumn, field: Field) -> None:
        start = literal(
            f"DUPLICATE_VALUE:duplicate value found: {field.name} duplicates value on record with id: "
        )
        key = f"lower({column.value})"
        others = (
            f'SELECT lower({field.column}) AS key, min("Id") AS id FROM {self.object.table} '  # noqa: S608 - our names
            f'WHERE {field.column} IS NOT NULL AND NOT "IsDeleted" GROUP BY 1'
        )
        self.cursor.execute(
            f"UPDATE batch SET error = {start} || others.id || ':--' FROM ({others}) AS others "  # noqa: S608 - our names
            f"WHERE error IS NULL AND {key} = others.key AND target <> others.id"
        )
        first = (
            f"SELECT {key} AS key, min(n) AS n, arg_min(target, n) AS id FROM batch "  # noqa: S608 - our names
            f"WHERE error IS NULL AND {key} IS NOT NULL GROUP BY 1"
        )
        self.cursor.execute(
            f"UPDATE batch SET error = {start} || first.id || ':--' FROM ({first}) AS first "  # noqa: S608 - our names
            f"WHERE error IS NULL AND {key} = first.key AND batch.n <> first.n"
        )
