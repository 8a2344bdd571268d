"""Reads a SOQL query: from tokens to a tree.

The grammar is that of
https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select.htm,
without what Bulk API 2.0 refuses: that is refused here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal, refusal_at
from airflow_provider_jobs.sandbox.salesforce.org.soql.conditions import ConditionReader
from airflow_provider_jobs.sandbox.salesforce.org.soql.tokens import tokens_of
from airflow_provider_jobs.sandbox.salesforce.org.soql.tree import Condition, Name, Ordering, Query, Selected

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.salesforce.org.soql.tokens import Token

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


def parse(soql: str) -> Query:
    """Read a query.

    :raises SalesforceRefusal: MALFORMED_QUERY, or API_ERROR for what Bulk API 2.0 does not support.
    """
    if len(soql) > _LONGEST_QUERY:
        raise SalesforceRefusal("MALFORMED_QUERY", "SOQL statements cannot be longer than 100000 characters.")
    return _QueryReader(soql, tokens_of(soql)).whole()


class _QueryReader(ConditionReader):
    """Goes through the tokens once, without looking back."""

    def whole(self) -> Query:
        query = self.query()
        if self.word in ("FOR", "ALL", "UPDATE"):
            raise self._refused_ending()
        if self.next.kind != "end":
            raise self.unexpected()
        return query

    def query(self) -> Query:
        at = self.expect("SELECT").at
        selected = [self._selected()]
        while self.take(","):
            selected.append(self._selected())
        self.expect("FROM")
        name = self.name()
        alias = self._alias()
        if self.next.text == ",":
            raise self.lacking("aliases of relationships", self.next)
        where = self._where()
        order = self._order()
        limit = self._limit()
        return Query(tuple(selected), name, alias, where, order, limit, at)

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
        if self.name().text.upper() != "EVERYTHING":
            self.step_back()
            raise self.lacking(f"scope {self.next.text}", self.next)

    def _order(self) -> tuple[Ordering, ...]:
        if self.word != "ORDER":
            return ()
        self.advance()
        self.expect("BY")
        found = [self._ordering()]
        while self.take(","):
            found.append(self._ordering())
        return tuple(found)

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
