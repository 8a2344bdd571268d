"""Every way in which a request can end, over a real connection to this machine."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from airflow_provider_jobs.core.http.messages import Reply, Request, check_url
from airflow_provider_jobs.core.http.retry import RetryPolicy, Timing
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    MovedError,
    ProtocolError,
    ServiceError,
    TransportError,
)

Serve = Callable[..., Any]


class CountingToken:
    """Token number one, and another after each renewal."""

    def __init__(self, renewals: int = 9) -> None:
        self.number = 1
        self.renewals = renewals
        self.rejected: list[Mapping[str, str]] = []

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer secret-{self.number}"}

    def renew(self, rejected: Mapping[str, str]) -> bool:
        self.rejected.append(rejected)
        if not self.renewals:
            return False
        self.renewals -= 1
        self.number += 1
        return True


def transport(timing: Timing, token: CountingToken | None = None, **options: Any) -> Transport:
    return Transport(token or CountingToken(), user_agent="test/1", timing=timing, **options)


def parse(reply: Reply) -> Any:
    if reply.status == 401:
        raise AuthenticationError("no", status=401, reason="authError")
    if reply.status >= 300:
        raise ServiceError("no", status=reply.status, reason="r", retryable=reply.status in {429, 503})
    return reply.json()


def test_sends_what_the_request_says(serve: Serve, clock: Any) -> None:
    server = serve({"body": b'{"a": 1}'})
    request = Request(
        "POST",
        server.url + "/x",
        params={"one": 1, "many": ["a", "b"], "none": None, "yes": True, "no": False},
        body={"ü": 1},
    )
    assert transport(clock.timing).call(request, parse) == {"a": 1}
    seen = server.seen[0]
    assert seen.method == "POST"
    assert seen.path == "/x?one=1&many=a&many=b&yes=true&no=false"
    assert json.loads(seen.body) == {"ü": 1}
    assert seen.headers["Authorization"] == "Bearer secret-1"
    assert seen.headers["User-Agent"] == "test/1"


def test_a_request_without_body_sends_none(serve: Serve, clock: Any) -> None:
    server = serve({})
    transport(clock.timing).call(Request("GET", server.url), parse)
    assert server.seen[0].body == b""
    assert "Content-Type" not in server.seen[0].headers


def test_reads_compressed_replies(serve: Serve, clock: Any) -> None:
    server = serve({"body": gzip.compress(b'{"a": 1}'), "headers": {"Content-Encoding": "gzip"}})
    assert transport(clock.timing).call(Request("GET", server.url), parse) == {"a": 1}


def test_headers_are_found_in_any_case(serve: Serve, clock: Any) -> None:
    server = serve({"headers": {"X-Some": "v"}})
    assert transport(clock.timing).send(Request("GET", server.url), {}).headers["x-SOME"] == "v"


def test_a_body_that_is_not_json_is_a_protocol_error(serve: Serve, clock: Any) -> None:
    server = serve({"body": b"<html>hi</html>"})
    with pytest.raises(ProtocolError, match=r"HTTP 200 came from 127\.0\.0\.1:\d+ with a body that is not"):
        transport(clock.timing, retry=RetryPolicy(attempts=1)).call(Request("GET", server.url), parse)


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"{", b"[" * 100_000])
def test_no_body_breaks_reading(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        Reply(200, {}, body).json()


def test_a_rejected_token_is_renewed_once(serve: Serve, clock: Any) -> None:
    server = serve({"status": 401}, {})
    token = CountingToken()
    transport(clock.timing, token).call(Request("POST", server.url, idempotent=False), parse)
    assert [each.headers["Authorization"] for each in server.seen] == ["Bearer secret-1", "Bearer secret-2"]
    assert token.rejected == [{"Authorization": "Bearer secret-1"}]
    assert clock.pauses == []


def test_a_token_rejected_twice_is_an_error(serve: Serve, clock: Any) -> None:
    server = serve({"status": 401})
    with pytest.raises(AuthenticationError):
        transport(clock.timing).call(Request("GET", server.url), parse)
    assert len(server.seen) == 2


def test_a_token_that_cannot_be_renewed_is_an_error_at_once(serve: Serve, clock: Any) -> None:
    server = serve({"status": 401})
    with pytest.raises(AuthenticationError):
        transport(clock.timing, CountingToken(renewals=0)).call(Request("GET", server.url), parse)
    assert len(server.seen) == 1


def test_repeats_after_transient_replies(serve: Serve, clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    server = serve({"status": 503}, {"status": 429}, {"body": b"[]"})
    with caplog.at_level(logging.WARNING):
        assert transport(clock.timing).call(Request("GET", server.url), parse) == []
    assert len(server.seen) == 3
    assert clock.pauses == [1, 2]
    assert [record.message for record in caplog.records] == [
        "no; trying again in 1.0 s",
        "no; trying again in 2.0 s",
    ]


def test_the_policy_of_a_connection_replaces_the_common_one(serve: Serve, clock: Any) -> None:
    server = serve({"status": 503})
    with pytest.raises(ServiceError):
        transport(clock.timing, retry=RetryPolicy(attempts=2)).call(Request("GET", server.url), parse)
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"reset": True}, "(Connection reset by peer|connection was closed)"),
        ({"short": 9}, "connection was closed"),
        ({"raw": b"SSH-2.0-x\r\n\r\n"}, "what came is not HTTP"),
        ({"raw": b""}, "connection was closed"),
    ],
)
def test_a_lost_reply_may_have_happened(serve: Serve, clock: Any, answer: dict[str, Any], words: str) -> None:
    """It is told in words that are no names of classes."""
    server = serve(answer)
    with pytest.raises(TransportError, match=f"from 127.0.0.1.* to POST: .*{words}$") as caught:
        transport(clock.timing).call(Request("POST", server.url, idempotent=False), parse)
    assert caught.value.may_have_happened
    assert caught.value.retryable
    assert len(server.seen) == 1


def test_a_lost_reply_is_repeated_if_that_is_safe(serve: Serve, clock: Any) -> None:
    server = serve({"reset": True}, {"short": 1}, {})
    assert transport(clock.timing).call(Request("POST", server.url), parse) == {}
    assert len(server.seen) == 3


def test_a_compressed_reply_that_is_garbage_is_no_reply(serve: Serve, clock: Any) -> None:
    server = serve({"body": b"not gzip", "headers": {"Content-Encoding": "gzip"}}, {})
    assert transport(clock.timing).call(Request("GET", server.url), parse) == {}


def test_a_silent_server_times_out(serve: Serve, clock: Any) -> None:
    server = serve({"stall": True})
    with pytest.raises(TransportError, match=r"no reply from 127\.0\.0\.1:\d+ to GET: timed out"):
        transport(clock.timing, read_seconds=0.05).send(Request("GET", server.url), {})


class TestLooks:
    """Requests of who asks again soon anyway."""

    def look(self, serve: Serve, clock: Any, *answers: dict[str, Any], seconds: float = 10.0) -> Any:
        self.server = serve(*answers)
        return transport(clock.timing).call(Request("GET", self.server.url, within_seconds=seconds), parse)

    def test_are_answered_like_others(self, serve: Serve, clock: Any) -> None:
        assert self.look(serve, clock, {"body": b'{"a": 1}'}) == {"a": 1}
        packed = {"body": gzip.compress(b'{"a": 2}'), "headers": {"Content-Encoding": "gzip"}}
        assert self.look(serve, clock, packed) == {"a": 2}

    @pytest.mark.parametrize("answer", [{"status": 503}, {"reset": True}, {"short": 1}])
    def test_are_sent_once(self, serve: Serve, clock: Any, answer: dict[str, Any]) -> None:
        with pytest.raises(JobsError):
            self.look(serve, clock, answer, {})
        assert len(self.server.seen) == 1

    def test_renew_a_token_that_is_rejected(self, serve: Serve, clock: Any) -> None:
        assert self.look(serve, clock, {"status": 401}, {"body": b"{}"}) == {}

    @pytest.mark.parametrize("answer", [{"stall": True}, {"trickle": True}])
    def test_are_given_up_in_time(self, serve: Serve, clock: Any, answer: dict[str, Any]) -> None:
        """Also if a byte comes now and then."""
        with pytest.raises(TransportError, match="timed out"):
            self.look(serve, clock, answer, seconds=0.1)


def test_a_refused_connection_proves_that_nothing_happened(clock: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(TransportError, match="Connection refused") as caught:
            transport(clock.timing).call(Request("POST", url, idempotent=False), parse)
    assert not caught.value.may_have_happened
    assert len(clock.pauses) == 5


def test_a_certificate_that_is_not_trusted_is_final(clock: Any, tls_server: str) -> None:
    with pytest.raises(TransportError) as caught:
        transport(clock.timing).call(Request("GET", tls_server), parse)
    assert not caught.value.retryable
    assert not caught.value.may_have_happened
    assert clock.pauses == []


def test_a_redirect_is_not_followed(serve: Serve, clock: Any) -> None:
    """It could carry the token to another host."""
    other = serve({})
    server = serve({"status": 302, "headers": {"Location": other.url}})
    with pytest.raises(ServiceError) as caught:
        transport(clock.timing).call(Request("GET", server.url), parse)
    assert caught.value.status == 302
    assert other.seen == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("https://new.example.com/path?secret=1", "points to new.example.com, where"),
        ("//new.example.com:8443/secret", "points to new.example.com, where"),
        ("/login?secret=1", "points to another address of its own, where"),
        ("https://[secret", "points to what is not an address, where"),
        ("https:///secret", "points to nowhere, where"),
        ("mailto:secret", "points to nowhere, where"),
    ],
)
@pytest.mark.parametrize("way", ["call", "once", "stream"])
def test_a_redirect_names_the_other_host(
    serve: Serve, clock: Any, status: int, place: str, shown: str, way: str
) -> None:
    """Whoever reads it can set the new host; until then the task's retries try again. No secret is shown."""
    server, token = serve({"status": status, "headers": {"Location": place}}), CountingToken()
    sender, request = transport(clock.timing, token), Request("GET", server.url)
    with pytest.raises(MovedError, match=shown) as caught:  # noqa: PT012 - three ways to send
        if way == "call":
            sender.call(request, parse)
        elif way == "once":
            sender.once(request)
        else:
            with sender.stream(request):
                pass
    assert f"127.0.0.1 answered {status} and" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert (caught.value.retryable, caught.value.may_have_happened) == (True, False)
    assert (len(server.seen), clock.pauses) == (1, [])
    assert token.number == 2  # another login may name the new host


