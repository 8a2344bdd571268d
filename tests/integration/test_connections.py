"""Every kind of credentials, through real HTTP; and what a user reads when a connection is wrong."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowNotFoundException

from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.errors import AuthenticationError, JobsError
from airflow_provider_jobs.hooks import bigquery
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from tests.integration.sandbox.conftest import wait_until
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.lab import Lab

ROBOT = "robot@other-project.iam.gserviceaccount.com"
Connect = "Callable[..., None]"


@pytest.fixture
def connect(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what replaces the connection's extra fields, the endpoint kept."""

    def connect(conn_type: str = "bigquery_jobs", **extra: Any) -> None:
        fields = {
            "project": lab.project,
            "api_endpoint": lab.sandbox.bigquery,
            "iam_endpoint": lab.sandbox.url,
            **extra,
        }
        connection = json.dumps({"conn_type": conn_type, "extra": fields})
        monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", connection)

    return connect


def user_of_a_job(lab: Lab) -> str:
    """Run a job and return on whose account."""
    BigQueryQueryOperator(task_id="task", sql="SELECT 1 AS x").execute(TaskRun().context())
    return str(lab.jobs()[-1]["user_email"])


def test_key_file(lab: Lab, connect: Callable[..., None]) -> None:
    connect(key_path=str(lab.sandbox.key_file))
    key = json.loads(lab.sandbox.key_file.read_text())
    assert user_of_a_job(lab) == key["client_email"]


@pytest.mark.parametrize("as_text", [True, False])
def test_key_json_in_a_google_connection(lab: Lab, connect: Callable[..., None], as_text: bool) -> None:
    """An existing connection of Google's provider works as it is, old field names included."""
    key = lab.sandbox.key_file.read_text()
    connect(
        "google_cloud_platform",
        extra__google_cloud_platform__keyfile_dict=key if as_text else json.loads(key),
        extra__google_cloud_platform__scope="https://www.googleapis.com/auth/bigquery",
    )
    assert user_of_a_job(lab) == json.loads(key)["client_email"]


def test_project_of_the_key(lab: Lab, connect: Callable[..., None]) -> None:
    connect(key_path=str(lab.sandbox.key_file), project=None)
    key = json.loads(lab.sandbox.key_file.read_text())
    assert BigQueryHook().get_conn().project == key["project_id"]


@pytest.mark.parametrize("as_text", [True, False])
def test_workload_identity(lab: Lab, connect: Callable[..., None], as_text: bool) -> None:
    path = lab.sandbox.workload_identity_file
    connect(credential_config_file=path.read_text() if as_text else str(path))
    assert user_of_a_job(lab)


def test_application_default_credentials(
    lab: Lab, connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(lab.sandbox.key_file))
    connect()
    assert user_of_a_job(lab).endswith("gserviceaccount.com")


@pytest.mark.parametrize("chain", [ROBOT, ["first@other-project.iam.gserviceaccount.com", ROBOT]])
def test_impersonation(lab: Lab, connect: Callable[..., None], chain: str | list[str]) -> None:
    connect(key_path=str(lab.sandbox.key_file), quota_project_id="other-project")
    operator = BigQueryQueryOperator(task_id="task", sql="SELECT 1 AS x", impersonation_chain=chain)
    operator.execute(TaskRun().context())
    assert lab.jobs()[-1]["user_email"] == ROBOT


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "reply", "status": 429, "reason": "rateLimitExceeded"},
        {"action": "reply", "status": 503, "reason": "backendError"},
        {"action": "answer", "status": 502},
    ],
    ids=["busy", "out", "proxy"],
)
def test_impersonation_is_out_for_a_moment(
    lab: Lab, connect: Callable[..., None], fault: dict[str, Any]
) -> None:
    """google-auth says of no refusal to impersonate that it may pass."""
    connect(key_path=str(lab.sandbox.key_file), impersonation_chain=ROBOT)
    lab.sandbox.faults(operation=r"iam\.generateAccessToken", **fault)
    assert user_of_a_job(lab) == ROBOT


@pytest.mark.parametrize("chain", [None, ROBOT])
def test_a_refusal_says_who_asked(lab: Lab, connect: Callable[..., None], chain: str | None) -> None:
    """BigQuery names what is missing, and not to whom: the connection may say neither."""
    connect(key_path=str(lab.sandbox.key_file), impersonation_chain=chain)
    lab.fault("jobs.insert", "reply", status=403, reason="accessDenied", times=0)
    account = chain or json.loads(lab.sandbox.key_file.read_text())["client_email"]
    with pytest.raises(AirflowFailException, match=rf"accessDenied: .* \(asked as {account}\)"):
        user_of_a_job(lab)


def test_impersonation_that_is_refused_is_final(lab: Lab, connect: Callable[..., None]) -> None:
    connect(key_path=str(lab.sandbox.key_file), impersonation_chain=ROBOT)
    lab.sandbox.faults(operation=r"iam\.generateAccessToken", action="reply", status=403, reason="x", times=0)
    with pytest.raises(AirflowFailException, match="Google gives no token"):
        user_of_a_job(lab)


