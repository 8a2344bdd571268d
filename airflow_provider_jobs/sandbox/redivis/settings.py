"""What can be switched, because the real service is not known to do it one way only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.fault_actions import RETRY_AFTER_FORMS
from airflow_provider_jobs.sandbox.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

CHOICES = {
    "storage": ("own", "foreign"),
    "storage_bearer": ("ignored", "required"),
    "resumable": ("asked", "always", "never"),
    "hash": ("hex", "base64"),
    "numbers": ("numbers", "texts"),
    "errors": ("current", "older"),
    "retry_after_form": RETRY_AFTER_FORMS,
}
MOST = 1_000_000_000


@dataclass
class RedivisSettings:
    """The switches, each with the documented or likeliest behaviour first."""

    storage: str = "own"  # host of upload URLs; foreign: another origin
    storage_bearer: str = "ignored"  # on upload URLs; required: 401 without it
    resumable: str = "asked"  # whether temporary uploads take sessions
    hash: str = "hex"  # spelling of the MD5
    numbers: str = "numbers"  # texts: "12" for 12
    errors: str = "current"  # older: {"error": {"message", "status"}}
    queued_polls: int = 0  # GETs of an upload that say queued, whatever the time
    running_polls: int = 0  # GETs after them that say running
    release_seconds: float = 0.0  # between the release request and its effect
    rate_limit: int = 1000  # requests
    rate_window_seconds: float = 60.0
    retry_after_form: str = "seconds"
    warning: str = ""  # X-REDIVIS-WARNING of every reply

    def change(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Set some of them; give all.

        :raises Refusal: 400, naming what is wrong.
        """
        known = {item.name: str(item.type) for item in fields(self)}
        for name, value in spec.items():
            if name not in known:
                raise Refusal(400, "invalid", f"There is no setting {name}; there are {', '.join(known)}.")
            if name in CHOICES and value not in CHOICES[name]:
                raise Refusal(400, "invalid", f"{name} must be one of {', '.join(CHOICES[name])}.")
            _check_type(name, value, known[name])
        for name, value in spec.items():
            setattr(self, name, value)
        return asdict(self)


def _check_type(name: str, value: Any, wanted: str) -> None:
    accepted = {"str": (str,), "int": (int,), "float": (int, float)}[wanted]
    right = isinstance(value, accepted) and not isinstance(value, bool)
    if not right or (wanted != "str" and not 0 <= value <= MOST):
        raise Refusal(400, "invalid", f"{name} must be of type {wanted} and not negative.")
    if wanted == "str" and not value.isprintable():
        raise Refusal(400, "invalid", f"{name} must be printable.")
