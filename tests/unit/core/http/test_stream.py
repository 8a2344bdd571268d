"""Replies that are read in blocks, over a real connection to this machine."""

from __future__ import annotations

import gzip
import importlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_jobs.core.http import stream as streamed
from airflow_provider_jobs.core.http import transport as core_transport
from airflow_provider_jobs.core.http.messages import Request
from airflow_provider_jobs.errors import JobsError, ProtocolError, TransportError
from tests.unit.core.http.test_transport import CountingToken, transport

Serve = Callable[..., Any]


@pytest.fixture(autouse=True, params=["isal.isal_zlib", "zlib"])
def inflating(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one of the two libraries decompress: the first is an extra."""
    monkeypatch.setattr(streamed, "inflating", importlib.import_module(request.param))


BODY = os.urandom(400_000) + b"a" * 3_000_000


def read(clock: Any, url: str, token: Any = None) -> tuple[int, bytes, list[int]]:
    with transport(clock.timing, *([token] if token else [])).stream(Request("GET", url)) as reply:
        blocks = list(reply.blocks)
        return reply.status, b"".join(blocks), [len(block) for block in blocks]


@pytest.mark.parametrize("coding", [None, "gzip", "x-gzip", "identity", "members"])
def test_a_body_comes_in_blocks(serve: Serve, clock: Any, coding: str | None) -> None:
    body, headers = BODY, {}
    if coding in {"gzip", "x-gzip"}:
        body, headers = gzip.compress(BODY), {"Content-Encoding": coding}
    elif coding == "members":
        body, headers = gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]), {"Content-Encoding": "GZIP"}
    elif coding:
        headers = {"Content-Encoding": coding}
    server = serve({"body": body, "headers": headers})
    status, found, sizes = read(clock, server.url)
    assert status == 200
    assert found == BODY
    assert len(sizes) > 2
    assert max(sizes) <= 1024 * 1024


def test_a_host_that_must_not_see_the_token_does_not(serve: Serve, clock: Any) -> None:
    server, token = serve({"status": 401}), CountingToken()
    with transport(clock.timing, token).stream(Request("GET", server.url, authorized=False)) as reply:
        assert reply.status == 401
    assert [seen.headers["Authorization"] for seen in server.seen] == [None]
    assert not token.rejected


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_an_empty_body_is_empty(serve: Serve, clock: Any, coding: str) -> None:
    server = serve({"body": b"", "headers": {"Content-Encoding": coding}})
    assert read(clock, server.url) == (200, b"", [])


@pytest.mark.parametrize("kept", [10, 200_000])
def test_a_body_that_is_cut_is_an_error(serve: Serve, clock: Any, kept: int) -> None:
    server = serve({"body": BODY[:kept], "short": 1})
    with pytest.raises(TransportError, match=r"only a part of the reply from 127\.0\.0\.1:\d+ to GET"):
        read(clock, server.url)


def test_a_cut_between_chunks_is_an_error(serve: Serve, clock: Any) -> None:
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    with pytest.raises(TransportError):
        read(clock, serve({"raw": raw}).url)
    assert read(clock, serve({"raw": raw + b"0\r\n\r\n"}).url)[1] == b"abc"


@pytest.mark.parametrize("body", [gzip.compress(BODY, mtime=0)[:-9], gzip.compress(b"a", mtime=0)[:12]])
def test_a_compressed_body_that_ends_early_is_an_error(serve: Serve, clock: Any, body: bytes) -> None:
    server = serve({"body": body, "headers": {"Content-Encoding": "gzip"}})
    with pytest.raises(ProtocolError, match="the compressed body is cut short"):
        read(clock, server.url)


@pytest.mark.parametrize("body", [b"plain text", gzip.compress(b"a", mtime=0) + b"more"])
def test_a_body_that_is_not_compressed_is_an_error(serve: Serve, clock: Any, body: bytes) -> None:
    server = serve({"body": body, "headers": {"Content-Encoding": "gzip"}})
    with pytest.raises(ProtocolError, match="compressed by gzip, and is not"):
        read(clock, server.url)


def test_an_encoding_that_nobody_asked_for_is_an_error(serve: Serve, clock: Any) -> None:
    server = serve({"body": b"x", "headers": {"Content-Encoding": "br"}})
    with pytest.raises(ProtocolError, match="'br', which nobody asked for"):
        read(clock, server.url)


def test_what_compresses_well_comes_in_small_blocks(clock: Any) -> None:
    """A few kilobytes can stand for gigabytes."""
    body = gzip.compress(b"\0" * 50_000_000)
    sizes = [len(block) for block in streamed._inflated(iter([body]))]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 1024 * 1024


def test_what_the_decoder_still_holds_comes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "_MOST_BYTES", 1)
    body = gzip.compress(b"a" * 100)
    for size in (1, 2, 7):
        blocks = [body[at : at + size] for at in range(0, len(body), size)]
        assert b"".join(streamed._inflated(iter(blocks))) == b"a" * 100


def test_a_rejected_token_is_renewed_once(serve: Serve, clock: Any) -> None:
    server = serve({"status": 401}, {"body": b"x"})
    token = CountingToken()
    assert read(clock, server.url, token)[:2] == (200, b"x")
    assert [seen.headers["Authorization"] for seen in server.seen] == ["Bearer secret-1", "Bearer secret-2"]
    server = serve({"status": 401})
    assert read(clock, server.url, CountingToken(renewals=0))[0] == 401
    assert len(server.seen) == 1


def test_a_reply_is_closed_where_no_new_token_can_be_had(
    serve: Serve, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []

    def noticed(response: Any) -> streamed.StreamedReply:
        reply = streamed.streamed(response)

        def close() -> None:
            closed.append(reply.status)
            reply.close()

        return replace(reply, close=close)

    def refuse(_rejected: Any) -> bool:
        raise JobsError("the login was refused")

    token = CountingToken()
    monkeypatch.setattr(core_transport, "streamed", noticed)
    monkeypatch.setattr(token, "renew", refuse)
    with pytest.raises(JobsError, match="the login was refused"):
        read(clock, serve({"status": 401}).url, token)
    assert closed == [401]


def test_no_reply_is_an_error(serve: Serve, clock: Any) -> None:
    with pytest.raises(JobsError, match="no reply"):
        read(clock, serve({"reset": True}).url)


@pytest.mark.parametrize("packs", [True, False])
def test_a_reader_lets_others_have_its_turn_while_it_waits_for_bytes(packs: bool) -> None:
    """And has it again before it goes on, also with an error."""
    turns, body = threading.Semaphore(1), gzip.compress(BODY) if packs else BODY

    def is_free() -> bool:
        found = turns.acquire(blocking=False)
        if found:
            turns.release()
        return found

    def arriving() -> Iterator[bytes]:
        for at in range(0, len(body), 100_000):
            assert is_free()
            yield body[at : at + 100_000]
        raise TransportError("cut")

    packed = arriving() if packs else None
    reply = streamed.StreamedReply(200, {}, iter(()) if packs else arriving(), packed=packed)
    found = bytearray()

    def take() -> None:
        for block in reply.in_turns(turns).blocks:
            assert not is_free()
            found.extend(block)

    with turns:
        with pytest.raises(TransportError):
            take()
        assert not is_free()
    assert is_free()
    assert found == BODY
