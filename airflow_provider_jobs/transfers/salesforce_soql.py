"""SOQL: what a query of a user reads, what a condition of one may hold, and the queries that are made here.

Source: https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select.htm
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: An object, a field or a relationship.
_NAME = r"[A-Za-z][A-Za-z0-9_]*"
_IS_NAME = re.compile(_NAME, re.ASCII)
#: A field, behind up to five parents, which is Salesforce's limit.
_IS_PATH = re.compile(rf"(?:{_NAME}\.){{0,5}}{_NAME}", re.ASCII)
_LITERAL = re.compile(r"'(?:\\.|[^'\\])*'", re.DOTALL)
_OBJECT = re.compile(rf"(?P<object>{_NAME})(?:\s+(?P<next>\w+|\S).*)?", re.IGNORECASE | re.DOTALL | re.ASCII)
#: What may follow the object's name; another word is an alias of it.
_CLAUSES = {"WHERE", "USING", "WITH", "ORDER", "LIMIT", "FOR", "UPDATE"}
#: What the Bulk API does not take, or what makes rows that are not records.
_REFUSED = {
    r"TYPEOF\b": "TYPEOF",
    r"GROUP\s+BY\b": "GROUP BY",
    r"HAVING\b": "HAVING",
    r"OFFSET\s+\d": "OFFSET",
    r"ALL\s+ROWS\b": "ALL ROWS (deleted rows are read anyway)",
}
_REFUSED_WHERE = {**_REFUSED, r"ORDER\s+BY\b": "ORDER BY", r"LIMIT\s+\d": "LIMIT"}
_NOT_A_QUERY = "soql {!r} is not a query: give SELECT Id, … FROM …"
_ONLY_FIELDS = "only fields and fields of parents, such as Owner.Name, can become columns"


@dataclass(frozen=True, slots=True)
class SoqlQuery:
    """A query of a user.

    :param object_name: The object whose records it reads.
    :param paths: What it selects, in order.
    :param text: The query as it was given.
    """

    object_name: str
    paths: tuple[str, ...]
    text: str


def read_query(soql: str) -> SoqlQuery:
    """Return what a query reads.

    :raises ConfigurationError: it selects something else than fields of records, or the Bulk API refuses it.
    """
    if not isinstance(soql, str) or not soql.strip():
        raise ConfigurationError("soql is empty: give SELECT Id, … FROM …")
    text = soql.strip().removesuffix(";").rstrip()
    plain = _without_literals(text, "soql")
    _refuse(plain, _REFUSED, "soql")
    selected, rest = _select_list(plain)
    paths = tuple(map(_path, selected))
    found = _OBJECT.fullmatch(rest.strip())
    if not found:
        raise ConfigurationError(f"soql reads {shown(rest, 80)!r}, which is not the name of one object")
    following = found["next"]
    if following and following.upper() not in _CLAUSES:
        raise ConfigurationError(
            f"soql has {shown(following, 80)!r} after the object {found['object']}: write it without an "
            "alias, and read one object"
        )
    return SoqlQuery(found["object"], paths, text)


def _select_list(plain: str) -> tuple[list[str], str]:
    """Return what a query selects, and what follows its FROM; a bracket keeps its commas and its FROM."""
    match = re.match(r"\s*SELECT\b", plain, re.IGNORECASE)
    start = match.end() if match else len(plain)
    depth, columns = 0, []
    for token in re.finditer(r"[(),]|\bFROM\b", plain[start:], re.IGNORECASE):
        depth += (token[0] == "(") - (token[0] == ")")
        if depth or token[0] in "()":
            continue
        at = (match.end() if match else 0) + token.start()
        columns.append(plain[start:at].strip())
        if token[0] != ",":
            return columns, plain[at + len(token[0]) :]
        start = at + 1
    raise ConfigurationError(_NOT_A_QUERY.format(shown(plain, 200)))


def _path(selected: str) -> str:
    """Return a selected field, or say by name what it is instead."""
    if _IS_PATH.fullmatch(selected):
        return selected
    if re.match(r"\(\s*SELECT\b", selected, re.IGNORECASE):
        what = "a query of child records"
    elif function := re.match(rf"({_NAME})\s*\(", selected):
        what = f"the function {function[1]}"
    elif re.fullmatch(rf"[\w.]+\s+{_NAME}", selected):
        what = "an alias"
    else:
        what = "not a field"
    raise ConfigurationError(f"soql selects {shown(selected, 80)!r}, {what}: {_ONLY_FIELDS}")


def check_name(name: str, parameter: str) -> str:
    """Return the name of an object, a field or a relationship.

    :raises ConfigurationError: it is not one.
    """
    if not isinstance(name, str) or not _IS_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{parameter} {shown(name, 80)!r} is not a name of Salesforce: letters, digits and _"
        )
    return name


def check_path(path: str, parameter: str) -> str:
    """Return a field, or one of a parent such as ``Owner.Name``.

    :raises ConfigurationError: it is not one.
    """
    if not isinstance(path, str) or not _IS_PATH.fullmatch(path):
        raise ConfigurationError(
            f"{parameter} has {shown(path, 80)!r}, which is not a field: give names such as Amount or "
            "Owner.Name"
        )
    return path


def check_where(where: str | None) -> str | None:
    """Return a condition that can stand in brackets beside another one; None if there is none.

    :raises ConfigurationError: it is not one condition.
    """
    if where is None or (isinstance(where, str) and not where.strip()):
        return None
    if not isinstance(where, str):
        raise ConfigurationError(f"where is a {type(where).__name__}: give a condition as text")
    plain = _without_literals(where, "where")
    if re.match(r"\s*WHERE\b", plain, re.IGNORECASE):
        raise ConfigurationError("where begins with WHERE: give the condition alone")
    _refuse(plain, _REFUSED_WHERE, "where")
    depth = 0
    for bracket in re.findall(r"[()]", plain):
        depth += 1 if bracket == "(" else -1
        if depth < 0:
            break
    if depth:
        raise ConfigurationError(f"where {shown(where, 200)!r} has brackets that do not match")
    return where.strip()


def records_query(object_name: str, paths: Sequence[str], conditions: Iterable[str] = ()) -> str:
    """Return the query of some fields of the records that meet all conditions.

    There is no ORDER BY: Salesforce would not split the work by primary key, and might not end in time.
    Source: https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/queries.htm
    """
    columns = ", ".join(check_path(path, "fields") for path in paths)
    condition = " AND ".join(conditions)
    where = f" WHERE {condition}" if condition else ""
    return f"SELECT {columns} FROM {check_name(object_name, 'object_name')}{where}"  # noqa: S608 - checked names


def _without_literals(text: str, parameter: str) -> str:
    """Return SOQL whose texts in quotes are empty, so that no word in them counts."""
    plain = _LITERAL.sub('""', text)
    if "'" in plain:
        raise ConfigurationError(f"{parameter} {shown(text, 200)!r} has a quote that does not end")
    return plain


def _refuse(plain: str, refused: dict[str, str], parameter: str) -> None:
    for pattern, word in refused.items():
        if re.search(rf"(?<![\w.]){pattern}", plain, re.IGNORECASE | re.DOTALL):
            raise ConfigurationError(
                f"{parameter} has {word}, which cannot be copied as records: leave it out"
            )
