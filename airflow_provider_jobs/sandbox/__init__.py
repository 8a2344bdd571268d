"""The services on localhost: for the demo, for this project's tests and for DAG authors' own.

``python -m airflow_provider_jobs.sandbox`` serves until it is stopped; ``Sandbox`` serves in a
thread of this process.

``server`` runs ``app``, which dispatches to the services' routes as ``operations``: each is authorized
(``auth``, ``oauth``, ``keys``), may be spoiled on request (``faults``, ``fault_actions``, ``connection``),
handled (``call``), answered (``replies``, ``masks``) and written down (``request_log``). All of them share
the ``platform``. Tests steer it through ``control`` and ``timing``. ``uploads`` brings files in. A package
per service: ``bigquery``, ``redivis``, ``salesforce``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.server import Sandbox

__all__ = ["Sandbox"]


def __getattr__(name: str) -> Any:
    # Lazy: who imports one module of it needs neither DuckDB nor uvicorn.
    if name == "Sandbox":
        from airflow_provider_jobs.sandbox.server import Sandbox  # noqa: PLC0415

        return Sandbox
    raise AttributeError(name)
