"""Everything that exists: in memory for reading, on disk for the next start."""

from __future__ import annotations

import itertools
import secrets
import string
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.documents import Documents
from airflow_provider_jobs.sandbox.redivis.model import (
    APPEND,
    REPLACE,
    Dataset,
    Table,
    TableUpload,
    TempUpload,
    Version,
)
from airflow_provider_jobs.sandbox.redivis.references import CURRENT, NEXT, Reference, fold, path_name
from airflow_provider_jobs.sandbox.redivis.replies import conflict, invalid, missing

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.sandbox.clock import Clock

# What each is called on disk, and by which of its fields.
KEPT = {
    Dataset: ("dataset", "reference_id"),
    Table: ("table", "reference_id"),
    TableUpload: ("upload", "number"),
    TempUpload: ("temp", "temp_id"),
}
LETTERS = string.ascii_lowercase + string.digits


class Catalog:
    """All datasets with what is in them; used on the event loop only."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._documents = Documents(path)
        self._clock = clock
        self._datasets = {each.reference_id: each for each in map(_dataset, self._documents.read("dataset"))}
        self._tables = {each["reference_id"]: Table(**each) for each in self._documents.read("table")}
        self._uploads = {each["number"]: TableUpload(**each) for each in self._documents.read("upload")}
        self._temps = {each["temp_id"]: TempUpload(**each) for each in self._documents.read("temp")}
        self._numbers = itertools.count(max(self._uploads, default=0) + 1)

    # -- datasets and versions --------------------------------------------------------------------

    def add_dataset(self, owner: str, owner_kind: str, name: str) -> Dataset:
        """Make a dataset with a first version to write to.

        :raises Refusal: 409, the owner has one of that name.
        """
        if any(_same(each, owner, name) for each in self._datasets.values()):
            raise conflict(f"{owner} already has a dataset named {name}.")
        now = self._clock.now()
        dataset = Dataset(self._new_id(), owner, owner_kind, name, now, versions=[Version(1, now)])
        self._datasets[dataset.reference_id] = dataset
        self.keep(dataset)
        return dataset

    def owned(self, owner: str) -> list[Dataset]:
        """Give the datasets of an organization or a user, oldest first."""
        return [each for each in self._datasets.values() if fold(each.owner) == fold(owner)]

    def dataset(self, wanted: Reference) -> Dataset:
        """Give a dataset, whatever the version.

        :raises Refusal: 404.
        """
        for dataset in self._datasets.values():
            same = _same(dataset, wanted.owner, wanted.dataset)
            if same and wanted.dataset_id in {None, dataset.reference_id}:
                return dataset
        raise missing(f"The dataset {wanted.owner}.{wanted.dataset}")

    def version(self, wanted: Reference) -> Version:
        """Give the version that a reference means; current is the latest release, or the first before that.

        :raises Refusal: 404.
        """
        versions = self.dataset(wanted).versions
        released = [each for each in versions if self.is_released(each)]
        unreleased = [each for each in versions if not self.is_released(each)]
        if wanted.version == NEXT:
            found = unreleased[:1]
        elif wanted.version == CURRENT:
            found = released[-1:] or unreleased[:1]
        else:
            found = [each for each in released if each.tag.replace(".", "_") == wanted.version]
        if not found:
            raise missing(f"The version {wanted.version} of {wanted.owner}.{wanted.dataset}")
        return found[0]

    def writable_version(self, wanted: Reference) -> Version:
        """Give the version that a reference means, if it can be written to.

        :raises Refusal: 400 or 404.
        """
        version = self.version(wanted)
        if version.released_at is not None:
            state = "is released" if self.is_released(version) else "is being released"
            raise invalid(f"The version {version.tag} {state}; only an unreleased version can be changed.")
        return version

    def is_released(self, version: Version) -> bool:
        """Tell whether a release has come into effect."""
        return version.released_at is not None and self._clock.passed() >= version.release_due

    def open_version(self, dataset: Dataset) -> Version:
        """Make the next version, with the tables and rows of the last.

        :raises Refusal: 400, there is one.
        """
        last = dataset.versions[-1]
        if not self.is_released(last):
            raise invalid("The dataset already has a next version.")
        version = Version(last.number + 1, self._clock.now())
        dataset.versions.append(version)
        for table in self.tables(dataset, last):
            table.inherited_rows[str(version.number)] = self.row_count(table, last)
            table.strategies[str(version.number)] = self.strategy(table, last)
            self.keep(table)
        self.keep(dataset)
        return version

    # -- tables -----------------------------------------------------------------------------------

    def add_table(self, dataset: Dataset, version: Version, name: str) -> Table:
        """Make a table.

        :raises Refusal: 409, the version has one of that name.
        """
        if any(fold(each.name) == fold(name) for each in self.tables(dataset, version)):
            raise conflict(f"The dataset already has a table named {name}.")
        table = Table(self._new_id(), dataset.reference_id, name, version.number, self._clock.now())
        self._tables[table.reference_id] = table
        return table

    def tables(self, dataset: Dataset, version: Version) -> list[Table]:
        """Give the tables of a version."""
        own = [each for each in self._tables.values() if each.dataset_id == dataset.reference_id]
        return [each for each in own if each.first_version <= version.number]

    def table(self, wanted: Reference) -> tuple[Table, Version]:
        """Give a table and the version that is meant.

        :raises Refusal: 404.
        """
        dataset, version = self.dataset(wanted), self.version(wanted)
        for table in self.tables(dataset, version):
            if fold(table.name) == wanted.table and wanted.table_id in {None, table.reference_id}:
                return table, version
        raise missing(f"The table {wanted.owner}.{wanted.dataset}.{wanted.table}")

    def identified(self, table_id: str) -> Table:
        """Give the table of an id."""
        return self._tables[table_id]

    def dataset_of(self, table: Table) -> Dataset:
        """Give the dataset of a table."""
        return self._datasets[table.dataset_id]

    def name_of(self, table: Table) -> str:
        """Give the reference of a table, without version and ids."""
        dataset = self.dataset_of(table)
        return f"{dataset.owner}.{fold(dataset.name)}.{fold(table.name)}"

    def owner_of(self, upload: TableUpload) -> str:
        """Give the owner of an upload's dataset."""
        return self._datasets[self._tables[upload.table_id].dataset_id].owner

    def strategy(self, table: Table, version: Version) -> str:
        """Give what uploads do to the rows of the version before."""
        return table.strategies.get(str(version.number), APPEND)

    def row_count(self, table: Table, version: Version) -> int:
        """Count the rows of a table at a version."""
        uploads = [each for each in self.uploads(table, version) if each.rows is not None]
        inherited = table.inherited_rows.get(str(version.number), 0)
        if uploads and self.strategy(table, version) == REPLACE:
            inherited = 0
        return inherited + sum(each.rows or 0 for each in uploads)

    # -- uploads ----------------------------------------------------------------------------------

    def uploads(self, table: Table, version: Version) -> list[TableUpload]:
        """Give the uploads of a table at a version, oldest first."""
        own = [each for each in self._uploads.values() if each.table_id == table.reference_id]
        return [each for each in own if each.version == version.number]

    def all_uploads(self) -> list[TableUpload]:
        """Give the uploads of all tables."""
        return list(self._uploads.values())

    def refuse_used_name(self, table: Table, version: Version, name: str) -> None:
        """Refuse a name whose path another upload of the table has.

        :raises Refusal: 409.
        """
        for other in self.uploads(table, version):
            if path_name(other.name) == path_name(name):
                raise conflict(f"The table already has an upload named {other.name}.")

    def add_upload(self, table: Table, version: Version, name: str, options: dict[str, Any]) -> TableUpload:
        """Make an upload."""
        number = next(self._numbers)
        upload = TableUpload(number, table.reference_id, version.number, name, options, self._clock.now())
        self._uploads[number] = upload
        return upload

    def upload(self, table: Table, version: Version, path: str) -> TableUpload:
        """Give the upload at a path, or of a number.

        :raises Refusal: 404.
        """
        for upload in self.uploads(table, version):
            if path_name(upload.name) == path_name(path) or (upload.original and str(upload.number) == path):
                return upload
        raise missing(f"The upload {path[:100]!r}")

    def remove_upload(self, upload: TableUpload) -> None:
        """Forget an upload, and with it its rows."""
        del self._uploads[upload.number]
        self._documents.remove("upload", str(upload.number))

    def numbered(self, number: int) -> TableUpload | None:
        """Give the upload of a number."""
        return self._uploads.get(number)

    def exists(self, upload: TableUpload) -> bool:
        """Tell whether an upload was not deleted."""
        return upload.number in self._uploads

    # -- temporary uploads ------------------------------------------------------------------------

    def add_temp(self, temp: TempUpload) -> None:
        """Take a temporary upload."""
        self._temps[temp.temp_id] = temp
        self.keep(temp)

    def temp(self, temp_id: str) -> TempUpload | None:
        """Give a temporary upload."""
        return self._temps.get(temp_id)

    # -- the disk ---------------------------------------------------------------------------------

    def keep(self, thing: Dataset | Table | TableUpload | TempUpload) -> None:
        """Write what has changed."""
        kind, key = KEPT[type(thing)]
        self._documents.write(kind, str(getattr(thing, key)), asdict(thing))

    def close(self) -> None:
        """Close the file."""
        self._documents.close()

    def _new_id(self) -> str:
        used = self._datasets.keys() | self._tables.keys()
        while (found := "".join(secrets.choice(LETTERS) for _ in range(4))) in used:
            pass
        return found


def _dataset(document: dict[str, Any]) -> Dataset:
    versions = [Version(**each) for each in document.pop("versions")]
    return Dataset(**document, versions=versions)


def _same(dataset: Dataset, owner: str, name: str) -> bool:
    return fold(dataset.owner) == fold(owner) and fold(dataset.name) == fold(name)