def test_the_308_of_an_upload_is_no_redirect(serve: Serve, clock: Any) -> None:
    server = serve({"status": 308, "headers": {"Location": "https://elsewhere.example.com"}})
    request = Request("PUT", server.url, headers={"Content-Range": "bytes 0-1/9"}, content=b"ab")
    assert transport(clock.timing).once(request).status == 308


def test_no_netrc_entry_replaces_the_token(
    serve: Serve, clock: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve({})
    transport(clock.timing).call(Request("GET", server.url), parse)
    assert server.seen[0].headers["Authorization"] == "Bearer secret-1"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_what_goes_to_this_machine_takes_no_proxy(
    serve: Serve, clock: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Plain http is allowed because it stays here: a proxy would see the token."""
    for no_proxy in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(no_proxy, raising=False)
    proxy, server = serve({}), serve({})
    monkeypatch.setenv(name, proxy.url)
    for url in (server.url, server.url.replace("http:", "HTTP:")):
        transport(clock.timing).call(Request("GET", url), parse)
    assert len(server.seen) == 2
    assert proxy.seen == []


@pytest.mark.parametrize("url", ["https://h:port/", "https://h:99999/"])
def test_an_address_that_cannot_be_is_a_configuration_error(clock: Any, url: str) -> None:
    with pytest.raises(ConfigurationError):
        transport(clock.timing).call(Request("GET", url), parse)
    assert clock.pauses == []


@pytest.mark.parametrize("body", [{"a": float("nan")}, {"a": {1}}])
def test_a_body_that_json_cannot_hold_is_not_repeated(serve: Serve, clock: Any, body: Any) -> None:
    server = serve({})
    with pytest.raises(JobsError) as caught:
        transport(clock.timing).call(Request("POST", server.url, body=body), parse)
    assert not caught.value.retryable
    assert server.seen == []


@pytest.mark.parametrize("secret", ["secret\n", "secret\r\nX: y", "s\u2019ecret"])
def test_a_token_that_no_header_can_hold_stays_secret(serve: Serve, clock: Any, secret: str) -> None:
    """A token pasted with its line end is common; http.client would print it."""
    server = serve({})

    class Pasted(CountingToken):
        def headers(self) -> dict[str, str]:
            return {"Authorization": f"Bearer {secret}"}

    with pytest.raises(ConfigurationError) as caught:
        transport(clock.timing, Pasted()).call(Request("GET", server.url), parse)
    assert "ecret" not in repr(caught.value)
    assert server.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "https://bigquery.googleapis.com",
        "http://localhost:8080/x",
        "http://127.0.0.1:1",
        "http://127.8.9.1",
        "http://[::1]:1",
    ],
)
def test_credentials_travel_over_https_or_stay_here(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "http://user:secret@example.com/secret",
        "http://127.0.0.1.example.com",
        "http://localhost@example.com",
        "http://example.com\\@127.0.0.1/",
        "http://10.0.0.1",
        "http://[",
        "ftp://localhost",
        "https://",
        "bigquery.googleapis.com",
        "localhost:8080",
        "",
    ],
)
def test_every_other_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_url(url)
    assert "secret" not in str(caught.value)


def test_a_reply_tells_the_services_clock(serve: Serve, clock: Any) -> None:
    """The server of this test goes by this machine's; ours is years behind."""
    sent = transport(clock.timing)
    assert sent.service_time(clock.time) == clock.time
    sent.call(Request("GET", serve({}).url), parse)
    assert abs(sent.service_time(clock.time) - time.time()) < 60
