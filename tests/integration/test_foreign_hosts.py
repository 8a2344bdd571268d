"""A reply names another host: it gets no token, and no bytes that are not meant for it. Through real HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.core.sources.source import Media, OpenFileSource, source_of
from airflow_provider_jobs.errors import JobsError
from airflow_provider_jobs.hooks.base import StaticToken
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.operators.bigquery import BigQueryUploadOperator
from airflow_provider_jobs.operators.redivis import RedivisUploadOperator
from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator
from tests.integration.sending import Memory
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.core.conftest import Loopback

    Serve = Callable[..., Loopback]

TOKEN = "T0KEN-OF-THE-CONNECTION"
#: More than goes in one request.
LARGE = 5 << 20


def answer(document: Any, status: int = 200, **headers: str) -> dict[str, Any]:
    return {"status": status, "body": json.dumps(document).encode(), "headers": headers}


def host(server: Loopback) -> str:
    return server.url.removeprefix("http://")


def told(server: Loopback) -> list[str]:
    """Return what a server was sent that it must not have."""
    return [f"{each.method} {each.path} {each.headers} {each.body[:99]!r}" for each in server.seen]


def without_token(server: Loopback) -> bool:
    return not any(TOKEN in text for text in told(server))


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def connect(conn_id: str, **fields: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    return connect


class TestBigQuery:
    """The session that a reply names."""

    def upload(self, path: Path) -> Any:
        operator = BigQueryUploadOperator(
            task_id="task", source=str(path), destination_table="d.t", autodetect=True, inline_wait=0
        )
        return perform(operator, TaskRun().context())

    @pytest.mark.parametrize(
        "location",
        [
            "http://{evil}/session?upload_id=S3CR3T",
            "http://{home}@{evil}/session?upload_id=S3CR3T",
            "http://localhost:{port}/session?upload_id=S3CR3T",
            "https://evil.example/session?upload_id=S3CR3T",
            "http://evil.example/session?upload_id=S3CR3T",
            "https://bigquery.googleapis.com.evil.example/session?upload_id=S3CR3T",
        ],
    )
    def test_a_session_on_another_host(
        self, location: str, serve: Serve, connect: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "a.csv").write_bytes(b"x" * LARGE)
        evil = serve()
        home = serve({})
        port = evil.url.rpartition(":")[2]
        place = location.format(evil=host(evil), home=host(home), port=port)
        home.answers[:] = serve(answer({}, 404), answer({}, Location=place)).answers
        extra = {"project": "p", "api_endpoint": home.url, "access_token": TOKEN}
        connect("google_cloud_default", conn_type="bigquery_jobs", extra=extra)
        with pytest.raises(AirflowFailException) as caught:
            self.upload(tmp_path / "a.csv")
        assert told(evil) == []
        assert host(home) in str(caught.value)
        assert place.split("/")[2].rpartition("@")[2] in str(caught.value)
        assert "api_endpoint" in str(caught.value)
        assert "S3CR3T" not in str(caught.value)

    def test_a_session_that_was_remembered_of_another_address(self, serve: Serve) -> None:
        """The connection's endpoint was changed since, or the state was written by somebody else."""
        evil = serve()
        home = serve({})
        home.answers[:] = serve(
            answer({}, Location=f"{home.url}/session"),
            answer({"jobReference": {"projectId": "p", "jobId": "j"}, "status": {"state": "RUNNING"}}),
        ).answers
        transport = Transport(StaticToken(TOKEN), user_agent="test")
        client = BigQueryClient(transport, "p", endpoint=home.url)
        source = source_of(b"x" * LARGE)
        assert isinstance(source, OpenFileSource)
        memory = Memory({f"j:{source.fingerprint}": f"{evil.url}/session"})
        client.upload_job({"jobReference": {"jobId": "j"}, "configuration": {}}, Media(source, memory))
        assert told(evil) == []
        assert memory.known == {}
        assert [each.method for each in home.seen] == ["POST", "PUT"]
        assert len(home.seen[1].body) == LARGE


