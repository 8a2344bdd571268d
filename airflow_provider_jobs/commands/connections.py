"""Airflow's connections, as a command of the command line finds them: with the database, as a server does."""

from __future__ import annotations

import logging
import os
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_jobs.commands import bigquery, redivis, salesforce
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.triggers.job import HOOKS
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from types import ModuleType

log = logging.getLogger(__name__)

#: Connection type -> service.
TYPES = {
    "bigquery_jobs": "bigquery",
    "google_cloud_platform": "bigquery",
    "redivis": "redivis",
    "salesforce": "salesforce",
    "salesforce_bulk": "salesforce",
}
_SERVICES = {"bigquery": bigquery, "redivis": redivis, "salesforce": salesforce}
#: What tells Airflow that this process may ask the database for connections; so do commands of Airflow's own.
_CONTEXT = "_AIRFLOW_PROCESS_CONTEXT"
_VARIABLE = "AIRFLOW_CONN_"


@dataclass(frozen=True)
class Opened:
    """A connection of one of the services.

    :param jobs: How the service's jobs are listed and named: ``listed`` and ``find``.
    """

    conn_id: str
    client: Any
    jobs: ModuleType


def open_connection(conn_id: str, service: str | None = None, project: str | None = None) -> Opened:
    """Return a connection, ready to be asked.

    :param service: Where the type of the connection does not tell it.
    :raises ConfigurationError: it is of another service, or cannot be used.
    :raises AirflowNotFoundException: there is no such connection.
    """
    os.environ.setdefault(_CONTEXT, "server")
    connection = BaseHook.get_connection(conn_id)
    service = service or TYPES.get(connection.conn_type or "")
    if service is None:
        raise ConfigurationError(
            f"connection {conn_id} is of type {shown(connection.conn_type)}, which is none of "
            f"{', '.join(TYPES)}: give --service if it is of one of the three"
        )
    if project and service != "bigquery":
        raise ConfigurationError(f"--project is for BigQuery, and connection {conn_id} is of {service}")
    hook_class = pkgutil.resolve_name(HOOKS[service])
    more = {"project_id": project} if project else {}
    hook = hook_class(**{hook_class.conn_name_attr: conn_id}, **more)
    return Opened(conn_id, hook.client_of(connection), _SERVICES[service])


def connection_ids() -> list[str]:
    """Return the ids of all connections of the three services, those of secrets backends excluded.

    :raises ConfigurationError: the database cannot be asked.
    """
    from airflow.models.connection import Connection  # noqa: PLC0415 - one command alone needs the database
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    os.environ.setdefault(_CONTEXT, "server")
    names = [name.removeprefix(_VARIABLE).lower() for name in os.environ if name.startswith(_VARIABLE)]
    found = {name for name in names if _is_of_a_service(name)}
    try:
        with create_session() as session:
            found |= set(session.scalars(select(Connection.conn_id).where(Connection.conn_type.in_(TYPES))))
    except SQLAlchemyError as error:
        kind = type(error).__name__
        raise ConfigurationError(
            f"Airflow's database cannot be asked for connections ({kind}): name a connection, or look what "
            "`airflow db check` says"
        ) from None
    return sorted(found)


def _is_of_a_service(conn_id: str) -> bool:
    try:
        return BaseHook.get_connection(conn_id).conn_type in TYPES
    except AirflowNotFoundException as error:  # a variable that is not one: the others are to be listed
        log.warning("the variable of connection %s cannot be read, and is left out: %s", conn_id, error)
        return False
