"""The analyzer's trees as DuckDB's SQL: only what is known to mean exactly the same there.

Each column of a tree has a number, and is called by it: ``c12``. Whatever is neither written here nor in
``exact`` has no translation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import names
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.trees import has, kind, leaf, part
from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.values import NoSuchType, field_of, reader, shape
from airflow_provider_jobs.sandbox.bigquery.engine.sql.exact import (
    AGGREGATES,
    ANY,
    CASTS,
    DATE_PARTS,
    FUNCTIONS,
    JOINS,
    ORDERED,
    PARTS,
    RANKS,
    TYPED_AGGREGATES,
    UNIONS,
    VARIADIC,
)
from airflow_provider_jobs.sandbox.bigquery.engine.store import quoted, text
from airflow_provider_jobs.sandbox.bigquery.engine.types import duck_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_jobs.sandbox.bigquery.engine.catalog import StoredTable

    Value = tuple[Any, Any]  # a type and a value

# An error that a query raises by itself starts with a mark, so that its text can be told from DuckDB's own.
ERROR_MARK = "\x01"
# An error that says that DuckDB does not know: then the answer is refused, not given.
UNKNOWN = "a number that is not finite"

MACROS = f"""
CREATE OR REPLACE MACRO bq_divide(a, b) AS CASE WHEN b = 0
    THEN error(chr(1) || 'division by zero: ' || a || ' / ' || b) ELSE CAST(a AS DOUBLE) / b END;
CREATE OR REPLACE MACRO bq_div(a, b) AS CASE WHEN b = 0
    THEN error(chr(1) || 'division by zero: DIV(' || a || ', ' || b || ')') ELSE a // b END;
CREATE OR REPLACE MACRO bq_mod(a, b) AS CASE WHEN b = 0
    THEN error(chr(1) || 'division by zero: MOD(' || a || ', ' || b || ')') ELSE a % b END;
CREATE OR REPLACE MACRO bq_series(a, b) AS generate_series(a, b), (a, b, step) AS CASE WHEN step = 0
    THEN error(chr(1) || 'Sequence step cannot be 0.') ELSE generate_series(a, b, step) END;
