"""What all Redivis operators share."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.core.several import Several
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.operators.base import JobOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_jobs.clients.redivis.client import RedivisClient
    from airflow_provider_jobs.jobs import JobStatus

_DAY = dt.timedelta(days=1)
#: What is told of several uploads together.
REDIVIS_UPLOADS = Several(title="Redivis uploads", key="uploads", shared=("table",))


class RedivisOperator(JobOperator):
    """What both operators share; see :class:`.JobOperator` for how they wait.

    :param redivis_conn_id: A connection of type ``redivis``.
    :param execution_timeout: When to give up, since Redivis itself never does. None waits without end.
    """

    service = "redivis"
    together = REDIVIS_UPLOADS
    template_fields: Sequence[str] = ("redivis_conn_id",)
    ui_color = "#d5c8e8"

    def __init__(
        self,
        *,
        redivis_conn_id: str = RedivisHook.default_conn_name,
        execution_timeout: dt.timedelta | None = _DAY,
        **kwargs: Any,
    ) -> None:
        super().__init__(execution_timeout=execution_timeout, **kwargs)
        self.redivis_conn_id = redivis_conn_id

    def hook_args(self) -> dict[str, Any]:
        """Return the keyword arguments of the hook."""
        return {"redivis_conn_id": self.redivis_conn_id}

    def client(self) -> RedivisClient:
        """Return the client."""
        return RedivisHook(**self.hook_args()).get_conn()

    def summary(self, status: JobStatus) -> dict[str, Any]:
        """Return what the XCom ``job`` says about an upload."""
        return upload_summary(status)


def upload_summary(status: JobStatus) -> dict[str, Any]:
    """Return what a result says about an upload."""
    return {
        "job_id": status.ref.id,
        "table": status.ref.scope,
        "state": status.state,
        **status.statistics,
    }
