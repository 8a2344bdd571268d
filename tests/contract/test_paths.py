"""No id, name or type leads a request to another path, whatever method it is given to, in whatever field."""

from __future__ import annotations

import datetime as dt
import importlib
import inspect
import itertools
import json
import pkgutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from airflow_provider_jobs import clients, hooks
from airflow_provider_jobs.clients.redivis.names import table_reference
from airflow_provider_jobs.clients.redivis.prepare import Preparation
from airflow_provider_jobs.clients.redivis.release import ReleaseRequest
from airflow_provider_jobs.clients.redivis.submit import UploadRequest
from airflow_provider_jobs.clients.redivis.transfer import Transfers
from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Output
from airflow_provider_jobs.clients.salesforce.results.page import Wanted
from airflow_provider_jobs.clients.salesforce.results.stream import ResultStream
from airflow_provider_jobs.clients.salesforce.submit import SalesforceRequest
from airflow_provider_jobs.core.http.path import checked_path, path_of
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.core.sources.source import Media, source_of
from airflow_provider_jobs.core.upload.body import WholeBody
from airflow_provider_jobs.core.work import JobRequest
from airflow_provider_jobs.errors import ConfigurationError, JobsError
from airflow_provider_jobs.hooks.base import JobsHook
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.hooks.salesforce import DiscardingClient, SalesforceHook
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from tests.contract.hostile import Recorder, Shape, hostile_to, with_word, words
from tests.unit.conftest import at_rest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.conftest import Clock

ID = "750000000000001AAA"
TABLE = "acme.sales:next.orders"
URI = "/tables/acme.sales%3Anext.orders/uploads/orders_csv"
DATASET_REFERENCE = {"projectId": "project-1", "datasetId": "sales"}
TABLE_REFERENCE = {"projectId": "project-1", "datasetId": "sales", "tableId": "orders"}
QUERY = {"query": {"query": "SELECT 1"}}
JOB: dict[str, Any] = {
    "jobReference": {"projectId": "project-1", "jobId": "job_1", "location": "EU"},
    "configuration": QUERY,
    "status": {"state": "DONE"},
}
#: What a service answers, whatever is asked.
DOCUMENTS: dict[str, dict[str, Any]] = {
    "bigquery": {
        **JOB,
        "job": JOB,
        "jobs": [],
        "jobComplete": True,
        "schema": {"fields": []},
        "totalRows": "0",
    },
    "salesforce": {
        "id": ID,
        "state": "JobComplete",
        "numberRecordsProcessed": 0,
        "numberRecordsFailed": 0,
        "records": [],
        "resultPages": [],
        "done": True,
    },
    "redivis": {
        "name": "orders.csv",
        "uri": URI,
        "status": "completed",
        "size": 3,
        "version": {"tag": "v1_0", "isReleased": True},
        "nextVersion": {"status": "unreleased"},
        "results": [{"id": "temp-1", "url": "SERVER/storage/temp-1", "resumable": False}],
    },
}
#: Words that ids in paths are made of, besides those that a method is given.
IDS = {"project-1", "job_1", ID, "acme.sales", "orders_csv", "temp-1"}
#: What is a path itself may lead anywhere below the API's address.
WHOLE_PATHS = {
    ("call", "path"),
    ("put", "path"),
    ("csv", "path"),
    ("fetch_list", "wanted"),
    ("find", "path"),
    ("create", "location"),
}
BELOW = {"salesforce": "/services/data/", "redivis": "/api/v1/"}
QUERY_BODY = {"operation": "query", "query": "SELECT Id FROM Account"}


def media() -> Media:
    return Media(source_of(b"a,b\n1,2\n", "csv"))


def body_of(content: Media) -> WholeBody:
    return WholeBody(content.source.open(), content)


def refs(service: str, server: Recorder) -> list[JobRef]:
    org = server.url.removeprefix("http://")
    return {
        "bigquery": [JobRef(service, "project-1", "job_1", "EU"), JobRef(service, "project-1", "job_1")],
        "salesforce": [JobRef(service, org, ID, f"v59.0/jobs/{kind}") for kind in ("query", "ingest")],
        "redivis": [JobRef(service, TABLE, URI), JobRef(service, "acme.sales", "release-after-v1_0")],
    }[service]