CREATE OR REPLACE MACRO bq_finite(x) AS CASE WHEN NOT isfinite(x) THEN error('{UNKNOWN}') ELSE x END;
"""


class NoTranslation(Exception):
    """DuckDB is not known to give the same answer; the text names what it is."""


def duck_sql(resolved: Any, tables: Mapping[str, StoredTable], values: Mapping[str, Value]) -> str:
    """Write an analyzed query in DuckDB's SQL.

    :param values: parameters, and variables of the script, by name.
    :raises NoTranslation: DuckDB may give another answer.
    """
    if kind(resolved) != "ResolvedQueryStmt" or resolved.is_value_table:
        raise NoTranslation(kind(resolved).removeprefix("Resolved"))
    writer = _Writer(tables, values)
    scan = writer.scan(resolved.query)
    columns = ", ".join(f"c{each.column.column_id}" for each in resolved.output_column_list)
    return f"SELECT {columns} FROM ({scan})"  # noqa: S608 - made of numbers, quoted names and constants


class _Writer:
    """Writes one query; what it writes of a user's is a constant or a quoted name."""

    def __init__(self, tables: Mapping[str, StoredTable], values: Mapping[str, Value]) -> None:
        self._tables = tables
        self._values = {name.lower(): value for name, value in values.items()}
        self._with: dict[str, list[int]] = {}

    # -- rows --------------------------------------------------------------------------------------

    def scan(self, node: Any) -> str:
        """Write what gives rows."""
        node = leaf(node)
        write: Callable[[Any], str] | None = getattr(self, f"_{kind(node).removeprefix('Resolved')}", None)
        if write is None or part(node, "hint_list"):
            raise NoTranslation(kind(node).removeprefix("Resolved"))
        return write(node)

    def _SingleRowScan(self, node: Any) -> str:  # noqa: N802 - the analyzer's name
        return "SELECT 1"

    def _TableScan(self, node: Any) -> str:  # noqa: N802
        table = self._tables[node.table.name]
        columns = [*(quoted(each.name) for each in table.fields), "rowid"]
        chosen = zip(part(node, "column_list"), node.column_index_list, strict=True)
        listed = ", ".join(f"{columns[index]} AS c{column.column_id}" for column, index in chosen)
        return f"SELECT {listed or '1'} FROM {table.physical}"  # noqa: S608

    def _ProjectScan(self, node: Any) -> str:  # noqa: N802
        made = {each.column.column_id: self.value(each.expr) for each in node.expr_list}
        numbers = [each.column_id for each in part(node, "column_list")]
        listed = ", ".join(f"{made.get(number, f'c{number}')} AS c{number}" for number in numbers)
        return f"SELECT {listed or '1'} FROM ({self.scan(node.input_scan)})"  # noqa: S608

    def _FilterScan(self, node: Any) -> str:  # noqa: N802
        return f"SELECT * FROM ({self.scan(node.input_scan)}) WHERE {self.value(node.filter_expr)}"  # noqa: S608

    def _JoinScan(self, node: Any) -> str:  # noqa: N802
        if node.is_lateral:
            raise NoTranslation("LATERAL")
        join = JOINS[names("ResolvedJoinScanEnums.JoinType")[node.join_type]]
        on = self.value(node.join_expr) if node.HasField("join_expr") else "TRUE"
        columns = ", ".join(f"c{each.column_id}" for each in part(node, "column_list")) or "1"
        sides = f"({self.scan(node.left_scan)}) {join} ({self.scan(node.right_scan)})"
        return f"SELECT {columns} FROM {sides} ON {on}"  # noqa: S608

    def _ArrayScan(self, node: Any) -> str:  # noqa: N802
        if node.is_outer or node.HasField("join_expr") or len(node.array_expr_list) != 1:
            raise NoTranslation("UNNEST with a condition")
        array = self.value(node.array_expr_list[0])
        listed = f"unnest({array}) AS c{node.element_column_list[0].column_id}"
        if node.HasField("array_offset_column"):
            number = node.array_offset_column.column.column_id
            listed += f", unnest(range(len({array}))) AS c{number}"
        if not node.HasField("input_scan"):
            return f"SELECT {listed}"
        return f"SELECT *, {listed} FROM ({self.scan(node.input_scan)})"  # noqa: S608

    def _AggregateScan(self, node: Any) -> str:  # noqa: N802
        if part(node, "grouping_set_list") or part(node, "grouping_call_list"):
            raise NoTranslation("GROUPING SETS")
        groups = part(node, "group_by_list")
        for each in groups:
            self._type(each.column.type, ORDERED)
        listed = [f"{self.value(each.expr)} AS c{each.column.column_id}" for each in groups]
        listed += [
            f"{self._aggregate(leaf(each.expr))} AS c{each.column.column_id}"
            for each in map(leaf, part(node, "aggregate_list"))
        ]
        by = ", ".join(str(number) for number in range(1, len(groups) + 1))
        rows = f"SELECT {', '.join(listed) or '1'} FROM ({self.scan(part(node, 'input_scan'))})"  # noqa: S608
        return rows + (f" GROUP BY {by}" if by else "")

    def _OrderByScan(self, node: Any) -> str:  # noqa: N802
        columns = ", ".join(f"c{each.column_id}" for each in part(node, "column_list")) or "1"
        rows = f"SELECT {columns} FROM ({self.scan(node.input_scan)})"  # noqa: S608
        return f"{rows} ORDER BY {self._order(node.order_by_item_list)}"

    def _LimitOffsetScan(self, node: Any) -> str:  # noqa: N802
        limit = f"{self.scan(node.input_scan)} LIMIT {self.value(node.limit)}"
        if kind(leaf(node.input_scan)) != "ResolvedOrderByScan":
            limit = f"SELECT * FROM ({self.scan(node.input_scan)}) LIMIT {self.value(node.limit)}"  # noqa: S608
        return limit + (f" OFFSET {self.value(node.offset)}" if node.HasField("offset") else "")

    def _SetOperationScan(self, node: Any) -> str:  # noqa: N802
        operation = UNIONS.get(names("ResolvedSetOperationScanEnums.SetOperationType")[node.op_type])
        if operation is None:
            raise NoTranslation("set operations ALL")
        columns = part(node, "column_list")
        if operation != "UNION ALL":
            for each in columns:
                self._type(each.type, ORDERED)
        parts = []
        for item in node.input_item_list:
            pairs = zip(item.output_column_list, columns, strict=True)
            listed = ", ".join(f"c{given.column_id} AS c{wanted.column_id}" for given, wanted in pairs)
            parts.append(f"(SELECT {listed} FROM ({self.scan(item.scan)}))")  # noqa: S608
        return f" {operation} ".join(parts)

    def _WithScan(self, node: Any) -> str:  # noqa: N802
        if node.recursive:
            raise NoTranslation("WITH RECURSIVE")
        entries = []
        for each in node.with_entry_list:
            columns = part(leaf(each.with_subquery), "column_list")
            entries.append(f"{quoted(each.with_query_name)} AS ({self.scan(each.with_subquery)})")
            self._with[each.with_query_name] = [column.column_id for column in columns]
        return f"WITH {', '.join(entries)} {self.scan(node.query)}"

    def _WithRefScan(self, node: Any) -> str:  # noqa: N802
        pairs = zip(self._with[node.with_query_name], part(node, "column_list"), strict=True)
        listed = ", ".join(f"c{given} AS c{wanted.column_id}" for given, wanted in pairs)
        return f"SELECT {listed or '1'} FROM {quoted(node.with_query_name)}"  # noqa: S608

    def _AnalyticScan(self, node: Any) -> str:  # noqa: N802
        listed = ["*"]
        for group in node.function_group_list:
            by = ", ".join(f"c{each.column.column_id}" for each in group.partition_by.partition_by_list)
            for each in group.partition_by.partition_by_list:
                self._type(each.column.type, ORDERED)
            order = self._order(group.order_by.order_by_item_list)
            window = f"{f'PARTITION BY {by} ' if by else ''}{f'ORDER BY {order}' if order else ''}"
            for each in map(leaf, group.analytic_function_list):
                name = _function(leaf(each.expr))
                if name not in RANKS:
                    raise NoTranslation(f"{name} OVER")
                listed.append(f"{RANKS[name]} OVER ({window}) AS c{each.column.column_id}")
        return f"SELECT {', '.join(listed)} FROM ({self.scan(node.input_scan)})"  # noqa: S608

    def _order(self, items: Any) -> str:
        orders = names("ResolvedOrderByItemEnums.NullOrderMode")
        listed = []
        for item in items:
            self._type(item.column_ref.column.type, ORDERED)
            if item.HasField("collation_name"):
                raise NoTranslation("COLLATE")
            first = orders[item.null_order] == "NULLS_FIRST" or (
                orders[item.null_order] == "ORDER_UNSPECIFIED" and not item.is_descending
            )
            direction = "DESC" if item.is_descending else "ASC"
            listed.append(
                f"c{item.column_ref.column.column_id} {direction} NULLS {'FIRST' if first else 'LAST'}"
            )
        return ", ".join(listed)

    # -- values ------------------------------------------------------------------------------------

    def value(self, node: Any) -> str:
        """Write an expression."""
        node = leaf(node)
        write = {
            "ResolvedColumnRef": lambda: f"c{node.column.column_id}",
            "ResolvedLiteral": lambda: self._constant(node.value.type, node.value.value),
            "ResolvedParameter": lambda: self._constant(*self._values[node.name.lower()]),
            "ResolvedConstant": lambda: self._constant(*self._values[node.constant.name.lower()]),
            "ResolvedCast": lambda: self._cast(node),
            "ResolvedFunctionCall": lambda: self._call(node),
            "ResolvedSubqueryExpr": lambda: self._subquery(node),
            "ResolvedGetStructField": lambda: self._struct_field(node),
        }.get(kind(node))
        if write is None:
            raise NoTranslation(kind(node).removeprefix("Resolved"))
        return write()

    def _struct_field(self, node: Any) -> str:
        record = self._field(part(leaf(node.expr), "type"))
        return f"struct_extract({self.value(node.expr)}, {text(record.fields[node.field_idx].name)})"

    def _constant(self, value_type: Any, value: Any) -> str:
        field = self._field(value_type)
        found = reader(field)(value)
        if found is None:
            return f"CAST(NULL AS {duck_type(field)})"
        if field.repeated or field.type == "RECORD":
            return f"CAST(from_json({text(found)}, {text(shape(field))}) AS {duck_type(field)})"
        return text(found) if field.type == "STRING" else f"CAST({text(found)} AS {duck_type(field)})"

    def _cast(self, node: Any) -> str:
        source, target = (self._field(each) for each in (part(leaf(node.expr), "type"), part(node, "type")))
        if node.type_modifiers.HasField("type_parameters"):
            raise NoTranslation("CAST to a size")
        plain = not (node.return_null_on_error or node.HasField("format") or has(node, "time_zone"))
        same = (source.type, source.repeated, source.fields) == (target.type, target.repeated, target.fields)
        if same or (
            plain and not (source.repeated or target.repeated) and (source.type, target.type) in CASTS
        ):
            return f"CAST({self.value(node.expr)} AS {duck_type(target)})"
        raise NoTranslation(f"CAST from {source.sql_name} to {target.sql_name}")

    def _call(self, node: Any) -> str:
        name = _function(node)
        arguments = part(node, "argument_list")
        types = [part(leaf(each), "type") for each in arguments]
        if part(node, "error_mode") or part(node, "generic_argument_list"):
            raise NoTranslation(f"SAFE.{name.upper()}")
        written = {
            "round": lambda: self._round(arguments, types),
            "$in": lambda: self._in(arguments, types),
            "$divide": lambda: self._divide(arguments),
            "$case_no_value": lambda: self._case(name, arguments, types),
            "$case_with_value": lambda: self._case(name, arguments, types),
            **dict.fromkeys(DATE_PARTS, lambda: self._date_part(name, arguments)),
        }.get(name)
        return written() if written is not None else self._known(name, arguments, types)

    def _round(self, arguments: Any, types: Any) -> str:
        self._types(types[:1], {"FLOAT"})
        value, *digits = map(self.value, arguments)
        return f"round({value}{''.join(f', CAST({each} AS INTEGER)' for each in digits)})"

    def _in(self, arguments: Any, types: Any) -> str:
        self._types(types, ORDERED)
        first, *others = map(self.value, arguments)
        return f"({first} IN ({', '.join(others)}))"

    def _divide(self, arguments: Any) -> str:
        if not all(_is_cast_whole(leaf(each)) for each in arguments):
            raise NoTranslation("a quotient of FLOAT64")
        return f"bq_divide({', '.join(map(self.value, arguments))})"

    def _known(self, name: str, arguments: Any, types: Any) -> str:
        if name in VARIADIC:
            allowed, opening, separator = VARIADIC[name]
            self._types(types, allowed)
            return f"{opening}{separator.join(map(self.value, arguments))})"
        if name not in FUNCTIONS or f"{{{len(arguments)}}}" in FUNCTIONS[name][1]:
            raise NoTranslation(name.lstrip("$").upper())
        allowed, pattern = FUNCTIONS[name]
        if f"{{{len(arguments) - 1}}}" not in pattern:
            raise NoTranslation(name.lstrip("$").upper())
        self._types(types, allowed)
        return pattern.format(*map(self.value, arguments))

    def _case(self, name: str, arguments: Any, types: Any) -> str:
        self._types(types, ANY)
        written = list(map(self.value, arguments))
        opening = "CASE"
        if name == "$case_with_value":
            self._types(types[:1], ORDERED)
            opening = f"CASE {written.pop(0)}"
        otherwise = f" ELSE {written.pop()}" if len(written) % 2 else ""
        pairs = zip(written[::2], written[1::2], strict=True)
        return f"{opening}{''.join(f' WHEN {when} THEN {then}' for when, then in pairs)}{otherwise} END"

    def _date_part(self, name: str, arguments: Any) -> str:
        unit = PARTS.get(leaf(arguments[1]).value.value.enum_value) if len(arguments) == 2 else None  # noqa: PLR2004
        field = self._field(part(leaf(arguments[0]), "type"))
        if unit is None or field.type not in {"DATE", "TIMESTAMP", "DATETIME"}:
            raise NoTranslation(name.lstrip("$").upper())
        if name == "$extract":
            return f"extract('{unit}' FROM {self.value(arguments[0])})"
        return f"CAST(date_trunc('{unit}', {self.value(arguments[0])}) AS {duck_type(field)})"

    def _aggregate(self, node: Any) -> str:
        name, arguments = _function(node), part(node, "argument_list")
        plain = not (node.order_by_item_list or node.group_by_list or part(node, "error_mode"))
        if not plain or any(
            has(node, each) for each in ("having_modifier", "limit", "where_expr", "having_expr")
        ):
            raise NoTranslation(f"{name.upper()} with modifiers")
        types = [part(leaf(each), "type") for each in arguments]
        if part(node, "distinct"):
            self._types(types, ORDERED)
        only = self._field(types[0]).type if len(types) == 1 else ""
        pattern = TYPED_AGGREGATES.get((name, only))
        if pattern is None:
            if name not in AGGREGATES:
                raise NoTranslation(name.lstrip("$").upper())
            allowed, pattern = AGGREGATES[name]
            self._types(types, allowed)
        given = ", ".join(map(self.value, arguments))
        return pattern.format(f"DISTINCT {given}" if part(node, "distinct") else given)

    def _subquery(self, node: Any) -> str:
        what = names("ResolvedSubqueryExprEnums.SubqueryType")[node.subquery_type]
        rows = self.scan(node.subquery)
        if what == "EXISTS":
            return f"EXISTS({rows})"
        self._type(part(leaf(node.subquery), "column_list")[0].type, ORDERED if what == "IN" else ANY)
        if what == "SCALAR":
            return f"({rows})"
        if what == "IN":
            return f"({self.value(node.in_expr)} IN ({rows}))"
        raise NoTranslation(f"{what} subquery")

    def _types(self, types: Any, allowed: set[str]) -> None:
        for each in types:
            self._type(each, allowed)

    def _type(self, given: Any, allowed: set[str]) -> None:
        field = self._field(given)
        if field.repeated or field.type not in allowed | {"BOOLEAN"}:
            raise NoTranslation(f"values of type {field.sql_name}")

    @staticmethod
    def _field(given: Any) -> Any:
        try:
            return field_of("value", given)
        except NoSuchType as error:
            raise NoTranslation(f"values of type {error}") from error


def _function(node: Any) -> str:
    """Give a function's name; one of the script's has no translation."""
    group, _, name = part(node, "function").name.partition(":")
    if group != "ZetaSQL":
        raise NoTranslation(f"the function {name or group}")
    return str(name)


def _is_cast_whole(node: Any) -> bool:
    """Whether a number of FLOAT64 is a whole one: a quotient of two such is finite."""
    if kind(node) == "ResolvedCast":
        return bool(field_of("value", part(leaf(node.expr), "type")).type == "INTEGER")
    return kind(node) == "ResolvedLiteral" and float(node.value.value.double_value).is_integer()
