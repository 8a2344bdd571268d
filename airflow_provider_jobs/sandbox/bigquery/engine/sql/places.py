"""One statement of a script, and where in the text its parts are: error messages end with places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from sqlglot import exp

from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem

if TYPE_CHECKING:
    from sqlglot import Token

# What an expression begins with whose first operand comes later.
_OPENINGS: dict[type[exp.Expr], set[str]] = {
    exp.Array: {"["},
    exp.Case: {"CASE"},
    exp.Cast: {"CAST", "DATE", "DATETIME", "JSON", "NUMERIC", "BIGNUMERIC", "TIME", "TIMESTAMP"},
    exp.Extract: {"EXTRACT"},
    exp.If: {"IF"},
    exp.Neg: {"-"},
    exp.Not: {"NOT"},
    exp.Paren: {"("},
    exp.TryCast: {"SAFE_CAST"},
}


@dataclass(frozen=True)
class Statement:
    """One statement of a script."""

    script: str  # the whole text: positions are counted in it
    tokens: tuple[Token, ...]

    @property
    def start(self) -> int:
        """Offset of the first character."""
        return int(self.tokens[0].start)

    @property
    def end(self) -> int:
        """Offset behind the last character."""
        return int(self.tokens[-1].end) + 1

    @property
    def text(self) -> str:
        """The statement as it was written."""
        return self.script[self.start : self.end]

    @property
    def keyword(self) -> str:
        """The first word, in capitals."""
        return str(self.tokens[0].text).upper().split()[0]


def position(script: str, offset: int) -> tuple[int, int]:
    """Give line and column of an offset, both counted from 1."""
    before = script[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def at(script: str, offset: int) -> str:
    """Give the end of an error message: `` at [line:column]``."""
    line, column = position(script, offset)
    return f" at [{line}:{column}]"


def invalid_query(message: str) -> JobProblem:
    """How a query fails that BigQuery does not accept."""
    return JobProblem("invalidQuery", message, "query")


def start_of(node: exp.Expr, statement: Statement) -> int:
    """Give the offset of an expression's first character; the parser notes only those of words."""
    if "start" in node.meta:
        return int(node.meta["start"])
    first = min((start_of(part, statement) for part in node.iter_expressions()), default=statement.end)
    words = _OPENINGS.get(type(node))
    if words:
        earlier = [token for token in statement.tokens if token.start < first]
        near = earlier[-2:] if isinstance(node, exp.Cast) else earlier[::-1]
        return next((int(token.start) for token in near if token.text.upper() in words), first)
    return first


def place(node: exp.Expr, statement: Statement) -> str:
    """Give `` at [line:column]`` of an expression."""
    offset = start_of(node, statement)
    return at(statement.script, offset if offset < statement.end else statement.start)


def place_of_name(name: str, statement: Statement, tree: exp.Expr) -> str:
    """Give `` at [line:column]`` of the first column, other identifier, call or word that reads so."""
    wanted = name.lower()
    nodes = [
        node
        for node in tree.find_all(exp.Identifier, exp.Func)
        if "start" in node.meta and str(node.meta.get("bigquery_name") or node.name).lower() == wanted
    ]
    nodes.sort(key=lambda node: not isinstance(node.parent, exp.Column))
    words = [token.start for token in statement.tokens if token.text.lower() == wanted]
    offsets = [*(node.meta["start"] for node in nodes), *words, statement.start]
    return at(statement.script, int(offsets[0]))


def refuse(message: str, statement: Statement, node: exp.Expr, word: str = "") -> NoReturn:
    """Refuse a statement because of an expression; the place is that of the last such word before it.

    :raises JobProblem: always.
    """
    if not word:
        raise invalid_query(message + place(node, statement))
    before = (token for token in reversed(statement.tokens) if token.start < start_of(node, statement))
    offset = next((int(token.start) for token in before if token.text.upper() == word), statement.start)
    raise invalid_query(message + at(statement.script, offset))