def many(first: JobRef) -> list[JobRef]:
    """Return so many jobs that they are listed."""
    return [first, *(replace(first, id=f"{first.id[:14]}{n}{first.id[15:]}") for n in range(2, 9))]


def requests_of(service: str) -> list[JobRequest]:
    load = {"load": {"destinationTable": {"projectId": "project-1", "datasetId": "d", "tableId": "t"}}}
    requests: dict[str, list[JobRequest]] = {
        "bigquery": [
            JobRequest("project-1", "job", QUERY, "EU", not_before=1.0, key_before="job_before"),
            JobRequest("project-1", "job", load, "EU", media()),
            JobRequest("project-1", "job", QUERY, not_before=1.0, key_before="job_before"),
        ],
        "salesforce": [
            SalesforceRequest(body=QUERY_BODY, version="59.0"),
            SalesforceRequest(body={"object": "Account", "operation": "insert"}, media=media()),
        ],
        "redivis": [
            UploadRequest(TABLE, "orders.csv", {"type": "delimited"}, media=media()),
            UploadRequest(TABLE, "orders.csv", {"type": "delimited"}, media=media(), flow="original"),
            ReleaseRequest("acme.sales", "release", {}),
        ],
    }
    return requests[service]


#: What a parameter may be, by its name, or by method and name.
SAMPLES: dict[str, Callable[[Case], list[Any]]] = {
    "call.body": lambda _: [None, QUERY_BODY],
    "call.path": lambda _: [f"v59.0/jobs/query/{ID}"],
    "count_records.which": lambda _: ["failedResults"],
    "create.location": lambda _: ["v59.0/jobs/query"],
    "create_ingest_job.body": lambda _: [{"object": "Account", "operation": "insert"}],
    "csv.path": lambda _: [f"v59.0/jobs/query/{ID}/results"],
    "fetch_list.delimiter": lambda _: [None, ","],
    "fetch_list.how": lambda _: [{"with_header": True}],
    "fetch_list.wanted": lambda _: [Wanted(f"v59.0/jobs/ingest/{ID}/failedResults/", located=False)],
    "download_ingested.refs": lambda case: [[case.refs[1]]],
    "find.path": lambda _: ["/tables/acme.sales.orders"],
    "put.content": lambda _: [body_of(media())],
    "put.path": lambda _: [f"v59.0/jobs/ingest/{ID}/batches"],
    "read.job": lambda case: [DOCUMENTS[case.service]],
    "send.table": lambda _: [table_reference(TABLE)],
    "send_original.path": lambda _: [URI],
    "submit_upload.request": lambda case: requests_of(case.service)[:2],
    "release_once.request": lambda case: requests_of(case.service)[2:],
    "submit_once.request": lambda case: [
        each for each in requests_of(case.service) if not isinstance(each, ReleaseRequest)
    ],
    "upload_job.job": lambda _: [{**JOB, "configuration": {"load": {}}}],
    "table_rows.table": lambda _: ["sales.orders", TABLE_REFERENCE],
    "table_exists.table": lambda _: ["sales.orders", TABLE_REFERENCE],
    "partition_exists.table": lambda _: [TABLE_REFERENCE],
    "list_row_pages.options": lambda _: [{"pageToken": "token-1"}],
    "bucket": lambda _: ["bucket-1"],
    "dataset_id": lambda _: ["sales"],
    "table_id": lambda _: ["orders"],
    "project_id": lambda _: ["project-1", None],
    "partition": lambda _: ["20260131"],
    "partition_id": lambda _: ["20260131"],
    "columns": lambda _: [[]],
    "sql": lambda _: ["SELECT 1"],
    "parameters": lambda _: [None],
    "labels": lambda _: [None],
    "legacy": lambda _: [False],
    "most_rows": lambda _: [1],
    "df_type": lambda _: ["pandas"],
    "body": lambda _: [QUERY_BODY],
    "client": lambda case: [case.client],
    "connection": lambda case: [case.hook.looked_up()],
    "content": lambda _: [b"a,b\n1,2\n"],
    "create": lambda _: [frozenset({"dataset"}), frozenset()],
    "dataset": lambda case: (
        ["sales", DATASET_REFERENCE] if case.service == "bigquery" else ["acme.sales:next"]
    ),
    "error": lambda _: [JobsError("x")],
    "failures": lambda _: [1],
    "fields": lambda _: [{"name": "orders"}],
    "filters": lambda case: [{"queryLocator" if case.service == "salesforce" else "pageToken": "token-1"}],
    "how": lambda _: [{}],
    "idempotent": lambda _: [True],
    "job": lambda case: [ID, *case.refs] if case.service == "salesforce" else [JOB],
    "job_id": lambda _: ["job_1"],
    "jobs": lambda case: [[case.refs[1]], [ID]],
    "kind": lambda _: ["query", "ingest"],
    "known": lambda _: [()],
    "least": lambda _: [0, 1],
    "records": lambda _: [None, 1],
    "resent": lambda _: [()],
    "sent": lambda _: [None, 1],
    "list_locator": lambda _: ["token-1"],
    "location": lambda _: ["EU", None],
    "media": lambda _: [media()],
    "method": lambda _: ["GET", "DELETE"],
    "name": lambda _: ["orders.csv"],
    "options": lambda case: [{"location": "EU"} if case.service == "bigquery" else {"flow": "original"}],
    "ours": lambda _: [1.0],
    "output": lambda _: [Output("a.csv")],
    "owner": lambda _: ["acme-inc"],
    "owner_type": lambda _: ["organization", "user"],
    "page_records": lambda _: [None],
    "params": lambda _: [{"locator": "token-1"}],
    "project": lambda _: ["project-1"],
    "ref": lambda case: case.refs,
    "reference": lambda _: [JOB["jobReference"]],
    "refs": lambda case: [many(case.refs[0])],
    "release_notes": lambda _: ["notes of it"],
    "request": lambda case: requests_of(case.service),
    "resume": lambda _: [False, True],
    "search": lambda _: [{"project": "project-1", "job_id_prefix": "job_", "parent_job_id": "job_0"}],
    "object_name": lambda _: ["Account", "Shipment__c"],
    "start": lambda _: [dt.datetime(2100, 1, 1, tzinfo=dt.UTC)],
    "end": lambda _: [dt.datetime(2100, 1, 2, tzinfo=dt.UTC)],
    "sink": lambda case: [LocalSink(case.folder)],
    "status": lambda case: [
        JobStatus(each, JobState.FAILED, "DONE", statistics={"child_job_count": 1}) for each in case.refs
    ],
    "step": lambda _: [lambda: None],
    "insert_table.table": lambda _: [{"tableReference": TABLE_REFERENCE}],
    "table": lambda case: ["sales.orders", TABLE_REFERENCE] if case.service == "bigquery" else [TABLE],
    "table_text": lambda _: [TABLE],
    "timeout_seconds": lambda _: [1.0],
    "transfers": lambda case: [case.client.transfers],
    "upload": lambda case: [DOCUMENTS[case.service]],
    "uri": lambda _: [URI],
    "version": lambda _: ["59.0"],
    "wanted": lambda _: [Preparation(frozenset({"dataset", "version", "table"}))],
    "which": lambda _: ["failedResults", "successfulResults"],
}
#: What has a default, and is never a part of a request.
LEFT_OUT = {
    "checkpoint",
    "on_checkpoint",
    "on_whole",
    "page_rows",
    "retry",
    "session_bytes",
    "since",
    "sleep",
    "start_index",
    "tell",
    "workers",
}


