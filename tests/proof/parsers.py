"""Everything that reads what a service sent, each with real replies to change.

A parser is a client's own method, and gets its reply from a transport that answers without a network.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from google.oauth2.credentials import Credentials
from requests.structures import CaseInsensitiveDict

from airflow_provider_jobs.clients.bigquery.api import ENDPOINT
from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.clients.redivis.client import RedivisClient
from airflow_provider_jobs.clients.redivis.release import ReleaseRequest
from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.clients.salesforce.results.page import Page, Wanted, listed_pages
from airflow_provider_jobs.core.http import stream
from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.http.origins import Origins
from airflow_provider_jobs.core.http.retry import RetryPolicy, retry_after_seconds
from airflow_provider_jobs.core.http.stream import StreamedReply
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.core.upload.protocol import ResumableUpload
from airflow_provider_jobs.errors import JobFailed, TransportError
from airflow_provider_jobs.hooks.base import StaticToken
from airflow_provider_jobs.hooks.logins.google import GoogleToken
from airflow_provider_jobs.hooks.logins.google_exchange import Exchange
from airflow_provider_jobs.hooks.logins.google_settings import BigQuerySettings
from airflow_provider_jobs.hooks.logins.salesforce import log_in
from airflow_provider_jobs.hooks.logins.salesforce_settings import Flow, SalesforceSettings
from airflow_provider_jobs.jobs import JobRef, JobState, JobStatus
from tests.proof.mutations import body, headers, spoilt
from tests.unit.clients.replay import resource
from tests.unit.conftest import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

#: Of one client call: a service that goes on for ever is given up.
MOST_REQUESTS = 60
JOB_ID = "750000000000001AAA"
QUERY_JOB = {
    "id": JOB_ID, "operation": "query", "object": "Account", "createdById": "005", "state": "JobComplete",
    "createdDate": "2018-12-10T17:50:19.000+0000", "systemModstamp": "2018-12-10T17:51:27.000+0000",
    "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": 59.0, "jobType": "V2Query",
    "lineEnding": "LF", "columnDelimiter": "COMMA", "numberRecordsProcessed": 500, "retries": 0,
    "totalProcessingTime": 334,
}  # fmt: skip
FAILED_JOB = QUERY_JOB | {"state": "Failed", "errorMessage": "INVALID_FIELD: No such column 'Nam'"}
INGEST_JOB = QUERY_JOB | {"operation": "insert", "jobType": "V2Ingest", "numberRecordsFailed": 3}
JOB_LIST = {"done": True, "records": [QUERY_JOB, INGEST_JOB], "nextRecordsUrl": None}
MORE_JOBS = {"done": False, "records": [], "nextRecordsUrl": "/services/data/v59.0/jobs?queryLocator=abc"}
RESULT_PAGES = {
    "resultPages": [{"resultUrl": "/services/data/v59.0/jobs/query/750/results"},
                    {"resultUrl": "/services/data/v59.0/jobs/query/750/results?locator=AaP"}],
    "nextRecordsUrl": None, "done": True,
}  # fmt: skip
LOGIN = {
    "access_token": "00D!AQ", "instance_url": "https://acme.my.salesforce.com", "token_type": "Bearer",
    "id": "https://login.salesforce.com/id/00D/005", "issued_at": "1278448832702",
}  # fmt: skip
SOAP = b"""<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns="urn:partner.soap.sforce.com">
<soapenv:Body><loginResponse><result><passwordExpired>false</passwordExpired>
<serverUrl>https://acme.my.salesforce.com/services/Soap/u/59.0/00D</serverUrl>
<sessionId>00D!AQ</sessionId><userInfo><userName>me</userName></userInfo></result></loginResponse>
</soapenv:Body></soapenv:Envelope>"""
SOAP_FAULT = b"""<soapenv:Envelope><soapenv:Body><soapenv:Fault><faultcode>INVALID_LOGIN</faultcode>
<faultstring>INVALID_LOGIN: Invalid username</faultstring><detail><sf:LoginFault>
<sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode><sf:exceptionMessage>no</sf:exceptionMessage>
</sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"""
CSV = b'"Id","Name"\n"001","Zo\xc3\xab ""x"",\nend"\n"002",""\n'
PACKED = gzip.compress(CSV)
RESULT_HEADERS = {
    "Content-Type": "text/csv", "Sforce-Locator": "null", "Sforce-NumberOfRecords": "2",
    "Sforce-Limit-Info": "api-usage=45/5000", "Content-Length": "60", "Warning": '299 - "old"',
    "Retry-After": "3", "Date": "Sun, 06 Nov 1994 08:49:37 GMT", "X-REDIVIS-WARNING": "old",
}  # fmt: skip
ERRORS = [
    {"error": {"code": 403, "message": "no", "errors": [{"reason": "rateLimitExceeded"}], "status": "X"}},
    [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "too many"}],
    {"error": "invalid_grant", "error_description": "no"},
    {"error": {"message": "no", "status": 400}},
]
STATUSES = (
    200,
    200,
    201,
    202,
    204,
    206,
    300,
    308,
    400,
    401,
    403,
    404,
    408,
    409,
    410,
    418,
    429,
    500,
    503,
    599,
)
TOKEN = {"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"}


@dataclass(frozen=True)
class Parser:
    """One place where words of a service are read.

    :param given: Makes what it gets.
    :param read: Reads that, to the end; an error of this package is an answer too.
    """

    name: str
    given: Callable[[Random], Any]
    read: Callable[[Any], object]


class Canned(Transport):
    """Answers every request with the same reply, without a network."""

    def __init__(self, made: Reply) -> None:
        timing = Clock().timing
        super().__init__(StaticToken("t"), user_agent="x", timing=timing, retry=RetryPolicy(attempts=2))
        self._made = made
        self._left = MOST_REQUESTS

    def send(self, request: Any, headers: Mapping[str, str]) -> Reply:
        self._left -= 1
        if self._left < 0:
            raise TransportError("asked too often", retryable=False)
        return self._made


def reply(
    dice: Random, content: bytes, statuses: Sequence[int] = (200,), usual: Mapping[str, str] | None = None
) -> Reply:
    """Return a reply with this body."""
    head = headers(dice, RESULT_HEADERS if usual is None else usual)
    return Reply(dice.choice(statuses), CaseInsensitiveDict(head), content)


def of(call: Callable[[Any], object], *seeds: Any, client: Callable[[Transport], Any], name: str) -> Parser:
    """Return the parser that a method of a client is, for JSON like this."""

    def given(dice: Random) -> Reply:
        if dice.randrange(4):
            return reply(dice, body(dice, seeds))
        return reply(dice, body(dice, ERRORS), STATUSES)

    return Parser(name, given, lambda made: call(client(Canned(made))))


def usable(status: JobStatus) -> JobStatus:
    """See that a status can be told, kept, and read again; return it."""
    kept = json.dumps(status.to_json(), allow_nan=False)
    JobStatus.from_json(json.loads(kept))
    text = str(JobFailed(status))
    assert len(kept) < MOST_KEPT, f"{len(kept)} characters of a status"
    assert "\r" not in text
    return status


#: Characters of a status that is kept, in an XCom or a row: twenty problems of three texts, all escaped.
MOST_KEPT = 2_000_000


def _bigquery(transport: Transport) -> BigQueryClient:
    return BigQueryClient(transport, "p")


def _salesforce(transport: Transport) -> SalesforceClient:
    return SalesforceClient(transport, "https://acme.my.salesforce.com")


def _redivis(transport: Transport) -> RedivisClient:
    return RedivisClient(transport)


REF = JobRef("bigquery", "p", "j", "US", 1_700_000_000.0)
UPLOAD = JobRef("redivis", "o.d:next.t", "/tables/o.d:next.t/uploads/u")
RELEASE = JobRef("redivis", "o.d", "release-after-v1.0")
SCRIPT = JobStatus(REF, JobState.FAILED, "DONE", statistics={"child_job_count": 1})
JOBS = [resource(name) for name in ("query_done", "load_done", "load_failed", "extract_done", "copy_done")]
LISTED = {"jobs": [{**job, "state": "RUNNING"} for job in JOBS[:2]], "unreachable": ["EU"], "etag": "x"}
DATASETS = [
    resource("redivis_dataset"),
    {"version": {"tag": "v1.0", "isReleased": True}, "nextVersion": {"tag": "next", "status": "releasing"}},
    {"version": {"tag": "next"}, "nextVersion": {"releaseErrorMessage": "no"}},
]
UPLOADS = [resource(f"redivis_upload_{name}") for name in ("completed", "failed", "queued")]
TABLES = {"results": [{"name": "t", "description": "x", "numRows": 0}], "nextPageToken": None}


def _page(given: tuple[Reply, bool, int | None]) -> None:
    made, located, records = given
    wanted = Wanted("jobs/query/750/results", located=located, records=records, most_records=records)
    page = Page(wanted, with_header=True)
    for _ in page.blocks(StreamedReply(made.status, made.headers, iter([made.body]))):
        pass


def _login(flow: Flow) -> Callable[[Reply], object]:
    settings = SalesforceSettings(
        "c", flow, "https://login.salesforce.com", username="me", password="p", security_token="t",
        consumer_key="k", consumer_secret="s", version="59.0",
    )  # fmt: skip
    return lambda made: log_in(settings, Canned(made))


def _login_reply(dice: Random, *, soap: bool) -> Reply:
    content = spoilt(dice, [SOAP, SOAP_FAULT]) if soap else body(dice, [LOGIN, ERRORS[2]])
    return reply(dice, content, (200, 200, 200, 400, 500))


def _session(given: tuple[Reply, int, int]) -> None:
    made, total, sent = given
    upload = ResumableUpload(total or None, sent=sent)
    upload.after_status(made.status, made.headers)
    assert upload.offset >= 0
    upload.after_data(made.status, made.headers, sent)


def _temporary(client: RedivisClient) -> None:
    client.put_upload("o.d:next.t", b"n\n1\n", "a.csv")


def _unpacked(body: bytes) -> None:
    for _ in stream._inflated(iter([body])):
        pass


def _google(made: Reply) -> None:
    settings = BigQuerySettings("c")
    exchange = Exchange("c", Canned(made), Origins((), (settings.universe_domain,)))
    uri = "https://oauth2.googleapis.com/token"
    credentials = Credentials(None, refresh_token="r", token_uri=uri, client_id="i", client_secret="s")
    GoogleToken("c", lambda: (credentials, None), exchange=exchange).headers()


PARSERS = (
    of(lambda client: usable(client.status(REF)), *JOBS, client=_bigquery, name="BigQuery, a job"),
    of(
        lambda client: client.insert_job({"configuration": {"query": {}}, "jobReference": {"jobId": "j"}}),
        *JOBS,
        client=_bigquery,
        name="BigQuery, an insert",
    ),
    of(lambda client: list(client._many.jobs.pages([REF])), LISTED, client=_bigquery, name="BigQuery, jobs"),
    of(
        lambda client: [
            usable(status) for status in client.status_many([REF]).values() if isinstance(status, JobStatus)
        ],
        LISTED,
        *JOBS,
        client=_bigquery,
        name="BigQuery, many jobs",
    ),
    of(
        lambda client: client.search_ended({"project": "p", "job_id_prefix": "j", "min_jobs": 1}),
        LISTED,
        client=_bigquery,
        name="BigQuery, a search",
    ),
    of(
        lambda client: client.failing_statement(SCRIPT),
        resource("script_children"),
        LISTED,
        client=_bigquery,
        name="BigQuery, a script's statements",
    ),
    of(lambda client: client.cancel(REF), {"job": JOBS[0]}, client=_bigquery, name="BigQuery, a cancel"),
    of(lambda client: client.row_count(REF), {"totalRows": "3"}, client=_bigquery, name="BigQuery, a count"),
    of(
        lambda client: list(client.get_query_results("j", timeout_seconds=30)),
        resource("query_results"),
        resource("query_results") | {"pageToken": None, "jobComplete": False},
        client=_bigquery,
        name="BigQuery, rows",
    ),
    Parser(
        "BigQuery, an upload's session",
        lambda dice: reply(dice, body(dice, ERRORS), STATUSES, {"Location": f"{ENDPOINT}/upload?x=y"}),
        lambda made: _bigquery(Canned(made))._session_url(made),
    ),
    of(
        lambda client: usable(client.status(client.ref(JOB_ID))),
        QUERY_JOB,
        FAILED_JOB,
        INGEST_JOB,
        client=_salesforce,
        name="Salesforce, a job",
    ),
    of(
        lambda client: list(client.list_jobs()),
        JOB_LIST,
        MORE_JOBS,
        client=_salesforce,
        name="Salesforce, jobs",
    ),
    of(
        lambda client: client.look([client.ref(JOB_ID), client.ref(JOB_ID[:-3] + "BBB")]),
        JOB_LIST,
        MORE_JOBS,
        QUERY_JOB,
        client=_salesforce,
        name="Salesforce, many jobs",
    ),
    of(
        lambda client: list(listed_pages(client, client.ref(JOB_ID))),
        RESULT_PAGES,
        client=_salesforce,
        name="Salesforce, a list of result pages",
    ),
    Parser(
        "Salesforce, a page of results",
        lambda dice: (
            reply(dice, spoilt(dice, [CSV, b""]), (200, 200, 204)),
            bool(dice.randrange(2)),
            dice.choice((None, 0, 2)),
        ),
        _page,
    ),
    *(
        Parser(f"Salesforce, a login ({flow})", partial(_login_reply, soap=flow is Flow.SOAP), _login(flow))
        for flow in (Flow.CLIENT, Flow.SOAP)
    ),
    of(lambda client: usable(client.status(UPLOAD)), *UPLOADS, client=_redivis, name="Redivis, an upload"),
    of(
        lambda client: list(client.list_uploads("o.d:next.t")),
        {"results": UPLOADS},
        client=_redivis,
        name="Redivis, uploads",
    ),
    of(lambda client: usable(client.status(RELEASE)), *DATASETS, client=_redivis, name="Redivis, a release"),
    of(
        lambda client: client.submit(ReleaseRequest("o.d", "release", {}, on_incomplete="fail")),
        *({**each, **TABLES} for each in DATASETS),
        client=_redivis,
        name="Redivis, a version to release",
    ),
    of(
        _temporary,
        resource("redivis_temp_plain"),
        resource("redivis_temp_session"),
        *UPLOADS,
        client=_redivis,
        name="Redivis, a temporary upload",
    ),
    Parser(
        "an upload's offset",
        lambda dice: (
            reply(dice, b"", STATUSES, {"Range": "bytes=0-5"}),
            dice.randrange(11),
            dice.randrange(11),
        ),
        _session,
    ),
    Parser(
        "a pause that is asked for",
        lambda dice: headers(dice, {"Retry-After": "3", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}),
        lambda head: retry_after_seconds(CaseInsensitiveDict(head)),
    ),
    Parser("a packed body", lambda dice: spoilt(dice, [PACKED, PACKED * 2]), _unpacked),
    Parser(
        "Google, a token",
        lambda dice: reply(dice, body(dice, [TOKEN, ERRORS[2]]), (200, 200, 200, 400, 502)),
        _google,
    ),
)
