"""Scripted misbehaviour: which requests it meets, and how often."""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.fault_actions import ACTIONS, Action, make_action
from airflow_provider_jobs.sandbox.replies import Refusal
from airflow_provider_jobs.sandbox.reply_faults import REPLY_ACTIONS
from airflow_provider_jobs.sandbox.salesforce.faults import SALESFORCE_ACTIONS
from airflow_provider_jobs.sandbox.upload_faults import UPLOAD_ACTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ACTIONS | REPLY_ACTIONS | UPLOAD_ACTIONS | SALESFORCE_ACTIONS
ACTION_NAMES = {kind: name for name, kind in KINDS.items()}
MATCH_FIELDS = frozenset({"operation", "method", "path", "nth", "times"})


@dataclass
class Fault:
    """One rule: the ``nth`` matching request and ``times - 1`` after it get the action.

    ``times`` 0 means from then on, always.
    """

    fault_id: int
    action: Action
    operation: re.Pattern[str] | None
    method: str | None
    path: re.Pattern[str] | None
    nth: int
    times: int
    spec: dict[str, Any] = field(default_factory=dict)
    matched: int = 0
    applied: int = 0

    def takes(self, operation: str, method: str, path: str) -> bool:
        """Count a request and tell whether it is one to spoil."""
        if self.method is not None and self.method != method:
            return False
        if self.operation is not None and not self.operation.fullmatch(operation):
            return False
        if self.path is not None and not self.path.search(path):
            return False
        self.matched += 1
        due = self.matched >= self.nth and (self.times == 0 or self.matched < self.nth + self.times)
        self.applied += due
        return due

    def overview(self) -> dict[str, Any]:
        """Give the rule as it was asked for, and what it has done so far."""
        return {"id": self.fault_id, **self.spec, "matched": self.matched, "applied": self.applied}


class FaultBook:
    """All faults asked for; thread safe."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def add(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Take a fault and give its overview.

        :raises Refusal: 400, naming what is wrong with it.
        """
        settings = {name: value for name, value in spec.items() if name not in MATCH_FIELDS}
        action = make_action(settings, KINDS)
        fault = Fault(
            next(self._ids),
            action,
            operation=_pattern(spec, "operation"),
            method=_text(spec, "method"),
            path=_pattern(spec, "path"),
            nth=_count(spec, "nth", least=1),
            times=_count(spec, "times", least=0),
            spec=dict(spec),
        )
        with self._lock:
            self._faults[fault.fault_id] = fault
        return fault.overview()

    def remove(self, fault_id: int) -> bool:
        """Take a fault away; tell whether it was there."""
        with self._lock:
            fault = self._faults.pop(fault_id, None)
        if fault is not None:
            fault.action.lift()
        return fault is not None

    def clear(self) -> None:
        """Take all faults away."""
        with self._lock:
            faults = list(self._faults.values())
            self._faults.clear()
        for fault in faults:
            fault.action.lift()

    def overview(self) -> list[dict[str, Any]]:
        """Give every fault, oldest first."""
        with self._lock:
            return [fault.overview() for fault in self._faults.values()]

    def actions_named(self, operation: str, path: str) -> list[Action]:
        """Give what shall happen to something that is not a request; only faults with an operation count."""
        with self._lock:
            named = [fault for fault in self._faults.values() if fault.operation is not None]
            return [fault.action for fault in named if fault.takes(operation, "", path)]

    def actions_for(self, operation: str, method: str, path: str, *, final: bool = False) -> list[Action]:
        """Give what shall happen to this request, and count it.

        :param final: the request has completed an upload; asked besides, for the actions that want those.
        """
        if not self._faults:
            return []
        with self._lock:
            faults = [fault for fault in self._faults.values() if fault.action.final is final]
            return [fault.action for fault in faults if fault.takes(operation, method, path)]

    def names(self, actions: list[Action]) -> list[str]:
        """Give what the actions are called."""
        return [ACTION_NAMES[type(action)] for action in actions]


def _text(spec: Mapping[str, Any], name: str) -> str | None:
    value = spec.get(name)
    if value is None or isinstance(value, str):
        return value
    raise Refusal(400, "invalid", f"{name} must be text.")


def _pattern(spec: Mapping[str, Any], name: str) -> re.Pattern[str] | None:
    text = _text(spec, name)
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise Refusal(400, "invalid", f"{name} is not a regular expression: {error}.") from error


def _count(spec: Mapping[str, Any], name: str, *, least: int) -> int:
    value = spec.get(name, 1)
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise Refusal(400, "invalid", f"{name} must be a whole number of at least {least}.")
