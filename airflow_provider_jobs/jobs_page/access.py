"""Who may see which jobs: what Airflow's own auth manager says of DAGs and of what belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.team import Team
from sqlalchemy import select

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
    from sqlalchemy.orm import Session

#: What the page tells of a DAG.
_SHOWN = (DagAccessEntity.XCOM, DagAccessEntity.TASK_INSTANCE)
_TEAMS = (
    select(DagModel.dag_id, Team.name)
    .join(DagBundleModel, DagModel.bundle_name == DagBundleModel.name)
    .join(DagBundleModel.teams)
)


def readable_dag_ids(user: BaseUser, session: Session) -> set[str]:
    """Return the DAGs whose XComs and task instances a user may read, as far as they are there.

    :raises PermissionError: the user may read none of any DAG.
    """
    manager = get_auth_manager()
    if not all(manager.is_authorized_dag(method="GET", access_entity=each, user=user) for each in _SHOWN):
        raise PermissionError("This page needs a role that may read task instances and XComs.")
    dag_ids = manager.get_authorized_dag_ids(user=user, method="GET", session=session)
    details = {dag_id: DagDetails(id=dag_id, team_name=None) for dag_id in dag_ids}
    for dag_id, team_name in session.execute(_TEAMS):
        if dag_id in details:
            details[dag_id] = DagDetails(id=dag_id, team_name=team_name)
    # One question for all: to some auth managers each is a request.
    if manager.batch_is_authorized_dag(_requests(*details.values()), user=user):
        return dag_ids
    return {
        dag_id
        for dag_id, each in details.items()
        if manager.batch_is_authorized_dag(_requests(each), user=user)
    }


def _requests(*dags: DagDetails) -> list[Any]:
    return [{"method": "GET", "access_entity": each, "details": dag} for dag in dags for each in _SHOWN]
