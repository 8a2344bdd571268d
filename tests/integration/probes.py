"""Operators and sensors that tell what has reached their fields, and do nothing else."""

from __future__ import annotations

from functools import cache
from typing import Any

#: The fields of each task that ran, by its id.
seen: dict[str, dict[str, Any]] = {}


@cache
def probe(kind: Any) -> Any:
    """Return a subclass of an operator or a sensor."""

    def execute(self: Any, context: Any) -> None:
        seen[self.task_id] = {field: getattr(self, field) for field in self.template_fields}

    return type(f"Probe{kind.__name__}", (kind,), {"execute": execute, "__module__": __name__})
