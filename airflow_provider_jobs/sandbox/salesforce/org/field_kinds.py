"""Short ways to spell a field, for the lists in ``objects``."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_jobs.sandbox.salesforce.org.model import Field

LONG_TEXT_CHARACTERS = 32_000


def text(name: str, label: str, length: int, *, required: bool = False, type_: str = "string") -> Field:
    """A line of text."""
    return Field(name, type_, label, length=length, required=required)


def key(name: str, label: str, length: int) -> Field:
    """A unique external id, compared without case."""
    return Field(name, "string", label, length=length, external_id=True)


def long_text(name: str, label: str, length: int = LONG_TEXT_CHARACTERS) -> Field:
    """A long text area: it can be selected, and nothing else."""
    return Field(name, "textarea", label, length=length, long=True)


def picklist(
    name: str, label: str, *values: str, required: bool = False, default: str = "NULL", several: bool = False
) -> Field:
    """A picklist; with values it takes no others."""
    kind = "multipicklist" if several else "picklist"
    length = 4099 if several else 255
    return Field(name, kind, label, length=length, required=required, values=values, default=default)


def number(name: str, label: str, digits: int, scale: int = 0, type_: str = "double") -> Field:
    """A number with a fixed scale; also a currency or percentage."""
    return Field(name, type_, label, digits=digits - scale, scale=scale)


def plain(name: str, label: str, type_: str, *, required: bool = False, default: str = "NULL") -> Field:
    """A date, datetime, boolean or integer."""
    if type_ == "boolean" and default == "NULL":
        default = "false"
    return Field(name, type_, label, required=required, default=default, digits=10 if type_ == "int" else 18)


def lookup(
    name: str,
    label: str,
    refers_to: str | tuple[str, ...],
    relationship: str,
    *,
    default: str = "NULL",
    on_delete: str = "clear",
) -> Field:
    """A reference to a record."""
    parents = (refers_to,) if isinstance(refers_to, str) else refers_to
    return Field(
        name, "reference", label, length=18, refers_to=parents, relationship=relationship, default=default,
        on_delete=on_delete,
    )  # fmt: skip


def master(of: str) -> Field:
    """The record that this one was merged into."""
    return replace(
        lookup("MasterRecordId", "Master Record ID", of, "MasterRecord", on_delete="keep"), writable=False
    )


def formula(
    name: str, label: str, type_: str, sql: str, *, reads: str = "", scale: int = 0, length: int = 0
) -> Field:
    """A field that follows from others whenever it is read.

    :param sql: how, with ``{0}`` for the table.
    :param reads: another object that it reads.
    """
    return Field(
        name, type_, label, length=length, digits=18 - scale, scale=scale, writable=False, formula=sql,
        formula_reads=reads,
    )  # fmt: skip


def read_only(name: str, label: str, type_: str, length: int = 0, default: str = "NULL") -> Field:
    """A field that only Salesforce writes."""
    return Field(name, type_, label, length=length, writable=False, default=default)


def address(prefix: str, label: str) -> tuple[Field, ...]:
    """A compound address and its parts."""
    whole = f"{prefix}Address"
    return (
        *parts(
            whole,
            text(f"{prefix}Street", f"{label} Street".strip(), 255, type_="textarea"),
            text(f"{prefix}City", f"{label} City".strip(), 40),
            text(f"{prefix}State", f"{label} State/Province".strip(), 80),
            text(f"{prefix}PostalCode", f"{label} Zip/Postal Code".strip(), 20),
            text(f"{prefix}Country", f"{label} Country".strip(), 80),
        ),
        Field(whole, "address", f"{label} Address".strip(), writable=False),
    )


def parts(whole: str, *fields: Field) -> tuple[Field, ...]:
    """Parts of a compound field, or of a person's name."""
    return tuple(replace(each, part_of=whole) for each in fields)


def system(label: str, user: str) -> tuple[tuple[Field, ...], tuple[Field, ...]]:
    """The fields of every object: those that come first, and those that come last.

    :param user: the id of the user who writes, as SQL.
    """

    def by(name: str, relationship: str, title: str) -> Field:
        return Field(
            name, "reference", title, length=18, writable=False,
            refers_to=("User",), relationship=relationship, default=user,
        )  # fmt: skip

    first = (
        read_only("Id", f"{label} ID", "id", 18),
        read_only("IsDeleted", "Deleted", "boolean", default="false"),
    )
    last = (
        read_only("CreatedDate", "Created Date", "datetime"),
        by("CreatedById", "CreatedBy", "Created By ID"),
        read_only("LastModifiedDate", "Last Modified Date", "datetime"),
        by("LastModifiedById", "LastModifiedBy", "Last Modified By ID"),
        read_only("SystemModstamp", "System Modstamp", "datetime"),
    )
    return first, last