class Case:
    """One method, or function of a client, with what it can be given.

    :param owner: Its class; None for a function, whose first parameter is the client.
    """

    service: str
    folder: Path
    refs: list[JobRef]

    def __init__(self, owner: type | None, name: str, called: Callable[..., Any]) -> None:
        self.owner, self.name, self.called = owner, name, called
        where = (owner or called).__module__
        self.service = next(each for each in DOCUMENTS if each in where)

    def __repr__(self) -> str:
        return f"{self.owner.__name__ if self.owner else self.service}.{self.name}"

    def begin(self, server: Recorder, folder: Path) -> None:
        """Have a client of a server, as a hook makes it; its settings are those of :func:`connections`."""
        self.folder, self.refs = folder, refs(self.service, server)
        made_by = {"bigquery": BigQueryHook, "redivis": RedivisHook, "salesforce": SalesforceHook}[
            self.service
        ]
        self.hook: Any = made_by()
        self.client: Any = self.hook.get_conn()

    def given(self) -> list[dict[str, Any]]:
        """Return the arguments of calls that are right: each parameter has each of its samples once."""
        parameters = list(inspect.signature(self.called).parameters)[1:]
        choices: dict[str, list[Any]] = {}
        for each in parameters:
            if each not in LEFT_OUT:
                samples = SAMPLES.get(f"{self.name}.{each}") or SAMPLES.get(each)
                assert samples, f"{self} has a parameter {each!r} that SAMPLES does not know: add it"
                choices[each] = samples(self)
        usual = {name: samples[0] for name, samples in choices.items()}
        more = [usual | {name: each} for name, samples in choices.items() for each in samples[1:]]
        return [usual, *more]

    def call(self, arguments: dict[str, Any]) -> JobsError | None:
        """Call it, read what it returns to its end, and return the error that it ends with."""
        variable = {
            name
            for name, each in inspect.signature(self.called).parameters.items()
            if each.kind is each.VAR_KEYWORD
        }
        flat = {name: value for name, value in arguments.items() if name not in variable}
        for name in variable:
            flat |= arguments.get(name, {})
        try:
            subject = self._subject()
            self._read(self.called(subject, **flat))
        except JobsError as error:
            return error
        finally:
            if listing := getattr(self.client, "_many", None):
                at_rest(listing)
        return None

    def _subject(self) -> Any:
        if self.owner is None or isinstance(self.client, self.owner):
            return self.client
        if isinstance(self.hook, self.owner):
            return self.hook
        if self.owner is Transfers:
            return self.client.transfers
        if self.owner is DiscardingClient:
            return SalesforceHook(delete_cancelled=True).get_conn()
        raise AssertionError(f"how a {self.owner.__name__} is made is not known here: add it")

    def _read(self, returned: Any) -> None:
        if isinstance(returned, ResultStream):
            with returned:
                for part in itertools.islice(returned.parts(), 1):
                    part.open().read()
        elif isinstance(returned, AbstractContextManager):
            with returned as lent:
                self._read(lent)
        elif isinstance(returned, Iterator):
            for _ in itertools.islice(returned, 20):
                pass


