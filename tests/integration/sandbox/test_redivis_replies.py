"""Redivis' errors, limits and rights."""

from __future__ import annotations

import email.utils
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
import requests

from tests.integration.sandbox.redivis_api import CSV, RedivisApi, word

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox import Sandbox


def control(sandbox: Sandbox, method: str, document: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    url = f"{sandbox.url}/sandbox/redivis"
    return requests.request(method, url, json=document, headers=headers, timeout=10)


def test_announcement(sandbox: Sandbox) -> None:
    told = sandbox.announcement()
    assert told["redivis"] == f"{sandbox.url}/api/v1" == sandbox.redivis
    assert told["redivis_token"] == sandbox.redivis_token


def test_token_and_scope(redivis: RedivisApi, sandbox: Sandbox) -> None:
    """A token needs data.edit; the refusal names it."""
    for token in ("", "Bearer wrong"):
        redivis.session.headers["Authorization"] = token
        reply = redivis.call("GET", redivis.table)
        assert (reply.status_code, word(reply)) == (401, "invalid_token")
    redivis.session.headers["Authorization"] = f"Bearer {sandbox.issue_token('a@example.com')}"
    reply = redivis.call("GET", redivis.table)
    assert (reply.status_code, word(reply), reply.json()["scope"]) == (403, "insufficient_scope", "data.edit")
    token = sandbox.issue_token("a@example.com", scopes=["data.edit"])
    redivis.session.headers["Authorization"] = f"Bearer {token}"
    assert redivis.upload(CSV)["status"] == "completed"


def test_older_errors(redivis: RedivisApi, redivis_settings: Any) -> None:
    redivis_settings(errors="older")
    error = redivis.call("GET", f"{redivis.table}x").json()["error"]
    assert (error["status"], "orders" in error["message"]) == (404, True)


def test_head_tells_its_error_in_a_header(redivis: RedivisApi) -> None:
    reply = redivis.call("HEAD", f"{redivis.table}x")
    assert (reply.status_code, reply.content) == (404, b"")
    payload = json.loads(unquote(reply.headers["X-REDIVIS-ERROR-PAYLOAD"]))
    assert payload["error"] == "not_found"
    assert "X-REDIVIS-ERROR-PAYLOAD" not in redivis.call("GET", f"{redivis.table}x").headers


def test_errors_of_faults_are_worded_as_redivis_does(redivis: RedivisApi) -> None:
    redivis.fault(r"tables\.get", action="reply", status=500, times=1)
    reply = redivis.call("GET", redivis.table)
    assert (reply.status_code, word(reply)) == (500, "server_error")


@pytest.mark.parametrize("form", ["seconds", "date", "epoch"])
def test_retry_after_of_a_fault(redivis: RedivisApi, form: str) -> None:
    redivis.fault(
        r"uploads\.list", action="reply", status=429, reason="rateLimitExceeded", retry_after=120,
        retry_after_form=form,
    )  # fmt: skip
    reply = redivis.call("GET", f"{redivis.table}/uploads")
    assert (reply.status_code, word(reply)) == (429, "rate_limit_exceeded")
    assert seconds(reply.headers["Retry-After"], form) == pytest.approx(120, abs=3)


def seconds(text: str, form: str) -> float:
    if form == "seconds":
        return float(text)
    moment = float(text) if form == "epoch" else email.utils.parsedate_to_datetime(text).timestamp()
    return moment - time.time()


@pytest.mark.parametrize("form", ["seconds", "date", "epoch"])
def test_rate_limit(redivis: RedivisApi, redivis_settings: Any, form: str) -> None:
    """Replies count down; past the limit they are 429, until the window has moved on."""
    redivis.sandbox.advance(61)
    redivis_settings(rate_limit=3, retry_after_form=form)
    replies = [redivis.call("GET", redivis.table) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert [reply.headers["X-RateLimit-Limit"] for reply in replies] == ["3"] * 4
    assert [reply.headers["X-RateLimit-Remaining"] for reply in replies] == ["2", "1", "0", "0"]
    assert 0 < seconds(replies[3].headers["Retry-After"], form) < 62
    redivis.sandbox.advance(60)
    assert redivis.call("GET", redivis.table).status_code == 200


def test_warning(redivis: RedivisApi, redivis_settings: Any) -> None:
    redivis_settings(warning="This version will be switched off.")
    assert (
        redivis.call("GET", redivis.table).headers["X-REDIVIS-WARNING"]
        == "This version will be switched off."
    )


def test_nothing_is_served_elsewhere(redivis: RedivisApi) -> None:
    assert redivis.call("GET", "users").status_code == 404
    assert redivis.call("POST", f"{redivis.table}/rows").status_code == 404


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"speed": 1}, "speed"),
        ({"storage": "far"}, "own, foreign"),
        ({"queued_polls": -1}, "queued_polls"),
        ({"queued_polls": 1.5}, "queued_polls"),
        ({"rate_limit": True}, "rate_limit"),
        ({"warning": "a\nb"}, "warning"),
    ],
)
def test_bad_settings(sandbox: Sandbox, spec: dict[str, Any], named: str) -> None:
    reply = control(sandbox, "POST", spec)
    assert reply.status_code == 400
    assert named in reply.json()["error"]["message"]


def test_settings_over_http(sandbox: Sandbox, redivis_settings: Any) -> None:
    assert control(sandbox, "POST", {"running_polls": 2}).json()["running_polls"] == 2
    assert control(sandbox, "GET").json() == redivis_settings()
