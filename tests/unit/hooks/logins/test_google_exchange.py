"""What google-auth asks for is sent by our own transport, to addresses that the connection trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.auth import exceptions

from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.core.http.origins import Origins
from airflow_provider_jobs.errors import ConfigurationError, MovedError, TransportError
from airflow_provider_jobs.hooks.logins.google_exchange import Exchange
from tests.unit.clients.replay import Replay

if TYPE_CHECKING:
    from tests.unit.conftest import Clock

STS = "https://sts.googleapis.com/v1/token"
OIDC = "https://oidc.example/token?audience=x"


def exchange(clock: Clock, *replies: Any) -> tuple[Exchange, Replay]:
    replay = Replay(clock, *replies)
    return Exchange("c", replay, Origins(("https://iam.internal",), ("googleapis.com",))), replay


def test_a_reply_is_told_as_it_is(clock: Clock) -> None:
    ask, replay = exchange(clock, Reply(403, {"x": "y"}, b"no"))
    reply = ask(STS, "POST", b"assertion", {"a": "b"}, 7, cert=("cert.pem", "key.pem"))
    assert (reply.status, reply.headers, reply.data) == (403, {"x": "y"}, b"no")
    (sent,) = replay.sent
    assert (sent.method, sent.url, sent.content, sent.headers) == ("POST", STS, b"assertion", {"a": "b"})
    assert (sent.authorized, sent.within_seconds, sent.certificate) == (False, 7, ("cert.pem", "key.pem"))


def test_it_has_its_time_where_nobody_names_one(clock: Clock) -> None:
    ask, replay = exchange(clock, {})
    ask(STS)
    assert replay.sent[0].within_seconds == 120
    assert ask.session is replay.session


def test_no_reply_is_told_in_the_words_that_google_auth_knows(clock: Clock) -> None:
    ask, _ = exchange(clock, TransportError("no reply"), MovedError("moved", status=302, reason="r"))
    with pytest.raises(exceptions.TransportError, match="no reply"):
        ask(STS)
    with pytest.raises(MovedError):
        ask(STS)


@pytest.mark.parametrize(
    "url",
    [
        STS,
        "https://iamcredentials.googleapis.com/v1",
        "https://iam.internal/v1",
        "http://127.0.0.1:9/token",
        "http://169.254.169.254/computeMetadata/v1/",
        "http://metadata.google.internal/computeMetadata/v1/",
    ],
)
def test_these_are_asked(clock: Clock, url: str) -> None:
    ask, replay = exchange(clock, {})
    ask(url)
    assert replay.sent[0].url == url


@pytest.mark.parametrize(
    "url", ["https://evil.example", "http://evil.example", "http://sts.googleapis.com", OIDC, "nonsense"]
)
def test_these_are_not(clock: Clock, url: str) -> None:
    ask, replay = exchange(clock)
    with pytest.raises(ConfigurationError, match="connection c: the token service"):
        ask(url)
    assert replay.sent == []


def test_the_source_of_a_configuration_is_asked_whoever_it_is(clock: Clock) -> None:
    """What it gives is not Google's yet; the configuration names it, and its headers."""
    ask, _ = exchange(clock, {}, {})
    ask.read({"token_url": STS, "credential_source": {"url": OIDC}})
    ask(OIDC)
    ask.read({"token_url": STS, "credential_source": {"file": "f", "url": None}})
    ask(OIDC)  # credentials that were read before may be in use still


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (
            {"token_uri": "https://evil.example/token"},
            r"token_uri is https://evil\.example, which is neither",
        ),
        ({"a": [{"b": {"token_url": "https://evil.example"}}]}, "token_url is https"),
        ({"revoke_url": "http://evil.example"}, "revoke_url http://evil.example is refused"),
        ({"token_info_url": ["https://x"]}, "token_info_url is not a URL"),
        ({"service_account_impersonation_url": "http://169.254.169.254"}, "is refused"),
        ({"credential_source": {"url": "http://oidc.example"}}, "url http://oidc.example is refused"),
        ({"universe_domain": "evil.example"}, "are of evil.example, and the connection is of googleapis.com"),
    ],
)
def test_credentials_that_name_others_are_refused(clock: Clock, document: Any, says: str) -> None:
    ask, _ = exchange(clock)
    with pytest.raises(ConfigurationError, match=f"connection c: .*{says}"):
        ask.read(document)
