"""Short ways to spell a field, for the lists in ``objects``."""

from __future__ import annotations

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


def lookup(name: str, label: str, refers_to: str, relationship: str, *, default: str = "NULL") -> Field:
    """A reference to a record."""
    return Field(
        name, "reference", label, length=18, refers_to=refers_to, relationship=relationship, default=default
    )


def read_only(name: str, label: str, type_: str, length: int = 0, default: str = "NULL") -> Field:
    """A field that only Salesforce writes."""
    return Field(name, type_, label, length=length, writable=False, default=default)


def address(prefix: str, label: str) -> tuple[Field, ...]:
    """A compound address and its parts."""
    return (
        text(f"{prefix}Street", f"{label} Street", 255, type_="textarea"),
        text(f"{prefix}City", f"{label} City", 40),
        text(f"{prefix}State", f"{label} State/Province", 80),
        text(f"{prefix}PostalCode", f"{label} Zip/Postal Code", 20),
        text(f"{prefix}Country", f"{label} Country", 80),
        Field(f"{prefix}Address", "address", f"{label} Address", writable=False),
    )


def system(label: str, user: str) -> tuple[tuple[Field, ...], tuple[Field, ...]]:
    """The fields of every object: those that come first, and those that come last.

    :param user: the id of the user who writes, as SQL.
    """

    def by(name: str, relationship: str, title: str) -> Field:
        return Field(
            name, "reference", title, length=18, writable=False,
            refers_to="User", relationship=relationship, default=user,
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
