"""What the links of all services share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class JobLink(BaseOperatorLink):
    """The job's page, known from submission on; of several jobs, that of the one to look at first."""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL of the job that the task has submitted, empty if there is none.

        Whoever may write XComs could have the UI link to a script.
        """
        job = XCom.get_value(key="job", ti_key=ti_key)
        url = job.get("url") if isinstance(job, dict) else None
        return url if isinstance(url, str) and re.match(r"https?://[^/\s]", url) else ""
