"""An auth manager of the kind that deployments have: a user who may read one DAG, and no other."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

#: Users who may not read everything of every DAG, and what they may: DAGs, and those of them with XComs.
READERS = {
    "shopkeeper": ({"shop_daily"}, {"shop_daily"}),
    "stranger": ({"shop_daily", "shop_secret"}, set()),
    "half": ({"shop_daily", "shop_secret"}, {"shop_daily"}),
}


class SomeDagsOnly(SimpleAuthManager):
    """Airflow's simple auth manager, which knows roles, with DAGs for some users."""

    def is_authorized_dag(
        self, *, user: Any, access_entity: Any = None, details: Any = None, **kwargs: Any
    ) -> bool:
        """Return whether a user may do something with a DAG, or with what belongs to it."""
        if user.username in READERS:
            dags, with_xcoms = READERS[user.username]
            allowed = with_xcoms if access_entity is DagAccessEntity.XCOM else dags
            if not (details.id in allowed if details and details.id else allowed):
                return False
        return super().is_authorized_dag(user=user, access_entity=access_entity, details=details, **kwargs)
