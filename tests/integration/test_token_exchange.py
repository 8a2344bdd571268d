"""Asking Google for tokens keeps the rules of every other request: no redirect, no proxy to this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import pluggable
from google.auth.compute_engine import _metadata

from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.errors import AuthenticationError, ConfigurationError, JobsError, MovedError
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from tests.unit.core.conftest import Answer
from tests.unit.hooks.logins.test_private_keys import FORMS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_jobs.clients.bigquery.client import BigQueryClient
    from tests.unit.core.conftest import Loopback

    Serve = Callable[..., Loopback]
    Connect = Callable[..., BigQueryClient]

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
ROBOT = "robot@p.iam.gserviceaccount.com"
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/x/providers/y"
GRANTED = {
    "body": json.dumps(
        {
            "access_token": "GRANTED",
            "accessToken": "GRANTED",
            "refresh_token": "again",
            "expires_in": 3600,
            "expireTime": "2099-01-01T00:00:00Z",
            "id_token": "SOURCE",
        }
    ).encode(),
    "headers": {"Content-Type": "application/json"},
}
JOBS = {"body": b'{"jobs": []}'}
REDIRECTS = [301, 302, 303, 307, 308]


def service_account(place: str) -> dict[str, Any]:
    key = {"type": "service_account", "project_id": "p", "client_email": ROBOT, "private_key": PEM}
    return {"keyfile_dict": {**key, "token_uri": f"{place}/token"}}


def external(place: str, source: str | None = None, **more: Any) -> dict[str, Any]:
    document = {
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{place}/sts",
        "credential_source": {
            "url": f"{source or place}/source",
            "format": {"type": "json", "subject_token_field_name": "id_token"},
        },
    }
    return {"credential_config_file": {**document, **more}}


def workforce_user(place: str) -> dict[str, Any]:
    return {
        "keyfile_dict": {
            "type": "external_account_authorized_user",
            "audience": AUDIENCE,
            "client_id": "c",
            "client_secret": "S3CR3T",
            "refresh_token": "S3CR3T",
            "token_url": f"{place}/oauthtoken",
        }
    }


def impersonation(place: str) -> dict[str, Any]:
    return {"access_token": "S3CR3T", "impersonation_chain": ROBOT, "iam_endpoint": place}


def external_impersonation(place: str) -> dict[str, Any]:
    return external(place, service_account_impersonation_url=f"{place}/{ROBOT}:generateAccessToken")


#: Every way to a token, of which each address can be set.
WAYS: dict[str, Callable[[str], dict[str, Any]]] = {
    "service account": service_account,
    "workload identity": external,
    "workforce user": workforce_user,
    "impersonation": impersonation,
    "workload identity and impersonation": external_impersonation,
}


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Connect:
    """Return what makes a client of a connection's fields, on a machine without credentials of its own."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", "")  # gcloud itself is not asked

    def connect(**extra: Any) -> BigQueryClient:
        connection = json.dumps({"conn_type": "bigquery_jobs", "extra": {"project": "p", **extra}})
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", connection)
        return BigQueryHook().get_conn()

    return connect


@pytest.fixture
def proxy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    """Return a proxy that the environment names for everything."""
    made = serve(GRANTED)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    for scheme in ("http", "https", "all"):
        monkeypatch.setenv(f"{scheme}_proxy", made.url)
        monkeypatch.setenv(f"{scheme}_proxy".upper(), made.url)
    return made


def ask(client: BigQueryClient) -> None:
    next(client.list_job_pages())


def redirect(status: int, place: str) -> dict[str, Any]:
    return {"status": status, "headers": {"Location": place, "Metadata-Flavor": "Google"}}


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("way", WAYS)
def test_no_redirect_is_followed(way: str, status: int, serve: Serve, connect: Connect) -> None:
    """Else the signed assertion goes along, and what the other host answers is taken for a token."""
    evil = serve(GRANTED)
    issuer = serve(redirect(status, f"{evil.url}/S3CR3T"))
    jobs = serve(JOBS)
    client = connect(**WAYS[way](issuer.url), api_endpoint=jobs.url)
    with pytest.raises(MovedError, match=r"127\.0\.0\.1 answered") as caught:
        ask(client)
    assert (evil.seen, jobs.seen, len(issuer.seen)) == ([], [], 1)
    assert "S3CR3T" not in str(caught.value)


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("before", [1, 2])
def test_no_redirect_of_a_later_step_is_followed(
    before: int, status: int, serve: Serve, connect: Connect
) -> None:
    """The source gives its token, the token service or the one that impersonates points elsewhere."""
    evil = serve(GRANTED)
    issuer = serve(*[GRANTED] * before, redirect(status, evil.url))
    with pytest.raises(MovedError):
        ask(connect(**external_impersonation(issuer.url), api_endpoint=serve(JOBS).url))
    assert (evil.seen, len(issuer.seen)) == ([], before + 1)


