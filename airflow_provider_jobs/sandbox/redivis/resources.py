"""Resources as the REST API spells them: https://docs.redivis.com/api/resource-definitions."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_jobs.sandbox.redivis.references import fold, path_name

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.redivis.catalog import Catalog
    from airflow_provider_jobs.sandbox.redivis.model import Dataset, Table, TableUpload, Version
    from airflow_provider_jobs.sandbox.redivis.settings import RedivisSettings

NUMBERS = frozenset({"id", "size", "numRows", "numBytes", "badRecordsCount"})
# Create fields that a single upload shows.
SHOWN_OPTIONS = (
    "type", "hasHeaderRow", "delimiter", "quoteCharacter", "escapeCharacter", "skipBadRecords",
    "hasQuotedNewlines", "nullMarkers",
)  # fmt: skip


class Resources:
    """Spells what the catalog holds."""

    def __init__(self, catalog: Catalog, settings: RedivisSettings, url: str) -> None:
        self._catalog = catalog
        self._settings = settings
        self._url = url

    def dataset(self, dataset: Dataset, version: Version) -> dict[str, Any]:
        """Give a dataset as it is at a version."""
        released = [each for each in dataset.versions if self._catalog.is_released(each)]
        unreleased = [each for each in dataset.versions if not self._catalog.is_released(each)]
        reference = f"{_name(dataset)}:{self._tag(version)}"
        return {
            "kind": "dataset",
            "id": dataset.reference_id,
            "referenceId": dataset.reference_id,
            "qualifiedReference": reference,
            "scopedReference": reference.partition(".")[2],
            "uri": f"/datasets/{_name(dataset)}",
            "url": f"{self._url}/datasets/{dataset.reference_id}",
            "name": dataset.name,
            "description": dataset.description or None,
            "publicAccessLevel": dataset.public_access,
            "owner": {"kind": dataset.owner_kind, "name": dataset.owner},
            "createdAt": _moment(dataset.created_at),
            "version": self.version(dataset, version),
            "currentVersion": self.version(dataset, released[-1]) if released else None,
            "nextVersion": self.version(dataset, unreleased[0]) if unreleased else None,
        }

    def version(self, dataset: Dataset, version: Version) -> dict[str, Any]:
        """Give a version."""
        released = self._catalog.is_released(version)
        status = "releasing" if version.released_at is not None else "unreleased"
        spelled = self._tag(version)
        return {
            "kind": "version",
            "uri": f"/datasets/{_name(dataset)}/versions/{spelled}",
            "datasetUri": f"/datasets/{_name(dataset)}:{spelled}",
            "tag": version.tag if released else "next",
            "status": "released" if released else status,
            "isReleased": released,
            "isDeleted": False,
            "releaseNotes": version.notes or None,
            "releaseErrorMessage": None,
            "createdAt": _moment(version.created_at),
            "releasedAt": _moment(version.released_at) if released else None,
        }

    def table(self, table: Table, version: Version) -> dict[str, Any]:
        """Give a table as it is at a version."""
        uploads = self._catalog.uploads(table, version)
        reference = self._table_reference(table, version)
        return self._spelled(
            {
                "kind": "table",
                "id": table.reference_id,
                "referenceId": table.reference_id,
                "qualifiedReference": reference,
                "scopedReference": reference.rpartition(".")[2],
                "uri": self.table_uri(table, version),
                "url": f"{self._url}/tables/{table.reference_id}",
                "name": table.name,
                "description": table.description or None,
                "isFileIndex": table.is_file_index,
                "uploadMergeStrategy": self._catalog.strategy(table, version),
                "numRows": self._catalog.row_count(table, version),
                "numBytes": sum(each.size or 0 for each in uploads if each.rows is not None),
                "createdAt": _moment(table.created_at),
            }
        )

    def table_uri(self, table: Table, version: Version) -> str:
        """Give where a table is, below the API's address."""
        return f"/tables/{self._table_reference(table, version)}"

    def _table_reference(self, table: Table, version: Version) -> str:
        dataset = _name(self._catalog.dataset_of(table))
        return f"{dataset}:{self._tag(version)}.{fold(table.name)}:{table.reference_id}"

    def _tag(self, version: Version) -> str:
        """Give a version's tag as references spell it."""
        return version.tag.replace(".", "_") if self._catalog.is_released(version) else "next"

    def upload(
        self, upload: TableUpload, table: Table, version: Version, status: str | None, *, whole: bool
    ) -> dict[str, Any]:
        """Give an upload; ``whole`` with how it was read."""
        document: dict[str, Any] = {
            "kind": "upload",
            "uri": f"{self.table_uri(table, version)}/uploads/{quote(path_name(upload.name), safe='')}",
            "url": f"{self._url}/tables/{table.reference_id}/uploads/{upload.number}",
            "name": upload.name,
            "status": status,
            "hash": self._hash(upload.md5) if upload.md5 else None,
            "size": upload.size,
            "numRows": upload.rows if status == "completed" else None,
            "numBytes": upload.size,
            "createdAt": _moment(upload.created_at),
        }
        if upload.original:
            document["id"] = upload.number
        if whole:
            document |= {name: upload.options.get(name) for name in SHOWN_OPTIONS}
            ended = status in {"completed", "failed"}
            document["badRecordsCount"] = upload.bad_records if ended else None
            document["errorMessage"] = upload.error if ended else None
        return self._spelled(document)

    def spelled_size(self, size: int) -> int | str:
        """Give a size as numbers are spelled."""
        return str(size) if self._settings.numbers == "texts" else size

    def _spelled(self, document: dict[str, Any]) -> dict[str, Any]:
        if self._settings.numbers != "texts":
            return document
        return {
            name: str(value) if name in NUMBERS and isinstance(value, int) else value
            for name, value in document.items()
        }

    def _hash(self, md5: str) -> str:
        return md5 if self._settings.hash == "hex" else base64.b64encode(bytes.fromhex(md5)).decode()


def _name(dataset: Dataset) -> str:
    return f"{dataset.owner}.{fold(dataset.name)}:{dataset.reference_id}"


def _moment(seconds: float | None) -> int | None:
    """Give milliseconds since 1970."""
    return None if seconds is None else int(seconds * 1000)