#: What Redivis says of an upload that is complete.
def upload_of(name: str = "a.csv", size: int = 5) -> dict[str, Any]:
    uri = "/tables/acme.sales%3Anext.orders/uploads/a_csv"
    return {"name": name, "uri": uri, "status": "completed", "size": size, "numRows": 1}


class TestRedivis:
    """The storage that Redivis names, and the host that the storage names."""

    def redivis(self, serve: Serve, connect: Any, storage: str, *, session: bool, switch: bool) -> Loopback:
        """Return the API, which has bytes sent to a storage elsewhere."""
        place = {"results": [{"id": "t1", "url": f"{storage}/o?sig=S3CR3T", "resumable": session}]}
        home = serve(answer({}, 404), answer(place), answer(upload_of()), answer(upload_of()))
        connect(
            "redivis_default",
            conn_type="redivis",
            host=f"{home.url}/api/v1",
            password=TOKEN,
            extra={"storage_token": switch},
        )
        return home

    def upload(self, path: Path) -> Any:
        operator = RedivisUploadOperator(task_id="task", table="acme.sales:next.orders", source=str(path))
        return perform(operator, TaskRun().context())

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        (tmp_path / "a.csv").write_bytes(b"hello")
        return tmp_path / "a.csv"

    @pytest.mark.parametrize("status", [401, 403])
    @pytest.mark.parametrize("session", [False, True])
    def test_a_storage_that_asks_for_the_token(
        self, status: int, session: bool, serve: Serve, connect: Any, path: Path
    ) -> None:
        storage = serve({"status": status})
        home = self.redivis(serve, connect, storage.url, session=session, switch=False)
        with pytest.raises((AirflowFailException, JobsError)) as caught:
            self.upload(path)
        assert storage.seen
        assert without_token(storage)
        assert TOKEN in str(home.seen[0].headers)
        assert host(home) in str(caught.value)
        assert host(storage) in str(caught.value)
        assert "storage_token" in str(caught.value)
        assert "S3CR3T" not in str(caught.value)

    def test_bytes_go_without_it(self, serve: Serve, connect: Any, path: Path) -> None:
        storage = serve({})
        self.redivis(serve, connect, storage.url, session=False, switch=False)
        assert RedivisHook().put_upload("acme.sales:next.orders", str(path), "a.csv")["status"] == "completed"
        assert [each.body for each in storage.seen] == [b"hello"]
        assert without_token(storage)

    @pytest.mark.parametrize("status", [200, 401, 403])
    def test_a_host_that_the_storage_names(self, status: int, serve: Serve, connect: Any, path: Path) -> None:
        third = serve({"status": status})
        storage = serve(answer({}, 201, Location=f"{third.url}/session"))
        self.redivis(serve, connect, storage.url, session=True, switch=False)
        if status == 200:
            RedivisHook().put_upload("acme.sales:next.orders", str(path), "a.csv", session_bytes=1)
        else:
            with pytest.raises((AirflowFailException, JobsError), match=host(third)):
                self.upload(path)
        assert third.seen
        assert without_token(third)
        assert without_token(storage)

    @pytest.mark.parametrize("session", [False, True])
    def test_the_connections_switch_sends_it(
        self, session: bool, serve: Serve, connect: Any, path: Path
    ) -> None:
        storage = serve({})
        storage.answers[:] = serve(answer({}, 201, Location=f"{storage.url}/session"), {}).answers
        self.redivis(serve, connect, storage.url, session=session, switch=True)
        RedivisHook().put_upload("acme.sales:next.orders", str(path), "a.csv")
        assert [each.headers["Authorization"] for each in storage.seen] == [f"Bearer {TOKEN}"] * (1 + session)

    @pytest.mark.parametrize("switch", [False, True])
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_storage_that_redirects(
        self, status: int, switch: bool, serve: Serve, connect: Any, path: Path
    ) -> None:
        third = serve({})
        storage = serve(answer({}, status, Location=f"{third.url}/o"))
        self.redivis(serve, connect, storage.url, session=False, switch=switch)
        with pytest.raises((AirflowFailException, JobsError)):
            self.upload(path)
        assert told(third) == []

    @pytest.mark.parametrize("session", [False, True])
    def test_bytes_leave_this_machine_over_https_only(
        self, session: bool, serve: Serve, connect: Any, path: Path
    ) -> None:
        place = "http://storage.example"
        home = self.redivis(serve, connect, place, session=session, switch=True)
        with pytest.raises(AirflowFailException, match=r"storage\.example") as caught:
            self.upload(path)
        assert host(home) in str(caught.value)


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
USER = {"login": "me@acme.com", "password": "pass"}
APP = {"consumer_key": "key", "consumer_secret": "secret"}
LOGINS: dict[str, dict[str, Any]] = {
    "client credentials": {"extra": APP},
    "password": {**USER, "extra": APP},
    "JWT": {"login": "me@acme.com", "extra": {"consumer_key": "key", "private_key": PEM}},
    "SOAP": {**USER, "extra": {"security_token": "t"}},
}


