"""Datasets: what data is called in lineage, whoever asks.

BigQuery, object stores and files have the names of OpenLineage's specification,
https://openlineage.io/docs/spec/naming. It knows neither Salesforce nor Redivis: those are ours, of the same
kind, the service's host and then the path of the data there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from airflow_provider_jobs.words import masked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BIGQUERY = "bigquery"
SALESFORCE = "salesforce"
REDIVIS = "redivis"
FILE = "file"
_WILDCARDS = "*?["
_HASH = quote("#")
#: What follows the path of an address: it may be a signature.
_QUERY = re.compile(r"\?[\w.~%-]+=.*", re.DOTALL)
#: Schemes that are another name of the first of their kind.
_SCHEMES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfs": "abfss", "wasb": "wasbs"}
#: Stores whose addresses begin with a bucket or a container; of others it is a machine.
_BUCKETS = frozenset({"s3", "gs", "abfss", "wasbs"})
#: Where a user stands before an ``@`` in other addresses, Azure's have the container.
_CONTAINERS = frozenset({"abfss", "wasbs"})


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a dataset, as its service describes it.

    :param fields: Of a record.
    """

    name: str
    type: str | None = None
    description: str | None = None
    fields: tuple[Column, ...] = ()


#: Namespace and name of a dataset, and a column of it.
Source = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data that a task has read or written.

    :param patterns: Names that were given for it, if those are patterns: namespace and name.
    :param sources: Of each column those that it is made of.
    :param identical: The columns are those of the sources, unchanged.
    :param version: Of a release.
    """

    namespace: str
    name: str
    columns: tuple[Column, ...] = ()
    description: str | None = None
    patterns: tuple[tuple[str, str], ...] = ()
    sources: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    identical: bool = False
    row_count: int | None = None
    size_bytes: int | None = None
    file_count: int | None = None
    version: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from other datasets."""
        return self.namespace, self.name

    @property
    def uri(self) -> str:
        """The URI of the asset that stands for it; of one with a ``#`` Airflow would keep what is before."""
        if self.namespace == FILE:
            return f"file://{self.name}".replace("#", _HASH)
        if self.namespace == BIGQUERY:
            return f"bigquery://{'/'.join(bigquery_parts(self.name))}"
        if self.namespace.startswith(f"{REDIVIS}://"):
            return f"{self.namespace}/{'/'.join(quote(each, safe='') for each in self.name.split('.'))}"
        return f"{self.namespace}/{self.name.lstrip('/')}".replace("#", _HASH)


def bigquery_parts(name: str) -> tuple[str, str, str]:
    """Return project, dataset and table of a name; a lakehouse's dataset has dots, and so may a domain."""
    project, _, rest = name.rpartition(":")
    first, _, rest = rest.partition(".")
    dataset, _, table = rest.rpartition(".")
    return f"{project}:{first}" if project else first, dataset, table


def is_temporary(dataset: Dataset) -> bool:
    """Return True of a table that BigQuery drops by itself: a script's, a session's, or :func:`is_result`."""
    return dataset.namespace == BIGQUERY and bigquery_parts(dataset.name)[1].startswith("_")


def is_result(dataset: Dataset) -> bool:
    """Return True of a table that BigQuery itself has made for the rows of a query."""
    return is_temporary(dataset) and bigquery_parts(dataset.name)[2].startswith("anon")


def bigquery_table(name: str) -> Dataset:
    """Return the dataset of a table, ``project.dataset.table``."""
    return Dataset(BIGQUERY, name)


def salesforce_object(host: str, name: str) -> Dataset:
    """Return the dataset of the records of an object, such as ``Account``.

    :param host: The org's own: ``acme.my.salesforce.com``.
    """
    return Dataset(f"{SALESFORCE}://{host}", name)


def redivis_data(host: str, reference: str) -> Dataset:
    """Return the dataset of ``owner.dataset`` or ``owner.dataset.table``, of any version."""
    return Dataset(f"{REDIVIS}://{host}", ".".join(each.partition(":")[0] for each in reference.split(".")))


def files(places: Any) -> list[Dataset]:
    """Return the datasets of files: of a path, a URL, or a list of these, each once."""
    given = places if isinstance(places, list | tuple) else [places]
    return merged(file_dataset(str(each)) for each in given if each)


def file_dataset(place: str, wildcards: str = _WILDCARDS) -> Dataset:
    """Return the dataset of a file or a folder; of a pattern that of the folder with all its files.

    :param wildcards: Characters that make a pattern of a name.
    """
    place = _QUERY.sub("", place)
    scheme, _, _ = place.partition("://")
    namespace, name = _local(place) if scheme in {place, FILE} else _stored(place)
    name = masked(name)
    if not any(wildcard in name for wildcard in wildcards):
        return Dataset(namespace, name)
    at = min(name.index(wildcard) for wildcard in wildcards if wildcard in name)
    folder = name[:at].rpartition("/")[0]
    return Dataset(namespace, folder or "/", patterns=((namespace, name),))


def _local(place: str) -> tuple[str, str]:
    return FILE, str(Path(place.removeprefix("file://")).absolute())


def _stored(url: str) -> tuple[str, str]:
    """Return namespace and name of a URL, without the user or the signature that may be in it."""
    scheme, _, address = url.partition("://")
    scheme = _SCHEMES.get(scheme, scheme)
    place, _, path = address.partition("/")
    _, _, rest = place.rpartition("@")
    if scheme not in _CONTAINERS or "." not in rest:  # of Azure's the container stands before its account
        place = rest
    if scheme in _BUCKETS:
        return f"{scheme}://{place}", path.strip("/") or "/"
    path = path.partition("?")[0]
    return f"file://{place}", f"/{path.strip('/')}"


def merged(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return datasets, each once; numbers are told of none that was there several times."""
    found: dict[tuple[str, str], Dataset] = {}
    for each in datasets:
        known = found.get(each.key)
        found[each.key] = each if known is None else _both(known, each)
    return list(found.values())


def _both(one: Dataset, other: Dataset) -> Dataset:
    sources = {
        name: tuple(dict.fromkeys((*one.sources.get(name, ()), *other.sources.get(name, ()))))
        for name in (*one.sources, *other.sources)
    }
    return Dataset(
        one.namespace,
        one.name,
        one.columns or other.columns,
        one.description or other.description,
        tuple(dict.fromkeys((*one.patterns, *other.patterns))),
        sources,
        one.identical and other.identical,
        version=one.version or other.version,
    )


def of_uri(uri: str) -> Dataset:
    """Return the dataset that the URI of an asset stands for; :attr:`Dataset.uri` the other way round."""
    parts = urlsplit(uri)
    path = parts.path.strip("/").split("/")
    if parts.scheme == BIGQUERY:
        return bigquery_table(".".join((parts.netloc, *path)))
    if parts.scheme == REDIVIS:
        return Dataset(f"{REDIVIS}://{parts.netloc}", ".".join(map(unquote, path)))
    if parts.scheme == SALESFORCE:
        return salesforce_object(parts.netloc, path[0])
    return file_dataset(uri.replace(_HASH, "#"))
