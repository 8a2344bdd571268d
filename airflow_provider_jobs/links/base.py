"""What the links of all services share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class JobLink(BaseOperatorLink):
    """The job's page, known from submission on; of several jobs, that of the one to look at first."""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL for what the task has submitted or waits for, empty if there is none.

        Airflow asks when the process of a task ends, however it ends, and keeps the answer. A sensor has no
        XCom ``job``: it knows the job itself once it has looked, and before that what was kept still holds.
        """
        if not hasattr(operator, "seen_job"):
            return self.url_of(XCom.get_value(key="job", ti_key=ti_key))
        if operator.seen_job is None:
            return checked_url(XCom.get_value(key=self.xcom_key, ti_key=ti_key))
        return self.url_of(operator.seen_job)

    def url_of(self, job: Any) -> str:
        """Return the URL for what the XCom ``job`` says, empty if it tells of none."""
        return checked_url(job.get("url") if isinstance(job, dict) else None)


def checked_url(url: Any) -> str:
    """Return a URL that may be linked to, else empty text.

    Whoever may write XComs could have the UI link to a script.
    """
    return url if isinstance(url, str) and re.match(r"https?://[^/\s]", url) else ""
