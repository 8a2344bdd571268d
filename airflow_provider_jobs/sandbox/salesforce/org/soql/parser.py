"""Reads a SOQL query: from tokens to a tree.

The grammar is that of
https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select.htm,
without what Bulk API 2.0 refuses: that is refused here. Where AND, OR and NOT meet, parentheses must say what
goes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal, refusal_at
from airflow_provider_jobs.sandbox.salesforce.org.soql.dates import is_date_literal, takes_count
from airflow_provider_jobs.sandbox.salesforce.org.soql.tokens import tokens_of
from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import (
    Chain,
    Comparison,
    Condition,
    Literal,
    Name,
    Negation,
    Operand,
    Ordering,
    Query,
    Selected,
    SemiJoin,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.sandbox.salesforce.org.soql.tokens import Token

T = TypeVar("T")

# https://developer.salesforce.com/docs/platform/api-asynch/guide/queries.html lists what is not supported.
_NO_CHILDREN = "Aggregate Relationships not supported in Bulk V2 Query with CSV content type"
_NO_AGGREGATES = "Aggregate queries not supported in Bulk V2 Query"
_NO_TYPEOF = "TYPEOF clause not supported in Bulk V2 Query"
_NO_OFFSET = "OFFSET clause not supported in Bulk V2 Query"

_AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX", "GROUPING"})

# What may follow FROM and the object's alias; an alias cannot be one of them.
_CLAUSES = frozenset(
    {"WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "ALL", "UPDATE", "USING"}
)

_LONGEST_QUERY = 100_000
_LARGEST_LIMIT = 2**31 - 1

_OPERATORS = {
    "=": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "LIKE": "LIKE"
}  # fmt: skip

_RESERVED = frozenset(
    {
        "AND", "ASC", "DESC", "EXCLUDES", "FROM", "GROUP", "HAVING", "IN", "INCLUDES", "LIKE", "LIMIT", "NOT",
        "NULL", "NULLS", "OR", "ORDER", "SELECT", "USING", "WHERE", "WITH",
    }
)  # fmt: skip

# Functions that Salesforce has.
_NOT_HERE = frozenset({"CONVERTCURRENCY", "CONVERTTIMEZONE", "DISTANCE", "FORMAT"})

# How deep parentheses may go: far beyond any query, far below Python's own limit.
_DEEPEST = 100

_LONGEST_COUNT = 9  # digits


def parse(soql: str) -> Query:
    """Read a query.

    :raises SalesforceRefusal: MALFORMED_QUERY, or API_ERROR for what Bulk API 2.0 does not support.
    """
    if len(soql) > _LONGEST_QUERY:
        raise SalesforceRefusal("MALFORMED_QUERY", "SOQL statements cannot be longer than 100000 characters.")
    return _Reader(soql, tokens_of(soql)).whole()


class _Reader:
    """Goes through the tokens once, without looking back."""

    def __init__(self, soql: str, tokens: list[Token]) -> None:
        self.soql = soql
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    # -- moving on --------------------------------------------------------------------------------

    @property
    def next(self) -> Token:
        """The token that comes next."""
        return self._tokens[self._place]

    @property
    def following(self) -> Token:
        """The one after it."""
        return self._tokens[min(self._place + 1, len(self._tokens) - 1)]

    @property
    def word(self) -> str:
        """The next token as a keyword; empty if it cannot be one."""
        return self.next.word

    def advance(self) -> Token:
        """Take the next token."""
        token = self.next
        self._place += 1
        return token

    def take(self, sign: str) -> bool:
        """Take the next token if it is this sign."""
        if self.next.kind == "sign" and self.next.text == sign:
            self.advance()
            return True
        return False

    def expect(self, word: str) -> Token:
        """Take a keyword or sign that has to come now."""
        if self.word != word:
            raise self.unexpected()
        return self.advance()

    def several(self, read: Callable[[], T]) -> tuple[T, ...]:
        """Read what stands between commas."""
        found = [read()]
        while self.take(","):
            found.append(read())
        return tuple(found)

    def name(self) -> Name:
        """Take a name; a reserved word is not one."""
        if self.next.kind != "name" or self.word in _RESERVED:
            raise self.unexpected()
        token = self.advance()
        if token.word in _NOT_HERE and self.next.text == "(":
            raise self.lacking(f"function {token.text}", token)
        return Name(token.text, token.at)

    def unexpected(self) -> SalesforceRefusal:
        """Refuse the next token."""
        token = self.next
        written = f"'{token.text}'" if token.kind != "string" else f"''{token.text}''"
        return refusal_at("MALFORMED_QUERY", self.soql, token.at, f"unexpected token: {written}")

    def lacking(self, what: str, token: Token) -> SalesforceRefusal:
        """Refuse what Salesforce takes, and the sandbox cannot answer."""
        return refusal_at("MALFORMED_QUERY", self.soql, token.at, f"the sandbox has no {what}")

    # -- the query --------------------------------------------------------------------------------

    def whole(self) -> Query:
        query = self.query()
        if self.word in ("FOR", "ALL", "UPDATE"):
            raise self._refused_ending()
        if self.next.kind != "end":
            raise self.unexpected()
        return query

    def query(self) -> Query:
        at = self.expect("SELECT").at
        selected = self.several(self._selected)
        self.expect("FROM")
        name = self.name()
        alias = self._alias()
        if self.next.text == ",":
            raise self.lacking("aliases of relationships", self.next)
        where = self._where()
        order = self._order()
        limit = self._limit()
        return Query(selected, name, alias, where, order, limit, at)

    # -- SELECT and FROM --------------------------------------------------------------------------

    def _selected(self) -> Selected:
        if self.next.text == "(":
            self._refuse_children()
        token = self.next
        if token.kind == "name" and token.word == "TYPEOF" and self.following.kind == "name":
            raise SalesforceRefusal("API_ERROR", _NO_TYPEOF)
        name = self.name()
        if not self.take("("):
            if self.next.kind == "name" and self.word != "FROM":
                message = "only aggregate expressions use field aliasing"
                raise refusal_at("MALFORMED_QUERY", self.soql, self.next.at, message)
            return Selected(name)
        return self._function(name)

    def _function(self, function: Name) -> Selected:
        word = function.text.upper()
        if word in _AGGREGATES or word.startswith(("CALENDAR_", "FISCAL_", "DAY_", "WEEK_", "HOUR_")):
            raise SalesforceRefusal("API_ERROR", _NO_AGGREGATES)
        argument = self.name()
        self.expect(")")
        alias = self.name().text if self.next.kind == "name" and self.word != "FROM" else None
        return Selected(argument, function, alias)

    def _refuse_children(self) -> None:
        self.expect("(")
        if self.word == "SELECT":
            raise SalesforceRefusal("API_ERROR", _NO_CHILDREN)
        raise self.unexpected()

    def _alias(self) -> str | None:
        if self.word == "AS":
            self.advance()
            return self.name().text
        if self.next.kind == "name" and self.word not in _CLAUSES:
            return self.name().text
        return None

    # -- the clauses after it ---------------------------------------------------------------------

    def _where(self) -> Condition | None:
        if self.word == "USING":
            self._using_scope()
        condition = None
        if self.word == "WHERE":
            self.advance()
            condition = self.condition()
        if self.word == "WITH":
            raise self.lacking("WITH clause", self.next)
        if self.word in ("GROUP", "HAVING"):
            raise SalesforceRefusal("API_ERROR", _NO_AGGREGATES)
        return condition

    def _using_scope(self) -> None:
        self.advance()
        self.expect("SCOPE")
        token = self.next
        if self.name().text.upper() != "EVERYTHING":
            raise self.lacking(f"scope {token.text}", token)

    def _order(self) -> tuple[Ordering, ...]:
        if self.word != "ORDER":
            return ()
        self.advance()
        self.expect("BY")
        return self.several(self._ordering)

    def _ordering(self) -> Ordering:
        field = self.name()
        if self.next.text == "(":
            raise SalesforceRefusal("API_ERROR", _NO_AGGREGATES)
        descending = self.word == "DESC"
        if self.word in ("ASC", "DESC"):
            self.advance()
        last = False
        if self.word == "NULLS":
            self.advance()
            last = self.word == "LAST"
            self.expect("LAST" if last else "FIRST")
        return Ordering(field, descending, last)

    def _limit(self) -> int | None:
        found = None
        if self.word == "LIMIT":
            self.advance()
            token = self.next
            if token.kind != "number" or not token.text.isascii() or not token.text.isdecimal():
                raise self.unexpected()
            found = min(int(self.advance().text[:20]), _LARGEST_LIMIT)
        if self.word == "OFFSET":
            raise SalesforceRefusal("API_ERROR", _NO_OFFSET)
        return found

    def _refused_ending(self) -> SalesforceRefusal:
        token: Token = self.next
        following = self.following
        endings = {("FOR", "VIEW"), ("FOR", "REFERENCE"), ("FOR", "UPDATE"), ("ALL", "ROWS")}
        if (token.word, following.word) not in endings and token.word != "UPDATE":
            return self.unexpected()
        written = token.word if token.word == "UPDATE" else f"{token.word} {following.word}"
        return refusal_at("MALFORMED_QUERY", self.soql, token.at, f"{written} not allowed in this context")

    # -- conditions -------------------------------------------------------------------------------

    def condition(self) -> Condition:
        """Read conditions up to what cannot belong to them."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise refusal_at("MALFORMED_QUERY", self.soql, self.next.at, "query is too complicated")
        if self.word == "NOT":
            self.advance()
            found: Condition = Negation(self._simple())
        else:
            found = self._chain(self._simple())
        self._depth -= 1
        return found

    def _chain(self, first: Condition) -> Condition:
        word = self.word
        if word not in ("AND", "OR"):
            return first
        conditions = [first]
        while self.word == word:
            self.advance()
            conditions.append(self._simple())
        return Chain(word, tuple(conditions))

    def _simple(self) -> Condition:
        if self.take("("):
            inner = self.condition()
            self.expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Condition:
        operand, token = self._operand(), self.next
        if token.word in _OPERATORS:
            self.advance()
            return Comparison(operand, _OPERATORS[token.word], (self._literal(),), token.at)
        if token.word in ("INCLUDES", "EXCLUDES"):
            self.advance()
            return Comparison(operand, token.word, self._literals(), token.at)
        negated = token.word == "NOT" and self.following.word == "IN"
        if negated:
            self.advance()
        self.expect("IN")
        if self.following.word != "SELECT":
            return Comparison(operand, "NOT IN" if negated else "IN", self._literals(), token.at)
        self.expect("(")
        query = self.query()
        self.expect(")")
        return SemiJoin(operand, negated, query, token.at)

    def _operand(self) -> Operand:
        name = self.name()
        if not self.take("("):
            return Operand(name)
        field = self.name()
        self.expect(")")
        return Operand(field, name)

    # -- values -----------------------------------------------------------------------------------

    def _literals(self) -> tuple[Literal, ...]:
        self.expect("(")
        found = self.several(self._literal)
        self.expect(")")
        return found

    def _literal(self) -> Literal:
        token = self.next
        if token.kind in ("string", "number", "date", "datetime", "time"):
            self.advance()
            return Literal(token.kind, token.text, token.at, token.pattern)
        if token.word in ("TRUE", "FALSE"):
            self.advance()
            return Literal("boolean", token.word.lower(), token.at)
        if token.word == "NULL":
            self.advance()
            return Literal("null", "null", token.at)
        if is_date_literal(token.word):
            self.advance()
            return Literal("range", token.word, token.at)
        if takes_count(token.word):
            return self._counted()
        raise self.unexpected()

    def _counted(self) -> Literal:
        token = self.advance()
        self.expect(":")
        count = self.next.text
        if self.next.kind != "number" or not count.isdecimal() or len(count) > _LONGEST_COUNT:
            raise self.unexpected()
        self.advance()
        return Literal("range", token.word, token.at, count=int(count))
