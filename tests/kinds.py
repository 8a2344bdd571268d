"""All classes with template fields, found by walking the package."""

from __future__ import annotations

import importlib
import pkgutil

import airflow_provider_jobs.operators
import airflow_provider_jobs.sensors
import airflow_provider_jobs.transfers
from airflow_provider_jobs.operators.task import ServiceTask


def _kinds() -> list[type[ServiceTask]]:
    found: set[type[ServiceTask]] = set()
    for package in (
        airflow_provider_jobs.operators,
        airflow_provider_jobs.sensors,
        airflow_provider_jobs.transfers,
    ):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            found |= {
                each
                for each in vars(importlib.import_module(module.name)).values()
                if isinstance(each, type) and issubclass(each, ServiceTask) and each.template_fields
            }
    return sorted(found, key=lambda kind: kind.__name__)


#: Operators and sensors, and what they inherit from.
KINDS = _kinds()
#: Those that a DAG may use: nothing of the package inherits from them.
PUBLIC = [kind for kind in KINDS if not any(other is not kind and issubclass(other, kind) for other in KINDS)]