class TestSalesforce:
    """The org that a login's reply names."""

    def granted(self, login: str, url: str) -> dict[str, Any]:
        if login == "SOAP":
            text = f"<E><sessionId>{TOKEN}</sessionId><serverUrl>{url}/services/Soap/u/64.0</serverUrl></E>"
            return {"body": text.encode()}
        return answer({"access_token": TOKEN, "instance_url": url, "id": f"{url}/id/00D/005"})

    def org(self, connect: Any, login: str, home: Loopback) -> None:
        fields = LOGINS[login]
        extra = {**fields["extra"], "domain": home.url}
        connect("salesforce_default", conn_type="salesforce_bulk", **{**fields, "extra": extra})

    def query(self) -> Any:
        operator = SalesforceQueryOperator(task_id="task", soql="SELECT Id FROM Account")
        return perform(operator, TaskRun().context())

    @pytest.mark.parametrize("login", LOGINS)
    @pytest.mark.parametrize(
        "place",
        [
            "{evil}",
            "{evil}/path",
            "https://evil.example",
            "https://salesforce.com.evil.example",
            "https://evilsalesforce.com",
            "https://acme.my.salesforce.com:8443",
            "http://acme.my.salesforce.com",
        ],
    )
    def test_an_org_elsewhere(self, login: str, place: str, serve: Serve, connect: Any) -> None:
        evil = serve()
        url = place.format(evil=evil.url)
        home = serve(self.granted(login, url))
        self.org(connect, login, home)
        with pytest.raises(AirflowFailException) as caught:
            self.query()
        assert told(evil) == []
        assert len(home.seen) == 1
        assert url.split("/")[2] in str(caught.value)
        assert host(home) in str(caught.value)
        assert "instance_url" in str(caught.value)
        assert TOKEN not in str(caught.value)

    @pytest.mark.parametrize("login", LOGINS)
    def test_the_org_itself(self, login: str, serve: Serve, connect: Any) -> None:
        home = serve({})
        home.answers[:] = serve(self.granted(login, home.url), answer({})).answers
        self.org(connect, login, home)
        assert SalesforceHook().get_conn().limits() == {}
        assert home.seen[-1].headers["Authorization"] == f"Bearer {TOKEN}"

    @pytest.mark.parametrize("login", LOGINS)
    def test_a_login_that_is_renewed_elsewhere(self, login: str, serve: Serve, connect: Any) -> None:
        evil = serve()
        home = serve({})
        ended = answer([{"errorCode": "INVALID_SESSION_ID", "message": "x"}], 401)
        first, second = self.granted(login, home.url), self.granted(login, evil.url)
        home.answers[:] = serve(first, ended, second).answers
        self.org(connect, login, home)
        with pytest.raises(JobsError, match=host(evil)):
            SalesforceHook().get_conn().limits()
        assert told(evil) == []

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("login", LOGINS)
    def test_a_login_that_redirects(self, login: str, status: int, serve: Serve, connect: Any) -> None:
        evil = serve(self.granted(login, "http://127.0.0.1:1"))
        home = serve(answer({}, status, Location=f"{evil.url}/services/oauth2/token"))
        self.org(connect, login, home)
        with pytest.raises(JobsError) as caught:
            self.query()
        assert told(evil) == []
        assert "127.0.0.1" in str(caught.value)
