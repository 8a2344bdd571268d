"""Which fields of an object are read, and which columns they become.

Everything is decided by the object's describe, asked for in every run: types, formulas, and what the user
may see.
Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.transfers.bigquery_sql import MOST_COLUMNS, OWN_COLUMNS, Column
from airflow_provider_jobs.transfers.salesforce_soql import check_path
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_jobs.transfers.salesforce_soql import SoqlQuery

    Describe = Mapping[str, Any]

ID, IS_DELETED, CURRENCY = "Id", "IsDeleted", "CurrencyIsoCode"
#: In ``fields``: all fields of the object, besides others that are named.
ALL = "*"
#: Why the Bulk API gives no such field.
_NOT_READ = {
    "address": "an address: its parts are fields of their own",
    "location": "a location: its latitude and longitude are fields of their own",
    "base64": "binary, which the Bulk API does not give",
    "json": "JSON, which the Bulk API does not give",
    "searchlayout": "a layout, which the Bulk API does not give",
}
#: BigQuery's types of Salesforce's; others become text.
_TYPES = {
    "boolean": "BOOL", "int": "INT64", "long": "INT64", "currency": "NUMERIC",
    "date": "DATE", "datetime": "TIMESTAMP", "time": "TIME",
}  # fmt: skip
#: Digits after the point that a NUMERIC keeps.
_NUMERIC_SCALE = 9
#: The fields that records of several objects share behind one relationship, such as a record's owner.
#: Source: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_name.htm
_NAME_OBJECT = {
    "Alias": "string", "Email": "email", "FirstName": "string", "Id": "id", "IsActive": "boolean",
    "LastName": "string", "Name": "string", "Phone": "phone", "ProfileId": "reference", "Title": "string",
    "Type": "picklist", "UserRoleId": "reference", "Username": "string",
}  # fmt: skip
_WORDS = {
    "formulas": ("include", "exclude"),
    "numbers": ("numeric", "float64"),
    "multipicklists": ("string", "array"),
}


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """What a user asks for.

    :param fields: Fields to read, and fields of parents such as ``Owner.Name``; ``*`` stands for all of the
        object. None reads all. What a copy needs is read besides: Id, the stamps, IsDeleted, CurrencyIsoCode.
    :param exclude_fields: Fields of the object to leave out.
    :param formulas: ``include`` or ``exclude``.
    :param numbers: ``numeric`` keeps decimals exact; ``float64`` makes all of double and percent floating.
    :param multipicklists: ``string`` keeps ``a;b`` as it is, ``array`` makes an ARRAY of it.
    :raises ConfigurationError: a word is not one of these.
    """

    fields: Sequence[str] | None = None
    exclude_fields: Sequence[str] = ()
    formulas: str = "include"
    numbers: str = "numeric"
    multipicklists: str = "string"

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            if (value := getattr(self, name)) not in words:
                raise ConfigurationError(f"{name} is {shown(value, 40)!r}: give {' or '.join(words)}")
        for name in ("fields", "exclude_fields"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, str) or not isinstance(value, Iterable)):
                kind = "text" if isinstance(value, str) else f"of type {type(value).__name__}"
                raise ConfigurationError(f"{name} is {kind}: give a list of names")
            for path in value or ():
                if path != ALL or name != "fields":
                    check_path(path, name)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read of an object.

    :param columns: In the order in which they are read and staged.
    :param left_out: Fields of the object that are not read, and why.
    """

    object_name: str
    columns: tuple[Column, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> list[str]:
        """What the query selects, which is also the header of its results."""
        return [column.path for column in self.columns]

    def only(self, names: Iterable[str]) -> Selection:
        """Return the selection of some columns, and Id, in the same order."""
        wanted = {ID, *names}
        return Selection(
            self.object_name, tuple(each for each in self.columns if each.name in wanted), self.left_out
        )

    def refreshed(self, cursor: str | None) -> Selection:
        """Return what to read to bring formulas and fields of parents up to date.

        No stamp of the record tells that they have changed.
        """
        names = [column.name for column in self.columns if column.calculated]
        return self.only([*names, cursor] if cursor else names)


def select_fields(
    describe: Describe,
    choice: FieldChoice,
    *,
    cursor: str | None = None,
    parents: Mapping[str, Describe] | None = None,
) -> Selection:
    """Return what to read of an object.

    :param cursor: The field that tells when a record changed; it is read in any case.
    :param parents: The describes of :func:`parents_of`, by object.
    :raises ConfigurationError: the object cannot be read, a named field does not exist, is hidden or cannot
        be read, or two columns would have one name.
    """
    object_name = _readable(describe)
    named = {each["name"].lower(): each for each in describe["fields"]}
    needed = [name for name in (ID, cursor, IS_DELETED, CURRENCY) if name and name.lower() in named]
    excluded = {_own(named, path, object_name, "exclude_fields")["name"] for path in choice.exclude_fields}
    if kept := sorted(excluded & set(needed)):
        raise ConfigurationError(
            f"exclude_fields has {', '.join(kept)}, without which {object_name} cannot be copied"
        )
    asked, everything = _asked(describe, choice, parents or {})
    if both := sorted(excluded & set(asked)):
        raise ConfigurationError(f"fields and exclude_fields both have {', '.join(both)}")
    left_out, always = {}, {*asked, *needed}
    for each in describe["fields"]:
        reason = _reason(each, choice, excluded)
        if reason or not (everything or each["name"] in always):
            left_out[each["name"]] = reason or "not in fields"
    chosen = {each["name"]: each for each in describe["fields"] if each["name"] not in left_out}
    paths = {path: each for path, each in asked.items() if "." in path}
    columns = [_column(path, each, choice) for path, each in {**chosen, **paths}.items()]
    columns.sort(key=lambda column: column.name != ID)
    return Selection(object_name, _without_clashes(object_name, columns), left_out)


def check_fields_of_query(choice: FieldChoice) -> None:
    """See that nothing but a user's query names its fields.

    :raises ConfigurationError: fields are named besides.
    """
    if choice.fields is not None or choice.exclude_fields:
        raise ConfigurationError("soql clashes with fields and exclude_fields: the query names its fields")


def select_query(
    query: SoqlQuery, describe: Describe, choice: FieldChoice, parents: Mapping[str, Describe] | None = None
) -> Selection:
    """Return what a user's query reads, in the query's order.

    :raises ConfigurationError: as :func:`select_fields`; or the query has no Id, by which rows are told
        apart.
    """
    object_name = _readable(describe)
    check_fields_of_query(choice)
    found = [resolved(describe, path, parents or {}) for path in query.paths]
    for path, each in found:
        if reason := _reason(each, choice, set()):
            raise ConfigurationError(f"soql selects {path}, which cannot be read: it is {reason}")
    if ID not in {path for path, _ in found}:
        raise ConfigurationError(
            f"soql does not select Id, by which records of {object_name} are told apart: add it"
        )
    columns = [_column(path, each, choice) for path, each in found]
    return Selection(object_name, _without_clashes(object_name, columns))


def parents_of(describe: Describe, paths: Iterable[str], known: Mapping[str, Describe]) -> set[str]:
    """Return the objects whose describes are needed to know the fields of parents, and are not known yet.

    A parent may have parents: ask until the answer is empty.

    :raises ConfigurationError: there is no such relationship.
    """
    missing = set()
    for path in paths:
        place: Describe | None = describe
        for relation in path.split(".")[:-1]:
            targets = _relation(place or {}, relation, path)["referenceTo"]
            if len(targets) != 1:
                break
            place = known.get(targets[0])
            if place is None:
                missing.add(targets[0])
                break
    return missing


def resolved(describe: Describe, path: str, parents: Mapping[str, Describe]) -> tuple[str, Mapping[str, Any]]:
    """Return a path as Salesforce spells it, and the description of its field.

    :raises ConfigurationError: there is no such field or relationship, or the user may not see it.
    """
    *relations, last = path.split(".")
    spelled, place = [], describe
    for number, relation in enumerate(relations):
        link = _relation(place, relation, path)
        spelled.append(link["relationshipName"])
        if len(link["referenceTo"]) != 1:
            if number < len(relations) - 1:
                raise ConfigurationError(f"{path} goes through {relation}, which may be of several objects")
            place = {
                "name": "Name",
                "fields": [{"name": name, "type": kind} for name, kind in _NAME_OBJECT.items()],
            }
        elif (target := link["referenceTo"][0]) in parents:
            place = parents[target]
        else:
            raise ConfigurationError(
                f"{path}: the fields of {target} are not known, since it has not been described"
            )
    found = _own({each["name"].lower(): each for each in place["fields"]}, last, place["name"], path)
    return ".".join((*spelled, found["name"])), found


def _readable(describe: Describe) -> str:
    name = str(describe["name"])
    if describe.get("queryable") is False:
        raise ConfigurationError(f"{name} cannot be queried: Salesforce describes it as not queryable")
    if not any(each["name"] == ID for each in describe["fields"]):
        raise ConfigurationError(
            f"{name} has no Id, by which records are told apart, that this user may read"
        )
    return name


def _own(named: Mapping[str, Any], name: str, object_name: str, parameter: str) -> Any:
    """Return a field of an object."""
    found = named.get(name.lower())
    if found is None:
        raise ConfigurationError(
            f"{parameter}: {object_name} has no field {shown(name, 80)} that this user may read: it is "
            "misspelt, deleted, or hidden by field-level security"
        )
    return found


def _relation(place: Describe, relation: str, path: str) -> Any:
    """Return the reference field of a relationship."""
    for each in place.get("fields", ()):
        if (each.get("relationshipName") or "").lower() == relation.lower():
            return each
    raise ConfigurationError(
        f"{path}: {place.get('name')} has no relationship {relation} that this user may read; a custom "
        "field's ends in __r"
    )


def _asked(
    describe: Describe, choice: FieldChoice, parents: Mapping[str, Describe]
) -> tuple[dict[str, Mapping[str, Any]], bool]:
    """Return the fields that a user names, and whether all of the object are asked for."""
    names = [ALL] if choice.fields is None else list(choice.fields)
    asked = {}
    for path in names:
        if path == ALL:
            continue
        spelled, each = resolved(describe, path, parents)
        if reason := _reason(each, choice, set()):
            raise ConfigurationError(f"fields: {spelled} cannot be read: it is {reason}")
        asked[spelled] = each
    return asked, ALL in names


def _reason(each: Mapping[str, Any], choice: FieldChoice, excluded: set[str]) -> str | None:
    """Return why a field is not read; None if it is."""
    if each["name"] in excluded:
        return "in exclude_fields"
    if choice.formulas == "exclude" and each.get("calculated"):
        return 'a formula, and formulas is "exclude"'
    soap = str(each.get("soapType", "")).rpartition(":")[2].lower()
    found = _NOT_READ.get(each["type"]) or _NOT_READ.get(soap)
    return found or (_NOT_READ["searchlayout"] if soap.startswith("searchlayout") else None)


def _column(path: str, each: Mapping[str, Any], choice: FieldChoice) -> Column:
    calculated = bool(each.get("calculated")) or "." in path
    return Column(path, path.replace(".", "_"), each["type"], column_type(each, choice), calculated)


def column_type(each: Mapping[str, Any], choice: FieldChoice) -> str:
    """Return the type of the column that a field becomes."""
    kind = each["type"]
    if kind in {"double", "percent"}:
        exact = int(each.get("scale") or 0) <= _NUMERIC_SCALE and not each.get("calculated")
        return "NUMERIC" if exact and choice.numbers == "numeric" else "FLOAT64"
    if kind == "multipicklist" and choice.multipicklists == "array":
        return "ARRAY<STRING>"
    return _TYPES.get(kind, "STRING")


def _without_clashes(object_name: str, columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns, if a table can have all of them.

    :raises ConfigurationError: two have one name, in large letters or small ones, or they are too many.
    """
    taken = {name: f"this package's column {name}" for name in OWN_COLUMNS}
    for column in columns:
        key = column.name.lower()
        if key in taken:
            raise ConfigurationError(
                f"{object_name}: {column.path} and {taken[key]} would both be the column {column.name}: "
                "leave one out"
            )
        taken[key] = column.path
    if len(taken) > MOST_COLUMNS:
        raise ConfigurationError(
            f"{object_name} would have {len(taken):,} columns, and a table has at most {MOST_COLUMNS:,}: "
            "leave fields out with exclude_fields"
        )
    return tuple(columns)
