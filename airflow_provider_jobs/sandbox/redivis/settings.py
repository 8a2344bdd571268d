"""What can be switched, because the real service is not known to do it one way only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_jobs.sandbox.fault_actions import RETRY_AFTER_FORMS
from airflow_provider_jobs.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class RedivisSettings(Switches):
    """The switches, each with the documented or likeliest behaviour first."""

    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "storage": ("own", "foreign"),
        "storage_bearer": ("ignored", "required"),
        "resumable": ("asked", "always", "never"),
        "hash": ("hex", "base64"),
        "numbers": ("numbers", "texts"),
        "errors": ("current", "older"),
        "retry_after_form": RETRY_AFTER_FORMS,
    }

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
