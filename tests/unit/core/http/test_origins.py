"""Which addresses a token, and bytes, may go to: by what is written in them, and nothing else."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.core.http.origins import Origins, host_of, untrusted

OWN = "https://api.example:8443/v1"
GOOGLE = Origins((OWN,), ("googleapis.com",))


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example:8443/elsewhere?upload_id=1",
        "https://API.example:8443",
        "https://user@api.example:8443/",
        "https://bigquery.googleapis.com/upload",
        "https://bigquery.europe-west3.rep.googleapis.com",
        "https://restricted.googleapis.com:443/",
        "https://googleapis.com",
        "https://WWW.GoogleAPIs.com",
    ],
)
def test_a_token_goes_to_the_own_origin_and_the_vendors_hosts(url: str) -> None:
    assert GOOGLE.take_token(url)
    assert GOOGLE.take_bytes(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example/v1",  # another port
        "https://api.example:8444/v1",
        "https://sub.api.example:8443/v1",
        "https://api.example.evil.example:8443/",
        "https://evilgoogleapis.com",
        "https://googleapis.com.evil.example",
        "https://bigquery.googleapis.com@evil.example/",
        "https://evil.example/bigquery.googleapis.com",
        "https://evil.example#.googleapis.com",
        "https://evil.example?.googleapis.com",
        "https://bigquery.googleapis.com:8443",
        "https://evil.example%2f.googleapis.com",
        "https://bigquery.goog\u2113eapis.com",
        "https://evil.example\u3002googleapis.com",
        "https://evil_example.googleapis.com",
    ],
)
def test_elsewhere_bytes_go_without_it(url: str) -> None:
    assert not GOOGLE.take_token(url)
    assert GOOGLE.take_bytes(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example:8443/v1",
        "http://bigquery.googleapis.com",
        "http://127.0.0.1:8443",
        "http://169.254.169.254/",
        "ftp://api.example:8443",
        "//api.example:8443",
        "/upload",
        "",
        "https://",
        "https://evil.example\\.googleapis.com",
        "https://evil.example\n.googleapis.com",
        "https://[::1",
        "https://api.example:port",
    ],
)
def test_from_https_nothing_goes_in_clear_or_to_what_is_not_an_address(url: str) -> None:
    assert not GOOGLE.take_token(url)
    assert not GOOGLE.take_bytes(url)


@pytest.mark.parametrize(
    ("url", "token", "content"),
    [
        ("http://127.0.0.1:9050/x", True, True),
        ("http://127.0.0.1:9051/x", False, True),
        ("http://localhost:9050/x", False, True),  # may be another process, by IPv6
        ("https://127.0.0.1:9050/x", False, True),
        ("http://evil.example:9050/x", False, False),
        ("https://evil.example/x", False, True),
    ],
)
def test_loopback_trusts_its_own_port_alone(url: str, token: bool, content: bool) -> None:
    sandbox = Origins(("http://127.0.0.1:9050",))
    assert (sandbox.take_token(url), sandbox.take_bytes(url)) == (token, content)


def test_the_error_names_both_hosts_and_no_secret() -> None:
    error = untrusted(OWN, "https://u:SECRET@evil.example:1/SECRET?SECRET", "the session", "Set it")
    assert "https://api.example:8443 names https://evil.example:1 as the session" in str(error)
    assert "SECRET" not in str(error)


@pytest.mark.parametrize(("url", "shown"), [("https://[::1", "what is not an address"), ("/x", "no host")])
def test_what_has_no_host_is_said(url: str, shown: str) -> None:
    assert host_of(url) == shown
