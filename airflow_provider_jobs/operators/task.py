"""A task about jobs of one service: what operators and sensors share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_jobs.core.several import Several

if TYPE_CHECKING:
    from airflow_provider_jobs.hooks.base import JobsHook
    from airflow_provider_jobs.jobs import JobStatus


class ServiceTask(BaseOperator):
    """A task about jobs of one service: what operators and sensors share.

    :param deferrable: Wait in the triggerer; default is Airflow's ``[operators] default_deferrable``.
    """

    service: ClassVar[str]
    hook_class: ClassVar[type[JobsHook[Any]]]
    #: What several jobs of a task are called, and what is told of them together.
    together: ClassVar[Several] = Several()

    def __init__(
        self,
        *,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable

    def hook_args(self) -> dict[str, Any]:
        """Return the keyword arguments of the service's hook."""
        conn_id = self.hook_class.conn_name_attr
        return {conn_id: getattr(self, conn_id)}

    def client(self) -> Any:
        """Return the service's client."""
        return self.hook_class(**self.hook_args()).get_conn()

    def summary(self, status: JobStatus) -> dict[str, Any]:
        """Return what a result, and an operator's XCom ``job``, say about a job."""
        return {"job_id": status.ref.id, "state": status.state, **status.statistics, "url": status.url}
