"""How datasets and tables are named: https://docs.redivis.com/api/referencing-resources.

``owner.dataset[:id][:version]`` and ``owner.dataset[:id][:version].table[:id]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from airflow_provider_jobs.sandbox.redivis.replies import invalid

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.replies import Refusal

NAME = re.compile(r"[^\x00-\x20.:/\\?#%`][^\x00-\x1f.:/\\?#%`]{0,199}")
RELEASED = re.compile(r"v\d{1,6}_\d{1,6}")
REFERENCE_ID = re.compile(r"[a-z0-9]{4}")
CURRENT, NEXT = "current", "next"


@dataclass(frozen=True)
class Reference:
    """A dataset, or a table of it, at a version."""

    owner: str
    dataset: str
    dataset_id: str | None
    version: str  # "current", "next" or "v1_0"
    table: str = ""
    table_id: str | None = None


def fold(name: str) -> str:
    """Give a name as references spell it: small letters, anything else an underscore."""
    return re.sub(r"\W+", "_", name.lower())


def path_name(name: str) -> str:
    """Give an upload's name as its path spells it."""
    return name.replace(".", "_")


def read_dataset(text: str) -> Reference:
    """Read the reference of a dataset.

    :raises Refusal: 400, it is not one.
    """
    parts = unquote(text).split(".")
    if len(parts) != len(("owner", "dataset")):
        raise _refusal(text, "owner.dataset")
    return _dataset(text, *parts)


def read_table(text: str) -> Reference:
    """Read the reference of a table.

    :raises Refusal: 400, it is not one.
    """
    parts = unquote(text).split(".")
    if len(parts) != len(("owner", "dataset", "table")):
        raise _refusal(text, "owner.dataset.table; write a version as v1_0")
    found = _dataset(text, *parts[:2])
    name, *tags = parts[2].split(":")
    if not NAME.fullmatch(name) or len(tags) > 1 or not all(map(REFERENCE_ID.fullmatch, tags)):
        raise _refusal(text, "owner.dataset.table[:id]")
    return Reference(
        found.owner, found.dataset, found.dataset_id, found.version, fold(name), tags[0] if tags else None
    )


def check_name(name: object, what: str) -> str:
    """Give the name of something new.

    :raises Refusal: 400, it is not one.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise invalid(f"{what} must be a name, without any of . : / ? # % and at most 200 characters long.")
    return name


def _dataset(text: str, owner: str, dataset: str) -> Reference:
    name, *tags = dataset.split(":")
    if not NAME.fullmatch(owner) or not NAME.fullmatch(name):
        raise _refusal(text, "owner.dataset")
    identity, version = None, CURRENT
    for tag in tags:
        if tag in {CURRENT, NEXT} or RELEASED.fullmatch(tag):
            version = tag
        elif tag == "sample":
            raise invalid("The sandbox has no samples.")
        elif REFERENCE_ID.fullmatch(tag) and identity is None:
            identity = tag
        else:
            raise _refusal(text, "owner.dataset[:id][:version]")
    return Reference(fold(owner), fold(name), identity, version)


def _refusal(text: str, form: str) -> Refusal:
    return invalid(f"Invalid reference {text[:200]!r}: it must be {form}.")
