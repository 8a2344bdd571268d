"""How datasets and tables are named: https://docs.redivis.com/api/referencing-resources.

``owner.dataset[:id][:version]`` and ``owner.dataset[:id][:version].table[:id]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from airflow_provider_jobs.sandbox.redivis.replies import invalid

NAME = re.compile(r"[^\x00-\x20.:/\\?#%`][^\x00-\x1f.:/\\?#%`]{0,199}")
CURRENT, NEXT = "current", "next"
DATASET = re.compile(
    rf"(?P<owner>{NAME.pattern})\.(?P<dataset>{NAME.pattern})(?::(?!next\b)(?P<id>[a-z0-9]{{4}}))?"
    r"(?P<sample>:sample)?(?::(?P<version>current|next|v\d{1,6}_\d{1,6}))?"
)
TABLE = re.compile(rf"{DATASET.pattern}\.(?P<table>{NAME.pattern})(?::(?P<table_id>[a-z0-9]{{4}}))?")


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
    return _read(DATASET, text, "owner.dataset[:id][:version]")


def read_table(text: str) -> Reference:
    """Read the reference of a table.

    :raises Refusal: 400, it is not one.
    """
    return _read(TABLE, text, "owner.dataset[:id][:version].table[:id], with a version as v1_0")


def check_name(name: object, what: str) -> str:
    """Give the name of something new.

    :raises Refusal: 400, it is not one.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise invalid(f"{what} must be a name, without any of . : / ? # % and at most 200 characters long.")
    return name


def _read(form: re.Pattern[str], text: str, spelled: str) -> Reference:
    found = form.fullmatch(unquote(text))
    if found is None:
        raise invalid(f"Invalid reference {text[:200]!r}: it must be {spelled}.")
    if found["sample"]:
        raise invalid("The sandbox has no samples.")
    owner, dataset, version = fold(found["owner"]), fold(found["dataset"]), found["version"] or CURRENT
    names = found.groupdict()
    return Reference(
        owner, dataset, found["id"], version, fold(names.get("table") or ""), names.get("table_id")
    )
