"""What the methods of jobs ask of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.call import read_object
from airflow_provider_jobs.sandbox.replies import Refusal
from airflow_provider_jobs.sandbox.salesforce.jobs import ABORTED, ENDED, FAILED, JOB_COMPLETE, Job
from airflow_provider_jobs.sandbox.salesforce.replies import api_error, wrong_state

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.salesforce.settings import SalesforceSettings

STATE_WORDS = {JOB_COMPLETE: "Completed", ABORTED: ABORTED, FAILED: FAILED}
NOT_TERMINATED = "Error encountered when deleting the job because the job is not terminated"


async def read_document(call: Call) -> dict[str, Any]:
    """Give the JSON object of the body.

    :raises Refusal: 415, another content type; 400, no JSON object.
    """
    check_media_type(call, "application/json")
    return read_object(await call.body())


def check_media_type(call: Call, wanted: str) -> None:
    """Refuse a body that says that it is something else.

    :raises Refusal: 415.
    """
    if call.media_type != wanted:
        message = f"Content-Type must be {wanted}, not {call.media_type[:100]!r}."
        raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", message)


async def read_state(call: Call, *states: str) -> str:
    """Give the state that a PATCH asks for.

    :raises Refusal: 400, none of these.
    """
    document = await read_document(call)
    state = document.get("state")
    if state not in states or document.keys() != {"state"}:
        raise api_error(f"Error processing request: state must be {' or '.join(states)}, and the only field")
    return str(state)


def check_alive(job: Job, verb: str) -> None:
    """Refuse to abort or close what has ended.

    :raises Refusal: 400.
    """
    if job.state in ENDED:
        raise wrong_state(f"{verb} already {STATE_WORDS[job.state]} Job not allowed")


def check_operation(settings: SalesforceSettings, operation: str) -> None:
    """Refuse an operation that the user may not do.

    :raises Refusal: 400 or 403.
    """
    if operation not in _words(settings.denied_operations):
        return
    if operation == "hardDelete":
        raise Refusal(400, "FEATURENOTENABLED", "FeatureNotEnabled : hardDelete is not enabled for this user")
    raise Refusal(403, "INSUFFICIENT_ACCESS", f"The user is not allowed to {operation} with this API")


def check_object(settings: SalesforceSettings, name: str) -> None:
    """Refuse an object that the user may not see: to him, it is not there.

    :raises Refusal: 400.
    """
    if is_denied(settings, name):
        message = (
            f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure "
            "to append the '__c' after the entity name."
        )
        raise Refusal(400, "INVALID_TYPE", message)


def is_denied(settings: SalesforceSettings, name: str) -> bool:
    """Tell whether the user may not see an object."""
    return name in _words(settings.denied_objects)


def _words(text: str) -> set[str]:
    return {word.strip() for word in text.split(",")}
