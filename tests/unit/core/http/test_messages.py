"""What replies hold, lists that go on for several pages, and warnings that are told once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.http.messages import Reply, WarnOnce, check_url, number, pages
from airflow_provider_jobs.errors import ConfigurationError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize(("body", "expected"), [(b"", {}), (b'{"a": 1}', {"a": 1})])
def test_a_body_is_an_object(body: bytes, expected: Any) -> None:
    assert Reply(200, {}, body).json_object() == expected


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b"no", b"[" * 100_000])
def test_a_body_that_is_another_document_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="HTTP 200 came with a"):
        Reply(200, {}, body).json_object()


@pytest.mark.parametrize(("status", "good"), [(199, False), (200, True), (299, True), (300, False)])
def test_a_good_reply_is_one_of_the_two_hundreds(status: int, *, good: bool) -> None:
    assert Reply(status, {}, b"").good is good


def listed(following: Mapping[str | None, str | None], first: str | None = None) -> list[Any]:
    """Return the tokens that pages were asked for with."""

    def ask(token: str | None) -> dict[str, Any]:
        return {"asked": token, "next": following[token]}

    return [page["asked"] for page in pages(ask, lambda page: page["next"], "the list", first)]


def test_pages_follow_each_other_until_one_names_no_next() -> None:
    assert listed({None: "a", "a": "b", "b": None}) == [None, "a", "b"]
    assert listed({"a": "b", "b": ""}, "a") == ["a", "b"]


@pytest.mark.parametrize("following", [{None: "a", "a": "a"}, {None: "a", "a": "b", "b": "a"}])
def test_pages_that_go_in_a_circle_end(following: dict[str | None, str | None]) -> None:
    with pytest.raises(ProtocolError, match="the list goes in a circle"):
        listed(following)


def test_the_first_token_counts_too() -> None:
    with pytest.raises(ProtocolError, match="circle"):
        listed({"a": "b", "b": "a"}, "a")


@pytest.mark.parametrize(
    ("value", "read"),
    [(7, 7), ("7", 7), (None, None), ("x", None), (True, None), (1.5, None), ("-1", None), ("9" * 19, None)],
)
def test_numbers_may_arrive_as_text(value: object, read: int | None) -> None:
    assert number(value) == read


def test_a_warning_is_told_once_and_memory_stays_flat(caplog: pytest.LogCaptureFixture) -> None:
    warn = WarnOnce()
    for each in (*range(1500), *range(1500)):
        warn(f"warning {each}")
    assert [record.message for record in caplog.records] == [f"warning {each}" for each in range(1000)]


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://[fd00:ec2::254]/latest",
        "http://[fe80::1]/x",
    ],
)
def test_a_metadata_server_may_speak_plain_http_to_who_asks_for_one(url: str) -> None:
    assert check_url(url, metadata=True) == url
    with pytest.raises(ConfigurationError, match="is refused"):
        check_url(url)


@pytest.mark.parametrize("host", ["metadata.google.internal.evil.example", "198.51.100.1", "10.0.0.1"])
def test_other_hosts_may_not(host: str) -> None:
    with pytest.raises(ConfigurationError, match="is refused"):
        check_url(f"http://{host}/", metadata=True)


def test_a_list_that_always_goes_on_ends() -> None:
    asked: list[str | None] = []

    def ask(token: str | None) -> int:
        asked.append(token)
        return len(asked)

    with pytest.raises(ProtocolError, match="the list goes on after 5 pages"):
        list(pages(ask, str, "the list", most_pages=5))
    assert asked == [None, "1", "2", "3", "4"]


@pytest.mark.parametrize("token", [7, {"a": 1}, ["a"], "x" * 8193])
def test_what_is_not_a_page_token_ends_a_list(token: Any) -> None:
    with pytest.raises(ProtocolError, match="the list names its next page by what is not a page token"):
        list(pages(lambda _: token, lambda page: page, "the list"))
