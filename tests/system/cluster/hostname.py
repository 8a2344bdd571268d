"""What Airflow calls the machine that a component runs on: each of this cluster's has one of its own."""

from __future__ import annotations

import os


def hostname() -> str:
    """Return the name of this component's machine."""
    return os.environ["CLUSTER_HOST"]
