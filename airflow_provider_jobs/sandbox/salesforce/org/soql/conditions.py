"""Reads WHERE: comparisons, AND, OR and NOT. Where they meet, parentheses must say what goes first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal, refusal_at
from airflow_provider_jobs.sandbox.salesforce.org.soql.date_literals import is_date_literal, takes_count
from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import (
    Chain,
    Comparison,
    Condition,
    Literal,
    Name,
    Negation,
    Operand,
    SemiJoin,
)

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.salesforce.org.soql.tokens import Token
    from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Query

_SIGNS = {"=": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

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


class ConditionReader(ABC):
    """A place among the tokens, and what may stand after WHERE."""

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

    def step_back(self) -> None:
        """Return the last token, to complain about it."""
        self._place -= 1

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

    @abstractmethod
    def query(self) -> Query:
        """Read a query that stands in parentheses."""

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
        if self.word in ("AND", "OR", "NOT"):
            raise self.unexpected()
        operand = self._operand()
        token = self.advance()
        if token.kind == "sign" and token.text in _SIGNS:
            return Comparison(operand, _SIGNS[token.text], (self._literal(),), token.at)
        if token.word == "LIKE":
            return Comparison(operand, "LIKE", (self._literal(),), token.at)
        if token.word in ("INCLUDES", "EXCLUDES"):
            self.expect("(")
            return Comparison(operand, token.word, self._literals(), token.at)
        if token.word == "NOT" and self.word == "IN":
            self.advance()
            return self._among(operand, token, negated=True)
        if token.word == "IN":
            return self._among(operand, token, negated=False)
        self.step_back()
        raise self.unexpected()

    def _operand(self) -> Operand:
        name = self.name()
        if not self.take("("):
            return Operand(name)
        field = self.name()
        self.expect(")")
        return Operand(field, name)

    def _among(self, operand: Operand, token: Token, *, negated: bool) -> Condition:
        self.expect("(")
        if self.word != "SELECT":
            return Comparison(operand, "NOT IN" if negated else "IN", self._literals(), token.at)
        query = self.query()
        self.expect(")")
        return SemiJoin(operand, negated, query, token.at)

    # -- values -----------------------------------------------------------------------------------

    def _literals(self) -> tuple[Literal, ...]:
        found = [self._literal()]
        while self.take(","):
            found.append(self._literal())
        self.expect(")")
        return tuple(found)

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
