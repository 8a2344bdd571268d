"""What can be switched, because the real service is not known to do it one way only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider_jobs.sandbox.fault_actions import RetryAfterForm  # noqa: TC001 - read when it is set
from airflow_provider_jobs.sandbox.switches import Switches


@dataclass
class RedivisSettings(Switches):
    """The switches, each with the documented or likeliest behaviour first."""

    storage: Literal["own", "foreign"] = "own"  # host of upload URLs; foreign: another origin
    storage_bearer: Literal["ignored", "required"] = "ignored"  # on upload URLs; required: 401 without it
    resumable: Literal["asked", "always", "never"] = "asked"  # whether temporary uploads take sessions
    hash: Literal["hex", "base64"] = "hex"  # spelling of the MD5
    numbers: Literal["numbers", "texts"] = "numbers"  # texts: "12" for 12
    errors: Literal["current", "older"] = "current"  # older: {"error": {"message", "status"}}
    queued_polls: int = 0  # GETs of an upload that say queued, whatever the time
    running_polls: int = 0  # GETs after them that say running
    release_seconds: float = 0.0  # between the release request and its effect
    rate_limit: int = 1000  # requests
    rate_window_seconds: float = 60.0
    retry_after_form: RetryAfterForm = "seconds"
    warning: str = ""  # X-REDIVIS-WARNING of every reply
