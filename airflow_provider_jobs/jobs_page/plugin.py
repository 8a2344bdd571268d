"""How Airflow finds the page: every component loads this module, the API server alone what is behind it."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

#: Where the page is, below Airflow's own address.
PREFIX = "jobs-page"
_ICONS = {"icon": f"{PREFIX}/icon.svg", "icon_dark_mode": f"{PREFIX}/icon_dark.svg"}


class JobsPagePlugin(AirflowPlugin):
    """A page in the navigation, and a tab of each DAG and of each task.

    Addresses are relative: Airflow's UI has its base path in front of them. The name of each ``url_route`` is
    another, since Airflow drops views that share one.
    """

    name = "airflow_provider_jobs"
    external_views: ClassVar[list[dict[str, Any]]] = [  # type: ignore[misc]
        {
            "name": "Jobs",
            "href": f"{PREFIX}/",
            "destination": "nav",
            "url_route": "remote-jobs",
            "nav_top_level": True,
            **_ICONS,
        },
        {
            "name": "Jobs",
            "href": f"{PREFIX}/?dag_id={{DAG_ID}}",
            "destination": "dag",
            "url_route": "remote-jobs-of-dag",
            **_ICONS,
        },
        {
            "name": "Jobs",
            "href": f"{PREFIX}/?dag_id={{DAG_ID}}&task_id={{TASK_ID}}",
            "destination": "task",
            "url_route": "remote-jobs-of-task",
            **_ICONS,
        },
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The page's files and data, for the API server: tasks do not pay for FastAPI."""
        from airflow_provider_jobs.jobs_page.app import make_app  # noqa: PLC0415 - see above

        return [{"app": make_app(), "url_prefix": f"/{PREFIX}", "name": "The jobs page"}]
