"""The services on localhost: for the demo, for this project's tests and for DAG authors' own.

``python -m airflow_provider_jobs.sandbox`` serves until it is stopped; ``Sandbox`` serves in a
thread of this process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.server import Sandbox

__all__ = ["Sandbox"]


def __getattr__(name: str) -> Any:
    # Lazy: the demo's modules beside the server need neither DuckDB nor uvicorn in their process.
    if name == "Sandbox":
        from airflow_provider_jobs.sandbox.server import Sandbox  # noqa: PLC0415

        return Sandbox
    raise AttributeError(name)
