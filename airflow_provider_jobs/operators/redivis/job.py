"""What all Redivis operators share."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jobs.core.several import Several
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.links.redivis import RedivisTableLink, RedivisUploadLink
from airflow_provider_jobs.operators.base import JobOperator
from airflow_provider_jobs.operators.task import ServiceTask

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow.providers.common.compat.sdk import BaseOperatorLink

    from airflow_provider_jobs.jobs import JobStatus

_DAY = dt.timedelta(days=1)


class RedivisTask(ServiceTask):
    """What operators and sensors share.

    :param redivis_conn_id: A connection of type ``redivis``.
    """

    service = "redivis"
    hook_class = RedivisHook
    together = Several(
        title="Redivis uploads",
        key="uploads",
        shared=("table",),
        summed=("row_count", "size_bytes", "bad_record_count"),
    )
    template_fields: Sequence[str] = ("redivis_conn_id",)
    operator_extra_links: Collection[BaseOperatorLink] = (RedivisUploadLink(), RedivisTableLink())
    #: What results call the scope of a job.
    scope_name: ClassVar[str] = "table"

    def __init__(self, *, redivis_conn_id: str = RedivisHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.redivis_conn_id = redivis_conn_id

    @classmethod
    def summary(cls, status: JobStatus) -> dict[str, Any]:
        """Return what a result says about an upload or a release."""
        ref = status.ref
        return {
            "job_id": ref.id,
            cls.scope_name: ref.scope,
            "state": status.state,
            **status.statistics,
            **({"url": status.url} if status.url else {}),
        }


class RedivisOperator(RedivisTask, JobOperator):
    """What both operators share; see :class:`.JobOperator` for how they wait.

    The result's ``duration_seconds`` are those from the submission until the task saw the end.

    :param execution_timeout: When to give up, since Redivis itself never does. None waits without end.
    """

    tells_duration = False
    ui_color = "#d5c8e8"

    def __init__(self, *, execution_timeout: dt.timedelta | None = _DAY, **kwargs: Any) -> None:
        super().__init__(execution_timeout=execution_timeout, **kwargs)
