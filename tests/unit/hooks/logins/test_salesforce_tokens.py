"""Tokens: asked for when needed, one login for all threads, one more once the org rejects its token."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import Connection
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.errors import AuthenticationError, ConfigurationError, TransportError
from airflow_provider_jobs.hooks.logins.salesforce_settings import SalesforceSettings
from airflow_provider_jobs.hooks.logins.salesforce_tokens import (
    REFUSED_SECONDS,
    LoginToken,
    ReadyToken,
    token_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.unit.conftest import Clock

URL = "https://acme.my.salesforce.com"
PEM = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    .decode()
)


def settings(**extra: Any) -> SalesforceSettings:
    extra = {"consumer_key": "KEY", "consumer_secret": "S3CR3T", "domain": "acme.my", **extra}
    connection = Connection(conn_id="c", conn_type="salesforce_bulk", extra=json.dumps(extra))
    return SalesforceSettings.from_connection("c", connection)


READY = settings(access_token="S3CR3T", instance_url=URL)


class Numbered(Transport):
    """Gives tokens with numbers, after the answers that it is told to give first."""

    def __init__(self, clock: Clock, *answers: Reply | Exception) -> None:
        nobody: Any = None  # logins need no token
        super().__init__(nobody, user_agent="x", timing=clock.timing)
        self.answers = list(answers)
        self.logins = 0
        self.slow: threading.Event | None = None
        self.signal: Callable[[], object] = lambda: None

    def send(self, request: Request, headers: Mapping[str, str]) -> Reply:
        signal, self.signal = self.signal, lambda: None
        signal()
        self.logins += 1
        if self.slow:
            assert self.slow.wait(10)
        answer: Any = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        granted = json.dumps({"access_token": f"T{self.logins}", "instance_url": URL}).encode()
        return answer or Reply(200, {}, granted)


REFUSED = Reply(400, {}, b'{"error": "invalid_grant", "error_description": "locked"}')


def token_of(transport: Transport) -> LoginToken:
    return LoginToken(settings(), transport=transport)


def test_nothing_is_sent_before_a_token_is_needed(clock: Clock) -> None:
    transport = Numbered(clock)
    token = token_of(transport)
    assert transport.logins == 0
    assert token.instance_url == URL
    assert token.headers() == token.headers() == {"Authorization": "Bearer T1"}
    assert transport.logins == 1


def test_many_threads_log_in_once(clock: Clock) -> None:
    transport = Numbered(clock)
    transport.slow = threading.Event()
    token = token_of(transport)
    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(token.headers) for _ in range(8)]
        transport.slow.set()
        assert {each.result()["Authorization"] for each in found} == {"Bearer T1"}
    assert transport.logins == 1


def test_a_rejected_token_is_replaced_once_for_all(clock: Clock) -> None:
    transport = Numbered(clock)
    token = token_of(transport)
    rejected = token.headers()
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(token.renew, [rejected] * 8))
    assert token.headers() == {"Authorization": "Bearer T2"}
    assert transport.logins == 2


def test_a_refused_login_is_not_tried_again_for_a_while(clock: Clock) -> None:
    """A user who is refused too often is locked out."""
    transport = Numbered(clock, REFUSED, REFUSED)
    token = token_of(transport)
    for _ in range(3):
        with pytest.raises(AuthenticationError, match="locked") as caught:
            token.headers()
        assert (caught.value.reason, caught.value.status) == ("invalid_grant", 400)
    with pytest.raises(AuthenticationError, match="locked"):
        assert token.instance_url
    assert transport.logins == 1
    clock.time += REFUSED_SECONDS
    with pytest.raises(AuthenticationError, match="locked"):
        token.headers()
    clock.time += REFUSED_SECONDS
    assert token.headers() == {"Authorization": "Bearer T3"}


class TestRotation:
    """A key file is read at each login; one that has changed since a refusal is tried at once."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "key.pem"
        path.write_text(PEM)
        return path

    def token(self, file: Path, transport: Transport, **extra: Any) -> LoginToken:
        extra = {"consumer_key": "KEY", "private_key_file_path": str(file), **extra}
        connection = Connection(conn_id="c", conn_type="salesforce_bulk", login="me", extra=json.dumps(extra))
        return LoginToken(SalesforceSettings.from_connection("c", connection), transport=transport)

    def test_a_new_key_does_not_wait_for_the_old_ones_refusal(self, file: Path, clock: Clock) -> None:
        transport = Numbered(clock, REFUSED, REFUSED)
        token = self.token(file, transport)
        for logins in (1, 2):
            for _ in range(3):
                with pytest.raises(AuthenticationError, match="locked"):
                    token.headers()
                assert transport.logins == logins
            file.write_text(PEM + "\n" * logins)
        assert token.headers() == {"Authorization": "Bearer T3"}
        assert not clock.pauses

    def test_a_key_that_was_written_again_has_not_changed(self, file: Path, clock: Clock) -> None:
        transport = Numbered(clock, REFUSED)
        token = self.token(file, transport)
        for _ in range(2):
            with pytest.raises(AuthenticationError, match="locked"):
                token.headers()
            file.unlink()  # as for a moment, while somebody replaces it
            with pytest.raises(AuthenticationError, match="locked"):
                token.headers()
            file.write_text(PEM)
        assert transport.logins == 1

    def test_a_file_that_the_login_does_not_read_changes_nothing(self, file: Path, clock: Clock) -> None:
        transport = Numbered(clock, REFUSED)
        token = self.token(file, transport, private_key=PEM)
        for _ in range(2):
            with pytest.raises(AuthenticationError, match="locked"):
                token.headers()
            file.write_text("another")
        assert transport.logins == 1

    @pytest.mark.parametrize("content", [None, "", PEM[:200]])
    def test_a_file_that_is_just_being_replaced_ends_no_wait(
        self, file: Path, clock: Clock, content: str | None
    ) -> None:
        """What is told of a key that has worked before is not that somebody's DAG is wrong."""
        transport = Numbered(clock)
        token = self.token(file, transport)
        rejected = token.headers()
        file.write_text(content) if content is not None else file.unlink()
        with pytest.raises(AuthenticationError, match=r"private_key_file_path|the private key is unusable"):
            token.renew(rejected)
        assert transport.logins == 1
        file.write_text(PEM)
        assert token.headers() == {"Authorization": "Bearer T2"}

    def test_a_key_that_has_never_worked_is_a_wrong_connection(self, file: Path, clock: Clock) -> None:
        file.write_text("")
        with pytest.raises(ConfigurationError, match="the private key is unusable"):
            self.token(file, Numbered(clock)).headers()

    def test_threads_try_a_new_key_once(self, file: Path, clock: Clock) -> None:
        transport = Numbered(clock, REFUSED)
        token = self.token(file, transport)
        with pytest.raises(AuthenticationError, match="locked"):
            token.headers()
        file.write_text(PEM + "\n")
        with ThreadPoolExecutor(8) as pool:
            assert {each["Authorization"] for each in pool.map(lambda _: token.headers(), range(8))} == {
                "Bearer T2"
            }
        assert transport.logins == 2

    def test_a_signal_handler_in_between_does_no_harm(self, file: Path, clock: Clock) -> None:
        transport = Numbered(clock)
        token = self.token(file, transport)
        seen: list[dict[str, str]] = []
        transport.signal = lambda: seen.append(token.headers())
        assert [token.headers()] == seen


