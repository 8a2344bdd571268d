"""A trigger survives the way through Airflow's database, and its row holds no secret."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.triggers.base import BaseTrigger

from airflow_provider_jobs.clients.bigquery.search import JobSearch
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.operators import bigquery, redivis, salesforce
from airflow_provider_jobs.operators.base import JobOperator
from airflow_provider_jobs.triggers import job as module
from airflow_provider_jobs.triggers.job import JobsTrigger, JobTrigger

HOOK_ARGS: dict[str, dict[str, Any]] = {
    "bigquery": {"gcp_conn_id": "c", "project_id": None, "impersonation_chain": ["a", "b"]},
    "redivis": {"redivis_conn_id": "c"},
    "salesforce": {"salesforce_conn_id": "c", "delete_cancelled": True},
}
SHARED: dict[str, Any] = {
    "service": "bigquery",
    "hook_args": HOOK_ARGS["bigquery"],
    "poll_interval": 2.5,
    "deadline": 1_800_000_000.25,
    "first_poll_at": 1_700_000_000.5,
    "pause_seconds": 300.0,
}
OWN: dict[type[BaseTrigger], dict[str, Any]] = {
    JobTrigger: {
        "refs": [JobRef("bigquery", "p", name, "EU", 1_700_000_000.125).to_json() for name in ("j", "k")],
        "adopted": True,
        "carried": {"sent": {"j": 7}},
        "cancel_on_kill": True,
        "ending": {"task": "module:Task", "result": True},
    },
    JobsTrigger: {
        "search": JobSearch(job_id_prefix="a", labels={"x": "y"}, min_creation_time=1).to_json(),
    },
}
#: Read in rows of the version before, and written no more.
OF_THE_VERSION_BEFORE = {"ref"}
#: Rows as the version before wrote them: their paths and arguments stand in users' databases.
OLD_ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "one job": (
        "airflow_provider_jobs.triggers.job.JobTrigger",
        {
            **SHARED,
            "ref": {"service": "bigquery", "scope": "p", "id": "j", "location": "EU", "created_at": 1.0},
            "adopted": False,
            "cancel_on_kill": True,
        },
    ),
    "several jobs": (
        "airflow_provider_jobs.triggers.job.JobTrigger",
        {
            **SHARED,
            "service": "salesforce",
            "hook_args": HOOK_ARGS["salesforce"],
            "ref": {
                "service": "salesforce",
                "scope": "acme.my.salesforce.com",
                "id": "750000000000001 750000000000002",
                "location": "v59.0/jobs/ingest",
                "created_at": None,
            },
            "adopted": True,
            "cancel_on_kill": False,
        },
    ),
    "a search": ("airflow_provider_jobs.triggers.job.JobsTrigger", {**SHARED, "search": {"min_jobs": 1}}),
}
EVERY = pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.__name__)

#: Its home before Airflow 3.2 is another.
_SERDE = (
    "airflow.sdk.serde" if importlib.util.find_spec("airflow.sdk.serde") else "airflow.serialization.serde"
)
serde: Any = importlib.import_module(_SERDE)


def rebuilt(serialized: tuple[str, dict[str, Any]]) -> BaseTrigger:
    path, arguments = json.loads(json.dumps(serialized))
    name, _, class_name = path.rpartition(".")
    trigger = getattr(importlib.import_module(name), class_name)(**arguments)
    assert isinstance(trigger, BaseTrigger)
    return trigger


def test_every_trigger_is_tested() -> None:
    found = {
        each
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, BaseTrigger) and each.__module__ == module.__name__ and each.__name__[0] != "_"
    }
    assert found == set(OWN)


@pytest.mark.parametrize("service", module.HOOKS)
def test_every_service_has_a_hook_that_takes_its_arguments(service: str) -> None:
    path, _, name = module.HOOKS[service].partition(":")
    kind = getattr(importlib.import_module(path), name)
    hook = kind(**HOOK_ARGS[service])
    assert getattr(hook, kind.conn_name_attr) == "c"
    assert callable(hook.client_of)
    trigger = JobTrigger(**{**SHARED, "service": service, "hook_args": HOOK_ARGS[service]}, **OWN[JobTrigger])
    assert rebuilt(trigger.serialize()).serialize() == trigger.serialize()


@EVERY
def test_a_trigger_comes_back_whole(kind: Any) -> None:
    trigger = kind(**SHARED, **OWN[kind])
    again = rebuilt(trigger.serialize())
    assert type(again) is kind
    assert again.serialize() == trigger.serialize()


@EVERY
def test_a_trigger_carries_every_argument_of_its_constructor(kind: Any) -> None:
    _, arguments = kind(**SHARED, **OWN[kind]).serialize()
    assert arguments == {**SHARED, **OWN[kind]}
    wanted = {
        name
        for each in kind.__mro__
        if each.__module__ == module.__name__
        for name, parameter in inspect.signature(each.__init__).parameters.items()
        if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
    }
    assert set(arguments) == wanted - OF_THE_VERSION_BEFORE


@EVERY
def test_a_row_is_plain_json_for_airflow_too(kind: Any) -> None:
    trigger = kind(**SHARED, **OWN[kind])
    _, arguments = TaskDeferred(trigger=trigger, method_name="execute_complete").trigger.serialize()
    assert serde.deserialize(json.loads(json.dumps(serde.serialize(arguments)))) == arguments


@EVERY
def test_a_row_holds_no_secret(kind: Any) -> None:
    row = json.dumps(kind(**SHARED, **OWN[kind]).serialize()).lower()
    for word in ("token", "password", "secret", "private", "keyfile", "authorization", "session"):
        assert word not in row


@pytest.mark.parametrize("argument", ["service", "hook_args", "poll_interval"])
@EVERY
def test_nothing_that_matters_has_a_default(kind: Any, argument: str) -> None:
    arguments = {name: value for name, value in SHARED.items() if name != argument}
    with pytest.raises(TypeError, match=argument):
        kind(**arguments, **OWN[kind])


@pytest.mark.parametrize("name", OLD_ROWS)
def test_a_row_of_the_version_before_wakes_up(name: str) -> None:
    trigger: Any = rebuilt(OLD_ROWS[name])
    again: Any = rebuilt(trigger.serialize())
    assert again.serialize() == trigger.serialize()
    assert trigger.poll_interval == 2.5
    if name != "a search":
        old = OLD_ROWS[name][1]["ref"]
        assert [ref.id for ref in trigger.refs] == old["id"].split()
        assert {(ref.scope, ref.location) for ref in trigger.refs} == {(old["scope"], old["location"])}


OPERATORS = [getattr(each, name) for each in (bigquery, redivis, salesforce) for name in each.__all__]


@pytest.mark.parametrize("kind", OPERATORS, ids=lambda kind: kind.__name__)
def test_what_an_end_does_on_a_worker_a_trigger_does_or_leaves_to_it(kind: type) -> None:
    """An operator with more to do at its end says what a trigger does of that, or that it cannot."""

    def has_own(*names: str) -> bool:
        above = {JobOperator, *JobOperator.__mro__}
        return any(name in vars(each) for each in set(kind.__mro__) - above for name in names)

    if has_own("ended", "completed", "result", "summary_of"):
        assert has_own("xcoms", "ends_in_trigger")