def found() -> Iterator[Case]:
    """Yield every public method of the clients and hooks, and every function that takes a client first."""
    names = [
        each.name
        for package in (clients, hooks)
        for each in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    ]
    modules = [importlib.import_module(name) for name in names]
    classes = {
        each
        for module in modules
        for _, each in inspect.getmembers(module, inspect.isclass)
        if each.__module__ in names
    }
    senders = [
        each
        for each in classes
        if each.__module__.startswith(clients.__name__)
        and "transport" in inspect.signature(each.__init__).parameters
    ]
    for each in sorted(classes, key=lambda each: each.__qualname__):
        is_sender = issubclass(each, tuple(senders))
        is_above = any(other is not each and issubclass(other, each) for other in classes)
        if (is_sender or issubclass(each, JobsHook)) and not is_above:
            for name, called in inspect.getmembers(each, inspect.isfunction):
                asks = bool(inspect.signature(called).parameters)  # a hook's form is data
                if not name.startswith("_") and called.__module__ in names and asks:
                    yield Case(each, name, called)
    for module in modules:
        for name, called in inspect.getmembers(module, inspect.isfunction):
            first = next(iter(inspect.signature(called).parameters), None)
            if (
                called.__module__ == module.__name__
                and not name.startswith("_")
                and first in {"api", "client"}
            ):
                yield Case(None, name, called)


CASES = sorted(found(), key=repr)