def test_the_first_login_is_patient(clock: Clock) -> None:
    transport = Numbered(clock, Reply(503, {"Retry-After": "4"}, b"<html>"), TransportError("no reply"))
    assert token_of(transport).instance_url == URL
    assert transport.logins == 3
    assert clock.pauses[0] == 4.0


def test_later_ones_leave_patience_to_the_request(clock: Clock) -> None:
    """No job was touched, so that a request which must not be sent twice may be tried again."""
    for answer in (Reply(503, {}, b"<html>"), TransportError("no reply")):
        token = token_of(Numbered(clock, answer))
        with pytest.raises(Exception, match=r"HTTP 503|no reply") as caught:
            token.headers()
        assert caught.value.retryable  # type: ignore[attr-defined]
        assert not caught.value.may_have_happened  # type: ignore[attr-defined]
    assert not clock.pauses


def test_a_ready_token_is_looked_up_again_once_rejected() -> None:
    token = ReadyToken(READY)
    assert token.instance_url == URL
    rejected = token.headers()
    assert not token.renew(rejected)
    token.reread = lambda: READY
    assert not token.renew(rejected)
    token.reread = lambda: replace(READY, access_token="NEW")
    assert token.renew(rejected)
    assert token.headers() == {"Authorization": "Bearer NEW"}
    token.reread = lambda: replace(READY, access_token="NEWER")
    assert token.renew(rejected)  # another thread has been here
    assert token.headers() == {"Authorization": "Bearer NEW"}


def test_a_connection_that_now_names_another_org_is_of_no_use() -> None:
    token = ReadyToken(READY)
    other = replace(READY, access_token="NEW", instance_url="https://other.my.salesforce.com")
    token.reread = lambda: other
    assert not token.renew(token.headers())


def test_equal_settings_share_a_token() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(token_for, [settings() for _ in range(16)]))
    assert len(found) == 1
    assert token_for(settings(version="62.0", api_usage_limit=0.5)) in found
    assert token_for(settings(consumer_key="OTHER")) not in found
    assert isinstance(token_for(READY), ReadyToken)


def test_old_tokens_make_room() -> None:
    first = token_for(settings(consumer_key="0"))
    for number in range(1, 40):
        token_for(settings(consumer_key=str(number)))
    assert token_for(settings(consumer_key="0")) is not first


def test_logins_go_through_the_proxies_of_the_connection() -> None:
    token = LoginToken(settings(proxies="http://p:3128"))
    assert token._transport._proxies == {"http": "http://p:3128", "https": "http://p:3128"}


def test_nothing_shows_a_secret(clock: Clock) -> None:
    token = token_of(Numbered(clock))
    token.headers()
    for thing in (token, vars(token), ReadyToken(READY), vars(ReadyToken(READY))):
        assert "S3CR3T" not in repr(thing)
        assert "T1" not in repr(thing)
