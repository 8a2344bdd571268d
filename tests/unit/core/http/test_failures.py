"""The address of an upload session lets anybody write: no log shows it, not even the HTTP library's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_jobs.core.http.messages import Request
from tests.unit.core.http.test_transport import parse, transport

Serve = Callable[..., Any]


@pytest.mark.parametrize("secret_in", ["request", "reply"])
def test_headers_that_cannot_be_read_show_no_session(
    serve: Serve, clock: Any, caplog: pytest.LogCaptureFixture, secret_in: str
) -> None:
    """A header line without a colon: with it the library logs the request's address and the lines after."""
    rest = b"Location: https://storage.example/s/S3CR3T\r\n" if secret_in == "reply" else b""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Note no colon\r\n"
    path = "/upload?upload_id=S3CR3T" if secret_in == "request" else "/upload"
    server = serve({"raw": head + rest + b"\r\n{}"})
    with caplog.at_level(logging.DEBUG):
        transport(clock.timing).call(Request("PUT", server.url + path), parse)
    assert "headers that cannot be read" in caplog.text
    assert "S3CR3T" not in caplog.text


def test_the_line_of_a_request_shows_no_query(
    serve: Serve, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        transport(clock.timing).call(Request("PUT", serve().url + "/upload?upload_id=S3CR3T"), parse)
    assert "PUT /upload HTTP/1.1" in caplog.text
    assert "S3CR3T" not in caplog.text


@pytest.mark.parametrize("how", [{"content": b"x"}, {"content": b""}, {"authorized": False}])
def test_the_path_of_a_session_is_not_shown(
    serve: Serve, clock: Any, caplog: pytest.LogCaptureFixture, how: dict[str, Any]
) -> None:
    with caplog.at_level(logging.DEBUG):
        transport(clock.timing).once(Request("PUT", serve().url + "/bucket/S3CR3T/object?x=1", **how))
    assert '"PUT /… HTTP/1.1" 200' in caplog.text
    assert "S3CR3T" not in caplog.text


def test_a_token_in_a_path_is_not_shown(serve: Serve, clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        transport(clock.timing).once(Request("GET", serve().url + "/of/secret-1/x"))
    assert "GET /of/***/x HTTP/1.1" in caplog.text


def test_lines_of_other_shapes_stay_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("urllib3.connectionpool").warning("%(what)s?", {"what": "a line"})
    assert caplog.messages == ["a line?"]
