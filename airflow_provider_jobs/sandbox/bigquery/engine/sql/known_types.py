"""Types of expressions, where there is no doubt about them before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_jobs.sandbox.bigquery.engine.types import Field

NUMBERS = frozenset({"INT64", "FLOAT64", "NUMERIC", "BIGNUMERIC"})
TIMES = frozenset({"DATE", "DATETIME", "TIME", "TIMESTAMP"})
SCALARS = NUMBERS | TIMES | {"BOOL", "STRING"}

_BOOLEAN = (exp.Boolean, exp.Connector, exp.Not, exp.Predicate)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div)
_AS_ARGUMENT = (
    exp.Abs, exp.Alias, exp.AnyValue, exp.Lower, exp.Max, exp.Min, exp.Neg, exp.Paren, exp.Sum, exp.Upper,
    exp.Window,
)  # fmt: skip
_FIXED: dict[type[exp.Expr], str] = {
    exp.ArraySize: "INT64", exp.Count: "INT64", exp.CountIf: "INT64", exp.CurrentDate: "DATE",
    exp.CurrentTimestamp: "TIMESTAMP", exp.Length: "INT64", exp.RowNumber: "INT64",
}  # fmt: skip

# The type of a name that is being asked for: it adds no doubt to itself, as in "SELECT x AS x".
_ITSELF = "?"

# What a name stands for: an expression, or a type; an empty one is unknown.
_Meaning: TypeAlias = "exp.Expr | str"


class KnownTypes:
    """The types of one statement's expressions.

    A name has a type if everything that it could mean anywhere in the statement has that same type, so that
    no scope has to be resolved.

    :param columns: All columns of the tables that are read.
    :param hidden: Names that mean something else, too: the variables of a script.
    """

    def __init__(self, tree: exp.Expr, columns: Iterable[Field], hidden: Iterable[str]) -> None:
        self._meanings: dict[str, list[_Meaning]] = {name.lower(): [""] for name in hidden}
        self._named: dict[str, str] = {}
        self._pending: set[str] = set()
        self._circular: set[str] = set()
        # A literal in one branch of a UNION takes the type of the other branch.
        self._united = tree.find(exp.SetOperation) is not None
        self.sources = {table.alias_or_name.lower() for table in tree.find_all(exp.Table)}
        self.sources |= {alias.name.lower() for alias in tree.find_all(exp.TableAlias)}
        for each in columns:
            self._mean(each.name, spelled(each))
        for alias in tree.find_all(exp.Alias):
            self._mean(alias.alias, alias.this)
        self._mean_unknown(tree)

    def _mean(self, name: str, meaning: _Meaning) -> None:
        self._meanings.setdefault(name.lower(), []).append(meaning)

    def _mean_unknown(self, tree: exp.Expr) -> None:
        """Note the names whose types would take resolving scopes: they are known to be unknown."""
        for name in self.sources:
            self._mean(name, "")
        for node in tree.find_all(exp.TableAlias, exp.PropertyEQ, exp.Dot, exp.Unnest, exp.Column):
            if isinstance(node, exp.TableAlias):
                for column in node.columns:
                    self._mean(column.name, "")
            elif isinstance(node, exp.Unnest):
                self._mean(getattr(node.args.get("offset"), "name", ""), "")
            elif not isinstance(node, exp.Column) or self.is_field(node):
                self._mean(node.name, "")

    def is_field(self, column: exp.Column) -> bool:
        """Whether a name is a field of a record, not a column of a table."""
        return bool(column.table) and (bool(column.db) or column.table.lower() not in self.sources)

    def of(self, node: exp.Expr) -> str:
        """Give the type of an expression as BigQuery spells it, an empty text where there is doubt."""
        if isinstance(node, exp.Literal):
            return "STRING" if node.is_string else "INT64" if node.is_int else "FLOAT64"
        if isinstance(node, exp.Cast):
            return node.to.sql(dialect="bigquery").split("(")[0]
        if isinstance(node, exp.Column):
            return "" if self.is_field(node) else self.named(node.name)
        if isinstance(node, _AS_ARGUMENT):
            return self.of(node.this)
        if isinstance(node, _ARITHMETIC):
            return self._number(node)
        return "BOOL" if isinstance(node, _BOOLEAN) else _FIXED.get(type(node), "")

    def named(self, name: str) -> str:
        """Give the type of a column's name or an alias."""
        key = name.lower()
        if key in self._pending:
            self._circular.add(key)
            return _ITSELF
        if key not in self._named:
            self._pending.add(key)
            kinds = {self._meant(meaning) for meaning in self._meanings.get(key, [""])} - {_ITSELF}
            self._pending.remove(key)
            self._circular.discard(key)
            kind = kinds.pop() if len(kinds) == 1 else ""
            if self._circular:
                return kind  # it depends on who asked
            self._named[key] = kind
        return self._named[key]

    def _meant(self, meaning: _Meaning) -> str:
        if isinstance(meaning, str):
            return meaning
        return "" if self._united and isinstance(meaning, exp.Literal) else self.of(meaning)

    def _number(self, node: exp.Binary) -> str:
        kinds = {self.of(node.left), self.of(node.right)}
        if not kinds <= NUMBERS:
            return ""
        if isinstance(node, exp.Div) and kinds == {"INT64"}:
            return "FLOAT64"
        return next(kind for kind in ("FLOAT64", "BIGNUMERIC", "NUMERIC", "INT64") if kind in kinds)


def spelled(column: Field) -> str:
    """Spell the type of a column as error messages do."""
    if column.repeated:
        return f"ARRAY<{spelled(column.element)}>"
    if column.type == "RECORD":
        return f"STRUCT<{', '.join(f'{part.name} {spelled(part)}' for part in column.fields)}>"
    return column.sql_name
