"""Creating what has to exist before bytes are sent: dataset, unreleased version, table.

Each is read before it is created, and read again before a create is repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.redivis.names import (
    MADE_FOR_UPLOADS,
    TableReference,
    check_owner_type,
    writable_table,
)
from airflow_provider_jobs.clients.redivis.replies import is_released
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    NotFoundError,
    ProtocolError,
    ServiceError,
)
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_jobs.clients.redivis.api import RedivisApi

log = logging.getLogger(__name__)

CREATABLE = frozenset({"dataset", "version", "table"})
_NO_DATASET = "the dataset {} does not exist, or the token may not see it"
_NO_VERSION = "the dataset {} has no unreleased version"
_NO_TABLE = "the table {} does not exist, or the token may not see it"


@dataclass(frozen=True, slots=True)
class Preparation:
    """What has to exist, and how.

    :param create: What to create if it is missing, of :data:`CREATABLE`.
    :param owner_type: Whose the dataset would be: an ``organization``'s or a ``user``'s.
    :param dataset_fields: More fields of a new dataset, as the API names them.
    :param merge_strategy: How the table is to treat rows of the version before; None leaves it.
    :param replacing: The caller replaces uploads: warn of rows that stay all the same.
    :raises ConfigurationError: a parameter is wrong.
    """

    create: frozenset[str] = frozenset()
    owner_type: str = "organization"
    dataset_fields: Mapping[str, Any] = field(default_factory=dict)
    merge_strategy: str | None = None
    replacing: bool = False

    def __post_init__(self) -> None:
        if unknown := self.create - CREATABLE:
            raise ConfigurationError(
                f"create_missing holds {sorted(unknown)}: it may hold {', '.join(sorted(CREATABLE))}"
            )
        if self.merge_strategy not in {None, "append", "replace"}:
            raise ConfigurationError(f"merge_strategy is {self.merge_strategy!r}: it is append or replace")
        check_owner_type(self.owner_type)
        if not isinstance(self.dataset_fields, Mapping):
            raise ConfigurationError("dataset_options is not a mapping")


def prepare(api: RedivisApi, table_text: str, wanted: Preparation) -> None:
    """Check dataset, version and table, and create what may be; asks nothing if only ``:next`` is given.

    :raises ConfigurationError: something is missing, or the reference cannot be written to.
    """
    table = writable_table(table_text)
    released = None
    if table.dataset.version != "next" or wanted.create:
        released = _ensure_version(api, table, wanted, _ensure_dataset(api, table, wanted))
    if "table" not in wanted.create and not wanted.merge_strategy and not wanted.replacing:
        return
    strategy = _ensure_table(api, table, wanted)
    if wanted.replacing and strategy == "append" and released is not False:
        _warn_of_inherited_rows(api, table)


def check_there(api: RedivisApi, table_text: str, create: frozenset[str]) -> None:
    """See, before any work is done, that :func:`prepare` will find what it may not create; nothing is made.

    :raises ConfigurationError: something is missing, or the reference cannot be written to.
    """
    table = writable_table(table_text)
    dataset = api.find(table.dataset.at(None).path)
    if dataset is None:
        if "dataset" not in create:
            raise _missing(_NO_DATASET.format(table.dataset.at(None)))
        return
    if is_released(dataset):
        _check_next(table)
    if not _is_opened(dataset) and "version" not in create:
        raise _missing(_NO_VERSION.format(table.dataset.at(None)))
    if "table" not in create and _shown(api, table, dataset) is None:
        raise _missing(_NO_TABLE.format(table))


def find_table(api: RedivisApi, table_text: str) -> dict[str, Any] | None:
    """Return a table as the next version has it, else as the released one has; None if there is no such.

    :raises ConfigurationError: the reference cannot be written to.
    """
    table = writable_table(table_text)
    dataset = api.find(table.dataset.at(None).path)
    return _shown(api, table, dataset) if dataset else None


def _shown(api: RedivisApi, table: TableReference, dataset: Mapping[str, Any]) -> dict[str, Any] | None:
    return api.find((table if _is_opened(dataset) else table.at("current")).path)


def _is_opened(dataset: Mapping[str, Any]) -> bool:
    return bool(not is_released(dataset) or dataset.get("nextVersion"))


def _missing(what: str) -> ConfigurationError:
    return ConfigurationError(f"{what}; create_missing would create it")


def _check_next(table: TableReference) -> None:
    if table.dataset.version != "next":
        raise ConfigurationError(
            f"table {table} means a released version, which never changes: write {table.at('next')}"
        )


def _ensure_dataset(api: RedivisApi, table: TableReference, wanted: Preparation) -> dict[str, Any]:
    reference = table.dataset.at(None)

    def create() -> dict[str, Any]:
        log.info("creating the dataset %s", reference)
        # Nobody but its editors sees a dataset that says nothing else.
        fields = {"name": table.dataset.name, "publicAccessLevel": "none", **wanted.dataset_fields}
        return api.create_dataset(table.dataset.owner, fields, owner_type=wanted.owner_type)

    missing = _NO_DATASET.format(reference)
    allowed = "dataset" in wanted.create and not table.dataset.ref_id
    return _read_or_create(api, lambda: api.find(reference.path), create if allowed else None, missing)


def _ensure_version(
    api: RedivisApi, table: TableReference, wanted: Preparation, dataset: Mapping[str, Any]
) -> bool:
    """Ensure that there is a version to write to; return True if another is released."""
    released = is_released(dataset)
    reference = table.dataset.at(None)
    if released:
        _check_next(table)
    if not released or dataset.get("nextVersion"):
        return released

    def read() -> dict[str, Any] | None:
        found = api.find(reference.path) or {}
        return found if found.get("nextVersion") or not is_released(found) else None

    def create() -> dict[str, Any]:
        log.info("opening the next version of %s", reference)
        return api.create_version(str(reference))

    missing = _NO_VERSION.format(reference)
    _read_or_create(api, read, create if "version" in wanted.create else None, missing)
    return True


def _ensure_table(api: RedivisApi, table: TableReference, wanted: Preparation) -> str | None:
    """Ensure that there is a table; return its merge strategy."""

    def create() -> dict[str, Any]:
        log.info("creating the table %s", table)
        strategy = {"uploadMergeStrategy": wanted.merge_strategy} if wanted.merge_strategy else {}
        fields = {"name": table.name, "description": MADE_FOR_UPLOADS, **strategy}
        return api.create_table(str(table.dataset), fields)

    missing = _NO_TABLE.format(table)
    allowed = "table" in wanted.create and not table.ref_id
    found = _read_or_create(api, lambda: api.find(table.path), create if allowed else None, missing)
    strategy = found.get("uploadMergeStrategy")
    if wanted.merge_strategy and strategy != wanted.merge_strategy:
        log.info("the merge strategy of %s becomes %s", table, wanted.merge_strategy)
        told = api.update_table(str(table), {"uploadMergeStrategy": wanted.merge_strategy})
        strategy = told.get("uploadMergeStrategy", wanted.merge_strategy)
        if strategy != wanted.merge_strategy:
            raise ProtocolError(
                f"the merge strategy of {table} was set to {wanted.merge_strategy}, and Redivis says that "
                f"it is {shown(strategy, 40)}"
            )
    return wanted.merge_strategy or strategy


def _warn_of_inherited_rows(api: RedivisApi, table: TableReference) -> None:
    try:
        dataset = api.find(table.dataset.at(None).path)
        inherited = dataset and is_released(dataset) and api.find(table.at("current").path) is not None
    except JobsError as error:  # a warning less is no reason to fail
        log.warning("whether %s keeps rows of the released version is not known: %s", table, error)
        return
    if inherited:
        log.warning(
            "%s keeps the rows of the released version, whatever uploads are replaced: its merge strategy is "
            "append; set merge_strategy to replace to leave them out",
            table,
        )


def _read_or_create(
    api: RedivisApi,
    read: Callable[[], dict[str, Any] | None],
    create: Callable[[], dict[str, Any]] | None,
    missing: str,
) -> dict[str, Any]:
    """Return what exists, or is created where ``create`` is not None: read first, each time."""

    def step() -> dict[str, Any]:
        found = read()
        if found is not None:
            return found
        if create is None:
            raise _missing(missing)
        try:
            return create()
        except ServiceError as error:
            final = isinstance(error, AuthenticationError | NotFoundError)
            found = None if final else read()  # somebody else may have been faster
            if found is None:
                raise
            return found

    return api.repeat(step)
