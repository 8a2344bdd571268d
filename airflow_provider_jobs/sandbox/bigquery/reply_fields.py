"""Which fields the ``fields`` parameter may name: those of the reply in BigQuery's discovery document.

``reply_fields.json`` has the messages that only replies have, spelled as those of ``validation``.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.validation import messages
from airflow_provider_jobs.sandbox.masks import MaskError

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.masks import Mask

REPLIES = {
    "jobs.cancel": "JobCancelResponse", "jobs.get": "Job", "jobs.insert": "Job", "jobs.list": "JobList",
    "jobs.query": "QueryResponse", "jobs.getQueryResults": "GetQueryResultsResponse",
    "projects.getServiceAccount": "GetServiceAccountResponse",
    "datasets.get": "Dataset", "datasets.insert": "Dataset", "datasets.list": "DatasetList",
    "tables.get": "Table", "tables.insert": "Table", "tables.list": "TableList",
    "tables.patch": "Table", "tables.update": "Table",
    "tabledata.list": "TableDataList",
    "upload.data": "Job", "upload.multipart": "Job", "upload.status": "Job",
}  # fmt: skip


def check_mask(mask: Mask, kind: Any) -> None:
    """Refuse a mask that names what the kind of reply cannot have.

    :raises MaskError: naming the field.
    """
    while isinstance(kind, list):
        (kind,) = kind
    if isinstance(kind, str) and kind not in _messages():
        if mask.tree and kind != "any":
            raise MaskError(f"{next(iter(mask.tree))!r} is below a field that has none")
        return
    known = kind if isinstance(kind, dict) else _messages()[kind]
    for name, below in mask.tree.items():
        if name == "*":  # stands for fields of several kinds
            continue
        if name not in known and "*" not in known:
            raise MaskError(f"there is no field {name!r}")
        check_mask(below, known.get(name, known.get("*")))


@cache
def _messages() -> dict[str, dict[str, Any]]:
    text = files(__package__).joinpath("reply_fields.json").read_text(encoding="utf-8")
    return {**messages(), **json.loads(text)}
