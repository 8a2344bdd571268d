"""Legacy SQL, the API's default dialect: table names are translated, what only GoogleSQL has is refused.

https://cloud.google.com/bigquery/docs/introduction-sql#bigquery-sql-dialects
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.bigquery.engine.sql.places import at, invalid_query

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.bigquery.engine.outcomes import JobProblem

# [project:dataset.table] or [dataset.table].
_NAME = re.compile(r"\[((?:[\w.-]+?:)?[\w-]+(?:\.[\w $-]+)+)\]")
_PREFIX = re.compile(r"\s*#(standard|legacy)SQL\b", re.IGNORECASE)
_QUIET = re.compile(
    r"--[^\n]*|\#[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL
)  # comments and literals
_STATEMENTS = re.compile(r"([A-Za-z_]+|[^\s;])")
_SECOND = re.compile(r"[^\s;].*?;[\s;]*([^\s;])", re.DOTALL)
_BEGINNINGS = {"SELECT", "("}  # of a query; there is no WITH


def from_legacy(sql: str) -> str:
    """Translate the table names of legacy SQL; the rest of the language is taken as GoogleSQL."""
    return _NAME.sub(lambda name: "`" + name[1].replace(":", ".") + "`", sql)


def to_googlesql(sql: str, use_legacy_sql: bool | None, *, parameters: bool = False) -> str:
    """Give SQL in GoogleSQL's spelling.

    :param use_legacy_sql: what the request says; None: nothing, then the SQL's first line may say it.
    :param parameters: whether the query has parameters.
    :raises JobProblem: it is legacy SQL by its request, GoogleSQL by its text.
    """
    prefix = _PREFIX.match(sql)
    told = None if prefix is None else prefix[1].lower() == "legacy"
    if None not in {told, use_legacy_sql} and told != use_legacy_sql:
        text, options = json.dumps(told), json.dumps(use_legacy_sql)
        raise invalid_query(
            f"Query text specifies use_legacy_sql:{text}, while API options specify:{options}"
        )
    if use_legacy_sql is False or told is False:
        return sql
    if parameters:
        raise _refusal("query parameters")
    words = _QUIET.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), sql)
    if "`" in words:
        raise _refusal("names in backticks" + at(sql, words.index("`")))
    first, second = _STATEMENTS.search(words), _SECOND.search(words)
    if second is not None:
        raise _refusal("scripts" + at(sql, second.start(1)))
    if first is not None and first[1].upper() not in _BEGINNINGS:
        raise _refusal(f"{first[1].upper()} statements" + at(sql, first.start(1)))
    return from_legacy(sql)


def _refusal(what: str) -> JobProblem:
    return invalid_query(
        f"The query is legacy SQL, which has no {what}. For GoogleSQL set useLegacySql to false."
    )
