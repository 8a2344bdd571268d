"""How Redivis names datasets, tables and uploads: checked before anything is sent, encoded in one place.

What is not the name that it has to be is a :class:`.ConfigurationError`.
Source: https://docs.redivis.com/api/referencing-resources
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from airflow_provider_jobs.core.http.path import checked_path, path_of
from airflow_provider_jobs.errors import ConfigurationError, ProtocolError
from airflow_provider_jobs.words import shown

_NAME = r"[^\x00-\x20\x7f.:/\\?#%`](?:[^\x00-\x1f\x7f.:/\\?#%`]*[^\x00-\x20\x7f.:/\\?#%`])?"
_VERSION = r"current|next|v\d+_\d+"
_DATASET = re.compile(
    rf"(?P<name>{_NAME})"
    rf"(?::(?P<ref_id>(?!(?:sample|{_VERSION})(?::|$))[A-Za-z0-9]+))?"
    r"(?P<sample>:sample)?"
    rf"(?::(?P<version>{_VERSION}))?"
)
_TABLE = re.compile(rf"(?P<name>{_NAME})(?::(?P<ref_id>[A-Za-z0-9]+))?")
_UPLOAD_URI = re.compile(r"/tables/[^/]+/uploads/[^/]+")
#: The description of a table that was made for an upload, until somebody writes another: a release looks
#: whether it has rows.
MADE_FOR_UPLOADS = "Made for an upload by airflow-provider-jobs."
#: Longest name of an upload that is sent; no limit is documented.
_NAME_LENGTH = 500


@dataclass(frozen=True, slots=True)
class DatasetReference:
    """``owner.name[:refId][:sample][:version]``.

    :param version: ``current``, ``next`` or ``v1_0``; None means what Redivis takes then: the current one.
    """

    owner: str
    name: str
    ref_id: str | None = None
    sample: bool = False
    version: str | None = None

    def __str__(self) -> str:
        parts = (self.name, self.ref_id, "sample" if self.sample else None, self.version)
        return f"{self.owner}." + ":".join(part for part in parts if part)

    @property
    def path(self) -> str:
        """Where it is, below the API's address."""
        return path_of("datasets", str(self))

    def at(self, version: str | None) -> DatasetReference:
        """Return another version of the dataset."""
        return replace(self, version=version)


@dataclass(frozen=True, slots=True)
class TableReference:
    """``owner.dataset.name[:tableId]``."""

    dataset: DatasetReference
    name: str
    ref_id: str | None = None

    def __str__(self) -> str:
        return f"{self.dataset}.{self.name}" + (f":{self.ref_id}" if self.ref_id else "")

    @property
    def path(self) -> str:
        """Where it is, below the API's address."""
        return path_of("tables", str(self))

    def at(self, version: str | None) -> TableReference:
        """Return the table in another version of its dataset."""
        return replace(self, dataset=self.dataset.at(version))

    def upload_path(self, name: str) -> str:
        """Return where the upload of a name is; dots count as underscores there."""
        return path_of("tables", str(self), "uploads", path_name(name))


def owner_path(owner: str, owner_type: str) -> str:
    """Return where the datasets of an ``organization`` or a ``user`` are, below the API's address."""
    return path_of(f"{check_owner_type(owner_type)}s", owner, "datasets")


def check_owner_type(owner_type: str) -> str:
    """Return the type of an owner if there is such a type."""
    if owner_type not in {"organization", "user"}:
        raise ConfigurationError(f"owner_type is {owner_type!r}: it is organization or user")
    return owner_type


def dataset_reference(text: str) -> DatasetReference:
    """Read ``owner.dataset``, its version included."""
    dataset, _ = _read(text, "dataset", "owner.dataset")
    return dataset


def table_reference(text: str) -> TableReference:
    """Read ``owner.dataset.table``, the dataset's version included."""
    dataset, (name,) = _read(text, "table", "owner.dataset.table")
    match = _TABLE.fullmatch(name)
    if not match:
        raise ConfigurationError(f"table {text!r}: {name!r} is not a table's name")
    return TableReference(dataset, match["name"], match["ref_id"])


def writable_table(text: str) -> TableReference:
    """Read the reference of a table that can be uploaded to: neither a release's nor a sample's."""
    table = table_reference(text)
    if table.dataset.sample:
        raise ConfigurationError(f"table {text!r} is a sample: name the dataset itself")
    if (table.dataset.version or "").startswith("v"):
        raise ConfigurationError(
            f"table {text!r} is a released version, which never changes: write {table.at('next')}"
        )
    return table


def releasable_dataset(text: str) -> DatasetReference:
    """Read the reference of a dataset whose next version can be released; without the version."""
    dataset = dataset_reference(text)
    if dataset.sample:
        raise ConfigurationError(f"dataset {text!r} is a sample: name the dataset itself")
    if dataset.version not in {None, "next"}:
        raise ConfigurationError(
            f"dataset {text!r} names another version than the next one, which is what can be released: write "
            f"{dataset.at(None)}"
        )
    return dataset.at(None)


def upload_name(text: object, parameter: str = "upload_name") -> str:
    """Return the name if an upload can have it."""
    if not isinstance(text, str) or not text.strip() or len(text) > _NAME_LENGTH or not text.isprintable():
        raise ConfigurationError(f"{parameter} {shown(text, 80)!r} is not a name that an upload can have")
    return text


def path_name(name: str) -> str:
    """Return the name as an upload's address holds it; names that are equal here share one address."""
    return name.replace(".", "_")


def upload_uri(uri: object) -> str:
    """Return the ``uri`` of an upload, a path below the API's address."""
    if not isinstance(uri, str) or not _UPLOAD_URI.fullmatch(uri):
        raise ConfigurationError(f"{shown(uri, 80)!r} is not the uri of an upload")
    return checked_path(uri)


def checked_uri(uri: object) -> str:
    """Return the ``uri`` that a reply gives an upload.

    :raises ProtocolError: it is something else, and nothing is sent there.
    """
    try:
        return upload_uri(uri)
    except ConfigurationError:
        raise ProtocolError("Redivis names an upload by what is not a path of one") from None


def _read(text: str, parameter: str, wanted: str) -> tuple[DatasetReference, list[str]]:
    """Return the dataset that a reference begins with, and the parts that follow."""
    if not isinstance(text, str):
        raise ConfigurationError(f"{parameter} is a {type(text).__name__}: write {wanted}")
    if re.search(r":v\d+\.\d+", text):
        raise ConfigurationError(
            f"{parameter} {text!r}: a version is written with an underscore, as in :v1_0"
        )
    parts = text.split(".")
    if len(parts) != len(wanted.split(".")):
        raise ConfigurationError(f"{parameter} {text!r} has {len(parts)} parts: write {wanted}")
    owner, name, *rest = parts
    match = _DATASET.fullmatch(name)
    if not match or not re.fullmatch(_NAME, owner):
        raise ConfigurationError(
            f"{parameter} {text!r}: a dataset is owner.name, then perhaps :refId, :sample, :current, :next "
            "or a version such as :v1_0"
        )
    sample = bool(match["sample"])
    return DatasetReference(owner, match["name"], match["ref_id"], sample, match["version"]), rest