@pytest.fixture
def quick(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that ask once, and wait by a clock that only they move."""
    begin = Transport.__init__

    def hurried(transport: Transport, *arguments: Any, **options: Any) -> None:
        once = RetryPolicy(attempts=1)
        begin(transport, *arguments, **{**options, "timing": clock.timing, "retry": once})

    monkeypatch.setattr(Transport, "__init__", hurried)


def connections(server: Recorder) -> dict[str, str]:
    """Return Airflow's variables of connections to a server."""
    org = {"instance_url": server.url, "access_token": "T", "version": "59.0"}
    project = {"api_endpoint": server.url, "access_token": "T", "project": "project-1"}
    each: dict[str, dict[str, Any]] = {
        "GOOGLE_CLOUD_DEFAULT": {"conn_type": "bigquery_jobs", "extra": project},
        "SALESFORCE_DEFAULT": {"conn_type": "salesforce_bulk", "extra": org},
        "REDIVIS_DEFAULT": {"conn_type": "redivis", "host": f"{server.url}/api/v1", "password": "T"},
    }
    return {f"AIRFLOW_CONN_{name}": json.dumps(fields) for name, fields in each.items()}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_no_word_leads_to_another_path(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Recorder(DOCUMENTS[case.service]) as server:
        for name, connection in connections(server).items():
            monkeypatch.setenv(name, connection)
        case.begin(server, tmp_path)
        shapes = right_calls(case, server)
        usual = case.given()[0]
        for index, given in enumerate(case.given()):
            new = {name: value for name, value in given.items() if not index or value != usual[name]}
            for place, word in words(new):
                for hostile in hostile_to(word):
                    server.missing = not server.missing
                    told = attempt(case, case.given()[index], place, hostile)
                    for line in server.taken():
                        stays = (
                            below(line, BELOW[case.service])
                            if (case.name, place[0]) in WHOLE_PATHS
                            else any(shape.holds(line) for shape in shapes)
                        )
                        assert stays, (place, hostile[:60], line[:200], told)


def right_calls(case: Case, server: Recorder) -> set[Shape]:
    """Return where requests go if all words are right."""
    shapes: set[Shape] = set()
    for server.missing in (False, True):
        for number, given in enumerate(case.given()):
            ids = IDS | {word for _, word in words(given)} - {"query", "ingest"}
            error = case.call(given)
            assert number or not isinstance(error, ConfigurationError), f"{case}: {error}"
            shapes |= {Shape(line, ids) for line in server.taken()}
    return shapes


def attempt(case: Case, given: dict[str, Any], place: tuple[Any, ...], word: str) -> JobsError | None:
    """Call with one wrong word; return the error, which one of its dataclasses may have raised before."""
    try:
        changed = with_word(given, place, word)
    except JobsError as error:
        return error
    return case.call(changed)


def below(line: str, base: str) -> bool:
    _, target, *rest = line.split(" ")
    segments = target.partition("?")[0].split("/")
    return len(rest) == 1 and target.startswith(base) and not {".", ".."} & set(map(unquote, segments))


def test_every_service_has_cases() -> None:
    assert {case.service for case in CASES} == set(DOCUMENTS)
    names = {repr(case) for case in CASES}
    assert {"BigQueryClient.row_count", "RedivisClient.create_dataset", "SalesforceHook.get_job"} <= names
    assert len(CASES) > 80


@pytest.mark.parametrize("part", ["", ".", "..", "a/../b", "a\\..\\b", "\r\n", "\ud800", "x" * 2049, None, 7])
def test_what_cannot_be_a_part_of_a_path_is_refused(part: Any) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a part of an address"):
        path_of("a", part)


def test_the_rest_is_quoted() -> None:
    assert path_of("a b", "c/d", "%2e%2e", "e:f", "ä?#") == "/a%20b/c%2Fd/%252e%252e/e%3Af/%C3%A4%3F%23"
    assert path_of("e:f", safe=":") == "/e:f"


@pytest.mark.parametrize(
    "path", ["", "a", "/", "//a", "/a//b", "/a?b", "/a#b", "/a b", "/%2e%2e/a", "/a/..", "/a%0d", 7]
)
def test_a_path_that_leads_elsewhere_is_refused(path: Any) -> None:
    with pytest.raises(ConfigurationError):
        checked_path(path)


def test_a_path_stays_as_it_is() -> None:
    for path in ("/a", "/a/", "/a%20b/c%2Fd", "/tables/a:next.b/uploads/c"):
        assert checked_path(path) == path
