"""What BigQuery refuses before a query runs and DuckDB would let pass: types that do not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from sqlglot import exp

from airflow_provider_jobs.sandbox.bigquery.engine.sql.clause_checks import inserted_rows
from airflow_provider_jobs.sandbox.bigquery.engine.sql.known_types import (
    NUMBERS,
    SCALARS,
    TIMES,
    KnownTypes,
    spelled,
)
from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import Statement
    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_CLAUSES: dict[type[exp.Expr], str] = {exp.Where: "WHERE", exp.Having: "HAVING", exp.Qualify: "QUALIFY"}

# https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_rules
_CASTS = {
    "INT64": {"BOOL", "STRING", *NUMBERS},
    "BOOL": {"BOOL", "INT64", "STRING"},
    "DATE": {"STRING", "DATE", "DATETIME", "TIMESTAMP"},
    "DATETIME": {"STRING", *TIMES},
    "TIME": {"STRING", "TIME"},
    "TIMESTAMP": {"STRING", *TIMES},
    "STRING": {"BYTES", *SCALARS},
    "BYTES": {"BYTES", "STRING"},
    "ARRAY": {"ARRAY"},
    "STRUCT": {"STRUCT"},
    "FLOAT64": {"STRING", *NUMBERS},
    "NUMERIC": {"STRING", *NUMBERS},
    "BIGNUMERIC": {"STRING", *NUMBERS},
}
_WIDENED = {
    "INT64": NUMBERS,
    "NUMERIC": {"NUMERIC", "BIGNUMERIC", "FLOAT64"},
    "BIGNUMERIC": {"BIGNUMERIC", "FLOAT64"},
    "DATE": {"DATE", "DATETIME"},
}


def check_types(
    tree: exp.Expr,
    statement: Statement,
    columns: Iterable[Field],
    hidden: Iterable[str],
    target: Sequence[Field],
) -> None:
    """Refuse operands, arguments and assigned values of wrong types; what is in doubt passes.

    :param columns: All columns of the tables that are read.
    :param hidden: Names that mean something else, too: the variables of a script.
    :param target: The columns of the table that the statement changes.
    :raises JobProblem: with the place in the statement.
    """
    checks = _Checks(statement, KnownTypes(tree, columns, hidden), target)
    for node in tree.walk():
        rule = _RULES.get(type(node))
        if rule is not None:
            rule(checks, node)


class _Checks:
    def __init__(self, statement: Statement, known: KnownTypes, target: Sequence[Field]) -> None:
        self.statement = statement
        self.known = known
        self.target = {each.name.lower(): spelled(each) for each in target}

    def fail(self, message: str, node: exp.Expr, word: str = "") -> NoReturn:
        """Refuse the statement because of an expression, or of a word before it."""
        refuse(message, self.statement, node, word)

    def listed(self, nodes: Iterable[exp.Expr]) -> str:
        """Name the types as error messages list them."""
        return ", ".join(self.known.of(node) for node in nodes)

    def go_together(self, nodes: Sequence[exp.Expr]) -> bool:
        """Whether the values can be compared, or be given by one expression; true when in doubt."""
        kinds = {self.known.of(node) for node in nodes}
        if kinds & TIMES:
            kinds = {self.known.of(node) for node in nodes if not _is_text(node)}
        nested = {kind for kind in kinds if "<" in kind}
        if nested == kinds or not kinds - nested <= SCALARS:
            return True
        return len(kinds) == 1 or kinds <= NUMBERS or kinds == {"DATE", "DATETIME"}

    def comparison(self, node: exp.Binary) -> None:
        sides = [node.left, node.right]
        if not isinstance(node.parent, exp.Update | exp.SetItem) and not self.go_together(sides):
            sign = _COMPARISONS[type(node)]
            kinds = self.listed(sides)
            self.fail(f"No matching signature for operator {sign} for argument types: {kinds}", node)

    def between(self, node: exp.Between) -> None:
        values = [node.this, node.args["low"], node.args["high"]]
        if not self.go_together(values):
            kinds = self.listed(values)
            message = f"No matching signature for operator BETWEEN for argument types: {kinds}"
            self.fail(message, values[1], "BETWEEN")

    def within(self, node: exp.In) -> None:
        kind = self.known.of(node.this)
        wrong = [value for value in node.expressions if not self.go_together([node.this, value])]
        if wrong:
            kinds = ", ".join(dict.fromkeys(self.known.of(value) for value in node.expressions))
            message = f"No matching signature for operator IN for argument types {kind} and {{{kinds}}}"
            self.fail(message, node.expressions[0], "IN")
        query = node.args.get("query")
        columns = query.this.expressions if query and isinstance(query.this, exp.Select) else []
        if len(columns) == 1 and not self.go_together([node.this, columns[0]]):
            kinds = self.known.of(columns[0])
            message = f"Cannot execute IN subquery with uncomparable types {kind} and {kinds}"
            self.fail(message, columns[0], "IN")

    def logic(self, node: exp.Expr) -> None:
        operands = [node.this, node.expression] if isinstance(node, exp.Connector) else [node.this]
        kinds = [self.known.of(operand) for operand in operands]
        if all(kinds) and set(kinds) != {"BOOL"} and set(kinds) <= SCALARS:
            name, types = node.key.upper(), ", ".join(kinds)
            self.fail(f"No matching signature for operator {name} for argument types: {types}", node)

    def clause(self, node: exp.Expr) -> None:
        self._condition(_CLAUSES[type(node)], node.this)

    def join(self, node: exp.Join) -> None:
        if node.args.get("on"):
            self._condition("JOIN ON", node.args["on"])

    def _condition(self, clause: str, condition: exp.Expr) -> None:
        kind = self.known.of(condition)
        if kind in SCALARS - {"BOOL"}:
            self.fail(f"{clause} clause should return type BOOL, but returns {kind}", condition)

    def cast(self, node: exp.Cast) -> None:
        kind, wanted = self.known.of(node.this), self.known.of(node)
        outer, wanted_outer = kind.split("<")[0], wanted.split("<")[0]
        if {outer, wanted_outer} <= _CASTS.keys() and wanted_outer not in _CASTS[outer]:
            self.fail(f"Invalid cast from {kind} to {wanted}", node.this)
        text = node.this
        if wanted == "INT64" and _is_text(text) and "." in text.name and not isinstance(node, exp.TryCast):
            self.fail(f'Could not cast literal "{text.name}" to type INT64', text)

    def array(self, node: exp.Array) -> None:
        if len(node.expressions) > 1 and not self.go_together(node.expressions):
            kinds = ", ".join(dict.fromkeys(self.known.of(value) for value in node.expressions))
            self.fail(f"Array elements of types {{{kinds}}} do not have a common supertype", node)

    def choice(self, node: exp.If) -> None:
        otherwise = node.args.get("false")
        if otherwise is None:
            return  # a branch of a CASE
        if not self.go_together([node.args["true"], otherwise]) or not self._is_condition(node.this):
            kinds = self.listed([node.this, node.args["true"], otherwise])
            self.fail(f"No matching signature for function IF for argument types: {kinds}", node)

    def _is_condition(self, node: exp.Expr) -> bool:
        return self.known.of(node) not in SCALARS - {"BOOL"}

    def case(self, node: exp.Case) -> None:
        branches = node.args["ifs"]
        default = [node.args["default"]] if node.args.get("default") else []
        results = [*(branch.args["true"] for branch in branches), *default]
        compared = [node.this, *(branch.this for branch in branches)] if node.this else []
        for part, values in (("THEN/ELSE", results), ("WHEN", compared)):
            if len(values) > 1 and not self.go_together(values):
                message = "No matching signature for operator CASE; all {} arguments must be coercible to a "
                self.fail(f"{message.format(part)}common type but found: {self.listed(values)}", node)

    def coalesce(self, node: exp.Coalesce) -> None:
        values = [node.this, *node.expressions]
        if len(values) > 1 and not self.go_together(values):
            name, kinds = node.meta.get("bigquery_name", "COALESCE"), self.listed(values)
            self.fail(f"No matching signature for function {name} for argument types: {kinds}", node)

    def set_operation(self, node: exp.SetOperation) -> None:
        left, right = node.this.unnest(), node.expression.unnest()
        while isinstance(left, exp.SetOperation):
            left = left.this.unnest()
        if (
            not (isinstance(left, exp.Select) and isinstance(right, exp.Select))
            or left.is_star
            or right.is_star
        ):
            return
        name = f"{node.key.upper()} {'DISTINCT' if node.args.get('distinct') else 'ALL'}"
        counts = [len(query.expressions) for query in (left, right)]
        if counts[0] != counts[1]:
            each = ", ".join(
                f"query {number} has {count} column{'s' * (count != 1)}"
                for number, count in enumerate(counts, 1)
            )
            self.fail(f"Queries in {name} have mismatched column count; {each}", right, "SELECT")
        for number, pair in enumerate(zip(left.expressions, right.expressions, strict=True), 1):
            if not self.go_together([value.unalias() for value in pair]):
                message = f"Column {number} in {name} has incompatible types: {self.listed(pair)}"
                self.fail(message, right, "SELECT")

    def unnest(self, node: exp.Unnest) -> None:
        kind = self.known.of(node.expressions[0]) if node.expressions else ""
        if kind in SCALARS:
            message = "Values referenced in UNNEST must be arrays. UNNEST contains expression of type "
            self.fail(message + kind, node.expressions[0])

    def column(self, node: exp.Column) -> None:
        if not self.known.is_field(node) or node.db:
            return
        kind = self.known.named(node.table)
        if kind in SCALARS:
            self.fail(f"Cannot access field {node.name} on a value with type {kind}", node.this)

    def update(self, node: exp.Update) -> None:
        for item in node.expressions:
            column, value = item.this, item.expression
            wanted = "" if self.known.is_field(column) else self.target.get(column.name.lower(), "")
            if not self._fits(value, wanted):
                kinds = f"{self.known.of(value)} cannot be assigned to {column.name}, which has type {wanted}"
                self.fail(f"Value of type {kinds}", value)

    def insert(self, node: exp.Insert) -> None:
        named = node.this.expressions if isinstance(node.this, exp.Schema | exp.Tuple) else []
        names = [each.name for each in named] or list(self.target)
        for row in inserted_rows(node):
            selected = isinstance(row, exp.Select)
            for number, (name, value) in enumerate(zip(names, row.expressions, strict=True), 1):
                wanted = self.target.get(name.lower(), "")
                if not self._fits(value.unalias(), wanted):
                    what = f"Query column {number}" if selected else "Value"
                    kinds = (
                        f"{self.known.of(value)} which cannot be inserted into column {name}, which has type"
                    )
                    word = "SELECT" if selected else ""
                    self.fail(f"{what} has type {kinds} {wanted}", row if selected else value, word)

    def _fits(self, value: exp.Expr, wanted: str) -> bool:
        kind = self.known.of(value)
        if _is_text(value) and wanted in TIMES:
            return True
        if isinstance(value, exp.Literal) and not value.is_string and wanted in NUMBERS - {"INT64"}:
            return True
        # Whether other values become text by themselves, the reference does not say.
        certain = kind in SCALARS and wanted in SCALARS - {"STRING"}
        return not certain or wanted in _WIDENED.get(kind, {kind})


def _is_text(node: exp.Expr) -> bool:
    """Whether it is a string literal: those become dates and times by themselves."""
    inner = node.unnest()
    return isinstance(inner, exp.Literal) and inner.is_string


_RULES: dict[type[exp.Expr], Callable[..., None]] = {
    **dict.fromkeys(_COMPARISONS, _Checks.comparison),
    **dict.fromkeys(_CLAUSES, _Checks.clause),
    **dict.fromkeys((exp.And, exp.Or, exp.Not), _Checks.logic),
    **dict.fromkeys((exp.Union, exp.Except, exp.Intersect), _Checks.set_operation),
    exp.Array: _Checks.array,
    exp.Between: _Checks.between,
    exp.Case: _Checks.case,
    exp.Cast: _Checks.cast,
    exp.Coalesce: _Checks.coalesce,
    exp.Column: _Checks.column,
    exp.If: _Checks.choice,
    exp.In: _Checks.within,
    exp.Insert: _Checks.insert,
    exp.Join: _Checks.join,
    exp.TryCast: _Checks.cast,
    exp.Unnest: _Checks.unnest,
    exp.Update: _Checks.update,
}