@pytest.mark.parametrize("way", WAYS)
def test_no_proxy_sees_what_goes_to_this_machine(
    way: str, serve: Serve, connect: Connect, proxy: Loopback
) -> None:
    issuer, jobs = serve(GRANTED), serve(JOBS)
    ask(connect(**WAYS[way](issuer.url), api_endpoint=jobs.url))
    assert proxy.seen == []
    assert jobs.seen[0].headers["Authorization"] == "Bearer GRANTED"


def test_no_proxy_sees_what_goes_to_this_machine_over_https(
    connect: Connect, proxy: Loopback, tls_server: str
) -> None:
    """Nobody has signed this server's certificate; a proxy would have been asked before that is seen."""
    for extra in ({"access_token": "t", "api_endpoint": tls_server}, service_account(tls_server)):
        connect(**extra)
        works, _ = BigQueryHook().test_connection()
        assert not works
    assert proxy.seen == []


@pytest.mark.parametrize(
    "place",
    [
        "http://198.51.100.1",
        "http://evil.example",
        "https://evil.example",
        "https://oauth2.googleapis.com.evil.example",
        "https://oauth2.googleapis.com@evil.example",
        "http://oauth2.googleapis.com",
        "http://169.254.169.254",
    ],
)
@pytest.mark.parametrize("where", ["connection", "file", "default credentials", "gcloud"])
@pytest.mark.parametrize("way", ["service account", "workload identity", "workforce user"])
def test_a_token_address_elsewhere_is_refused(
    way: str,
    where: str,
    place: str,
    connect: Connect,
    proxy: Loopback,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever the credentials are written; before anything is sent."""
    ((field, document),) = WAYS[way](place).items()
    if "credential_source" in document:
        document["credential_source"] = {"file": "/var/run/token"}
    path = tmp_path / "application_default_credentials.json"
    path.write_text(json.dumps(document))
    extra = {}
    if where == "connection":
        extra = {field: document}
    elif where == "file":
        extra = {"key_path" if field == "keyfile_dict" else field: str(path)}
    elif where == "default credentials":
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(ConfigurationError, match=r"connection google_cloud_default: token_ur[il]") as caught:
        connect(**extra)
    assert place.rpartition("/")[2].rpartition("@")[2] in str(caught.value)
    assert proxy.seen == []


@pytest.mark.parametrize("form", ["escaped", "CRLF, escaped", "blanks", "base64"])
@pytest.mark.parametrize("where", ["connection", "file"])
def test_a_key_is_taken_whatever_became_of_its_line_ends(
    where: str, form: str, serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    """Google's own hook takes escaped ones, as shells and secret stores leave them."""
    issuer, jobs = serve(GRANTED), serve(JOBS)
    document = service_account(issuer.url)["keyfile_dict"]
    document["private_key"] = FORMS[form](PEM)
    path = tmp_path / "key.json"
    path.write_text(json.dumps(document))
    extra = {"key_path": str(path)} if where == "file" else {"keyfile_dict": json.dumps(document)}
    ask(connect(**extra, api_endpoint=jobs.url))
    assert jobs.seen[0].headers["Authorization"] == "Bearer GRANTED"


def test_a_key_of_former_years_names_another_host_of_google(connect: Connect) -> None:
    """Google's documentation still shows it; no other cloud's credentials go there."""
    extra = service_account("https://accounts.google.com/o/oauth2")
    assert connect(**extra).project == "p"
    with pytest.raises(ConfigurationError, match=r"neither in apis\.sovereign\.example"):
        connect(**extra, universe_domain="apis.sovereign.example")
    for place in ("https://google.com", "https://x.accounts.google.com", "http://accounts.google.com"):
        with pytest.raises(ConfigurationError, match="token_uri"):
            connect(**service_account(place))


def test_the_connection_may_name_another_cloud(connect: Connect) -> None:
    extra = service_account("https://oauth2.apis.sovereign.example")
    with pytest.raises(ConfigurationError, match=r"neither in googleapis\.com"):
        connect(**extra)
    client = connect(**extra, universe_domain="apis.sovereign.example")
    assert client._endpoint == "https://bigquery.apis.sovereign.example"
    with pytest.raises(ConfigurationError, match=r"neither in apis\.sovereign\.example"):
        connect(**service_account("https://oauth2.googleapis.com"), universe_domain="apis.sovereign.example")
    with pytest.raises(ConfigurationError, match="universe_domain is not a domain"):
        connect(access_token="t", universe_domain="https://evil.example/")


def test_credentials_cannot_name_another_cloud_by_themselves(
    serve: Serve, connect: Connect, proxy: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """google-auth derives from it whom to ask for the project, and sends a token there."""
    issuer = serve(GRANTED)
    (document,) = external(issuer.url, universe_domain="evil.example").values()
    path = tmp_path / "federation.json"
    path.write_text(json.dumps(document))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(ConfigurationError, match=r"are of evil\.example, .* of googleapis\.com"):
        connect(project=None)
    assert (issuer.seen, proxy.seen) == ([], [])


class ByPath(list[Answer]):
    """Answers by the end of the path, however often each is asked for."""

    def __init__(self, server: Loopback, answers: dict[str, dict[str, Any]]) -> None:
        super().__init__([Answer()])
        self._server = server
        self._answers = answers

    def __getitem__(self, index: Any) -> Any:
        path = self._server.seen[-1].path.partition("?")[0]
        return Answer(**next(each for end, each in self._answers.items() if path.endswith(end)))


class TestMetadataServer:
    """The machine's own: plain http, no proxy, no redirect, whatever it is called."""

    @pytest.fixture
    def metadata(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Loopback:
        made = serve({})
        monkeypatch.setattr(_metadata, "_NO_GCE_CHECK", False)
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", made.url.removeprefix("http://"))
        monkeypatch.setenv("GCE_METADATA_IP", made.url.removeprefix("http://"))
        return made

    def answers(self) -> dict[str, dict[str, Any]]:
        text = {"Metadata-Flavor": "Google", "Content-Type": "application/text"}
        document = {**text, "Content-Type": "application/json"}
        account = {"email": ROBOT, "scopes": ["a"]}
        return {
            "/project-id": {"headers": text, "body": b"machine-project"},
            "/token": GRANTED,
            "/default/": {"headers": document, "body": json.dumps(account).encode()},
            "": {"headers": text},
        }

    @pytest.mark.parametrize("chain", [None, ROBOT])
    def test_it_gives_a_token(
        self, chain: str | None, serve: Serve, connect: Connect, metadata: Loopback, proxy: Loopback
    ) -> None:
        metadata.answers = ByPath(metadata, self.answers())
        jobs, issuer = serve(JOBS), serve(GRANTED)
        client = connect(
            project=None, api_endpoint=jobs.url, impersonation_chain=chain, iam_endpoint=issuer.url
        )
        ask(client)
        assert client.project == "machine-project"
        assert jobs.seen[0].headers["Authorization"] == "Bearer GRANTED"
        assert proxy.seen == []
        assert len(issuer.seen) == (chain is not None)

    @pytest.mark.parametrize("step", ["", "/project-id", "/default/", "/token"])
    @pytest.mark.parametrize("status", REDIRECTS)
    def test_it_points_elsewhere(
        self, step: str, status: int, serve: Serve, connect: Connect, metadata: Loopback
    ) -> None:
        evil = serve(GRANTED)
        metadata.answers = ByPath(metadata, {**self.answers(), step: redirect(status, evil.url)})
        with pytest.raises(MovedError):
            ask(connect(project=None, api_endpoint=serve(JOBS).url))
        assert evil.seen == []


@pytest.mark.parametrize("way", ["workload identity", "workload identity and impersonation"])
def test_a_refusal_does_not_show_what_was_given_for_a_token(
    way: str, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """What proves who this machine is may be any text: the source alone knows it."""
    proof = "0paque/proof+of-wh0"
    issuer = serve(
        {"body": json.dumps({"id_token": proof}).encode()},
        {"status": 400, "body": json.dumps({"error": "e", "error_description": f"bad {proof}"}).encode()},
    )
    with caplog.at_level("DEBUG"), pytest.raises(AuthenticationError, match=r"bad \*\*\*") as caught:
        ask(connect(**WAYS[way](issuer.url), api_endpoint=serve(JOBS).url))
    assert proof not in str(caught.value) + caplog.text


def test_a_refusal_keeps_its_words(serve: Serve, connect: Connect) -> None:
    issuer = serve({"status": 400, "body": b'{"error": "invalid_grant", "error_description": "gone"}'})
    with pytest.raises(AuthenticationError, match="invalid_grant: gone"):
        ask(connect(**service_account(issuer.url), api_endpoint=serve(JOBS).url))


#: What a file with the subject's token has, and what is said of it.
SUBJECTS = {
    "nothing": (None, "No such file|was not found"),
    "empty": ("", r"Unable to parse .*subject\.json"),
    "page": ("<html>", r"Unable to parse .*subject\.json"),
    "list": ("[]", "it is not a JSON object of the right form"),
    "other field": ('{"token": "S3CR3T"}', r"Unable to parse .*subject\.json"),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_file_that_gives_no_token_is_the_reason(
    name: str, serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    """Not Google, which is not asked; and no proxy."""
    text, words = SUBJECTS[name]
    file = tmp_path / "subject.json"
    if text is not None:
        file.write_text(text)
    issuer, jobs = serve(GRANTED), serve(JOBS)
    extra = external(issuer.url)
    extra["credential_config_file"]["credential_source"] = {
        "file": str(file),
        "format": {"type": "json", "subject_token_field_name": "id_token"},
    }
    with pytest.raises((AuthenticationError, ConfigurationError), match=words) as caught:
        ask(connect(**extra, api_endpoint=jobs.url))
    assert "google_cloud_default" in str(caught.value)
    assert "S3CR3T" not in str(caught.value)
    assert not caught.value.retryable
    assert (issuer.seen, jobs.seen) == ([], [])


#: What an executable does, what is said of it, and whether another try may help.
EXECUTABLES = {
    "fails": ("exit 3", "3", False),
    "says nothing": ("true", "it is not a JSON object of the right form", False),
    "refuses": (
        """echo '{"version": 1, "success": false, "code": "401", "message": "not for you"}'""",
        "not for you",
        False,
    ),
    "hangs": ("exec sleep 60", "its executable gave nothing within", True),
}


@pytest.mark.parametrize("name", EXECUTABLES)
def test_an_executable_that_gives_no_token_is_the_reason(
    name: str, serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    what, words, retryable = EXECUTABLES[name]
    program = tmp_path / "token.sh"
    program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{what}\n")
    program.chmod(0o755)
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    issuer, jobs = serve(GRANTED), serve(JOBS)
    extra = external(issuer.url)
    source = {"command": str(program), "timeout_millis": 5000}
    extra["credential_config_file"]["credential_source"] = {"executable": source}
    monkeypatch.setattr(pluggable, "EXECUTABLE_TIMEOUT_MILLIS_LOWER_BOUND", 100)
    source["timeout_millis"] = 100 if retryable else 30_000
    connect(**extra, api_endpoint=jobs.url)
    hook = BigQueryHook()
    with pytest.raises(JobsError, match=words) as caught:
        ask(hook.client_of(hook.looked_up(), RetryPolicy(attempts=1)))
    assert "google_cloud_default" in str(caught.value)
    assert caught.value.retryable is retryable
    assert (issuer.seen, jobs.seen) == ([], [])


@pytest.mark.parametrize(
    ("text", "words"), [(None, "No such file"), ("{", "not JSON"), ("[]", "not a JSON object")]
)
def test_default_credentials_that_cannot_be_read(
    text: str | None, words: str, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "named.json"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(ConfigurationError, match=words) as caught:
        connect()
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(caught.value)