def test_expired_token_is_renewed_once(lab: Lab, connect: Callable[..., None]) -> None:
    connect(key_path=str(lab.sandbox.key_file))
    lab.fault("jobs.insert", "token_expired")
    assert user_of_a_job(lab)
    assert [entry["status"] for entry in lab.requests("jobs.insert")] == [401, 200]


#: Where a key file can stand, and what else the connection says.
KEY_FILES: dict[str, dict[str, Any]] = {
    "key_path": {},
    "credential_config_file": {},
    "GOOGLE_APPLICATION_CREDENTIALS": {},
    "key_path of a chain": {"impersonation_chain": ROBOT},
}


@pytest.fixture(params=KEY_FILES)
def key_file(
    request: pytest.FixtureRequest,
    lab: Lab,
    connect: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Return a file that the connection takes its credentials from, in each place where it can stand."""
    path = tmp_path / "key.json"
    shutil.copy(lab.sandbox.workload_identity_file, path)
    name = request.param.split()[0]
    if name.isupper():
        monkeypatch.setenv(name, str(path))
        connect()
    else:
        connect(**{name: str(path)}, **KEY_FILES[request.param])
    lab.sandbox.clear_requests()
    return path


def refuse_the_old_key(lab: Lab) -> None:
    """End all tokens, and give no others for the workload identity."""
    lab.sandbox.faults(operation=r"sts\.token", action="reply", status=400, reason="invalid_grant", times=0)
    lab.sandbox.expire_tokens()


def asked_for_tokens(lab: Lab) -> list[str]:
    return [
        f"{each['operation']} {each['status']}"
        for each in lab.sandbox.requests()
        if each["operation"].startswith(("oauth.", "sts.", "iam."))
    ]


def test_a_rotated_key_file_is_read_again_while_a_task_is_deferred(lab: Lab, key_file: Path) -> None:
    """The triggerer holds the old key: its token is rejected, and it gets no other. Nobody restarts it."""
    task = BigQueryQueryOperator(
        task_id="task",
        sql="SELECT 1 AS x",
        deferrable=True,
        inline_wait=0,
        poll_interval=0.5,
        execution_timeout=dt.timedelta(seconds=30),
    )
    with lab.slow_jobs(seconds=1.0), ThreadPoolExecutor(1) as pool:
        ended = pool.submit(perform, task)
        wait_until(lambda: lab.requests("jobs.list") + lab.requests("jobs.get"))
        refuse_the_old_key(lab)
        wait_until(lambda: {"sts.token 400", "iam.generateAccessToken 401"} & set(asked_for_tokens(lab)))
        shutil.copy(lab.sandbox.key_file, key_file)
        assert ended.result(60)["state"] == "succeeded"
    assert asked_for_tokens(lab).count("oauth.token 200") == 1


def test_a_key_file_that_is_still_the_old_one_is_refused_once_a_request(lab: Lab, key_file: Path) -> None:
    client = BigQueryHook().get_conn()
    next(client.list_job_pages())
    refuse_the_old_key(lab)
    lab.sandbox.clear_requests()
    for number in (1, 2):
        with pytest.raises(AuthenticationError, match="Google gives no token"):
            next(client.list_job_pages())
        assert len(asked_for_tokens(lab)) == number
    shutil.copy(lab.sandbox.key_file, key_file)
    assert next(client.list_job_pages()) is not None


def test_a_rotated_key_counts_as_soon_as_a_fresh_token_is_rejected(
    lab: Lab, connect: Callable[..., None], tmp_path: Path
) -> None:
    """The token endpoint still takes the old key, but BigQuery nothing that comes of it."""
    path = tmp_path / "key.json"
    shutil.copy(lab.sandbox.workload_identity_file, path)
    connect(key_path=str(path))
    lab.sandbox.faults(
        operation=r"iam\.generateAccessToken",
        action="patch",
        document={"accessToken": "of-no-use"},
        times=0,
    )
    client = BigQueryHook().get_conn()
    with pytest.raises(AuthenticationError, match="401"):
        next(client.list_job_pages())
    shutil.copy(lab.sandbox.key_file, path)
    assert next(client.list_job_pages()) is not None
    assert [each["status"] for each in lab.requests("jobs.list")] == [401, 401, 401, 200]


def test_connection_can_be_tested(lab: Lab) -> None:
    assert BigQueryHook().test_connection() == (True, f"BigQuery answers for project {lab.project}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no such key file": ({"key_path": "/nowhere/key.json"}, "key_path /nowhere/key.json cannot be read"),
    "key that is not JSON": ({"keyfile_dict": "{nonsense"}, "keyfile_dict is not JSON"),
    "key without fields": (
        {"keyfile_dict": "{}"},
        "connection google_cloud_default: the credentials are unusable: Service account info was not in",
    ),
    "token endpoint in clear": (
        {"keyfile_dict": json.dumps({"type": "service_account", "token_uri": "http://example.org/token"})},
        "http://example.org is refused",
    ),
    "endpoint in clear": ({"api_endpoint": "http://example.org"}, "http://example.org is refused"),
    "project of a wrong form": (
        {"access_token": "t", "project": "no/project"},
        "'no/project' is not a Google",
    ),
    "wrong token": ({"access_token": "wrong"}, "401"),
    "unknown kind of credentials": (
        {"credential_config_file": '{"type": "x"}'},
        "Type is x, expected one of",
    ),
    "secret manager": ({"key_secret_name": "x"}, "key_secret_name is not supported"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_connection_is_told_in_one_sentence(lab: Lab, connect: Callable[..., None], name: str) -> None:
    extra, text = WRONG[name]
    connect(**extra)
    # A ready token that has ended may be another at the task's next try; nobody can tell it from a wrong one.
    kind = AuthenticationError if name == "wrong token" else AirflowFailException
    with pytest.raises(kind) as caught:
        BigQueryQueryOperator(task_id="task", sql="SELECT 1 AS x").execute(TaskRun().context())
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    fields = "; look at access_token" if name == "wrong token" else ""
    assert BigQueryHook().test_connection() == (False, f"{caught.value}{fields}")


def test_missing_connection(lab: Lab) -> None:
    with pytest.raises(AirflowNotFoundException, match="nowhere"):
        BigQueryQueryOperator(task_id="task", sql="SELECT 1", gcp_conn_id="nowhere").execute(
            TaskRun().context()
        )


def test_missing_project(lab: Lab, connect: Callable[..., None]) -> None:
    connect(access_token=lab.sandbox.token, project=None)
    with pytest.raises(AirflowFailException, match="name no project"):
        BigQueryQueryOperator(task_id="task", sql="SELECT 1").execute(TaskRun().context())


def test_key_that_google_refuses(lab: Lab, connect: Callable[..., None], tmp_path: Path) -> None:
    key = json.loads(lab.sandbox.key_file.read_text()) | {"client_email": "unknown@nowhere.example"}
    (tmp_path / "key.json").write_text(json.dumps(key))
    connect(key_path=str(tmp_path / "key.json"))
    with pytest.raises(AirflowFailException, match="Google gives no token") as caught:
        BigQueryQueryOperator(task_id="task", sql="SELECT 1").execute(TaskRun().context())
    assert key["private_key"][50:80] not in str(caught.value)


#: What the token service may answer in a bad minute, each as a fault of the sandbox.
TROUBLE: dict[str, dict[str, Any]] = {
    **{f"{status}": {"action": "reply", "status": status} for status in (408, 429, 500, 502, 503, 504)},
    "page": {"action": "answer_after_accepting", "status": 200},
    "half": {"action": "garbage", "body": '{"access_token": "ya29.'},
    "list": {"action": "garbage", "body": "[1]"},
    "number": {"action": "garbage", "body": "5"},
    "deep": {"action": "garbage", "body": "[" * 100_000},
    "empty": {"action": "garbage", "body": "{}"},
    "no text": {"action": "patch", "document": {"access_token": [1], "accessToken": [1]}},
    "no lifetime": {"action": "patch", "document": {"expires_in": "soon", "expireTime": "soon"}},
    "endless": {"action": "patch", "document": {"expires_in": 10**15, "expireTime": 10**15}},
}


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody pause between two requests for a token."""
    monkeypatch.setattr(RetryPolicy, "delay_seconds", lambda *_, **__: 0.001)
    monkeypatch.setattr("google.auth._exponential_backoff.time", SimpleNamespace(sleep=lambda _: None))


@pytest.mark.parametrize("service", [r"oauth\.token", r"sts\.token", r"iam\.generateAccessToken"])
@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_token_service_in_trouble_is_asked_again(
    lab: Lab, connect: Callable[..., None], hurry: None, service: str, trouble: str
) -> None:
    """A gateway's 502 or page is no refusal; and no error is google-auth's own."""
    own = lab.sandbox.key_file if "oauth" in service else lab.sandbox.workload_identity_file
    connect(key_path=str(own))
    lab.sandbox.faults(operation=service, **TROUBLE[trouble])
    assert next(BigQueryHook().get_conn().list_job_pages()) is not None
    bigquery._client.cache_clear()  # and with it all tokens
    lab.sandbox.faults(operation=service, times=0, **TROUBLE[trouble])
    with pytest.raises(JobsError, match="connection google_cloud_default: Google") as caught:
        next(BigQueryHook().get_conn().list_job_pages())
    assert caught.value.retryable
    lab.sandbox.clear_faults()


def test_unreachable_endpoint(lab: Lab, connect: Callable[..., None]) -> None:
    port = free_port()
    connect(access_token="t", api_endpoint=f"http://127.0.0.1:{port}")
    works, text = BigQueryHook().test_connection()
    assert not works
    assert text == (
        f"no reply from 127.0.0.1:{port} to GET: Connection refused; look at api_endpoint, iam_endpoint"
    )
