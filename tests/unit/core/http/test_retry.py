"""Backoff is arithmetic: every rule of it is checked without a pause."""

from __future__ import annotations

import datetime as dt
import email.utils
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.core.http.retry import RetryPolicy, retry_after_seconds, seconds_of_date
from airflow_provider_jobs.errors import JobsError, ServiceError, TransportError

NOW = 1_760_000_000.0
DICE = st.floats(0, 1)
SECONDS = st.floats(0.001, 1000)


def transient(retry_after: float | None = None, status: int = 429) -> ServiceError:
    return ServiceError("busy", status=status, reason="r", retryable=True, retry_after=retry_after)


class Step:
    """Fails with the errors given, one after the other, then returns ``done``."""

    def __init__(self, *errors: JobsError) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@given(failures=st.integers(1, 5000), dice=DICE, base=SECONDS, cap=SECONDS)
def test_a_pause_lies_between_half_of_the_backoff_and_all_of_it(
    failures: int, dice: float, base: float, cap: float
) -> None:
    policy = RetryPolicy(base_seconds=base, cap_seconds=cap)
    delay = policy.delay_seconds(failures, dice)
    backoff = cap if failures > 60 else min(cap, base * 2 ** (failures - 1))
    assert backoff / 2 <= delay <= backoff


@given(failures=st.integers(1, 100), dice=DICE)
def test_pauses_never_shrink_with_more_failures(failures: int, dice: float) -> None:
    policy = RetryPolicy()
    assert policy.delay_seconds(failures, dice) <= policy.delay_seconds(failures + 1, dice)


@given(failures=st.integers(1, 100), dice=DICE, asked=st.floats(0, 1e6))
def test_what_the_service_asks_for_is_never_undercut(failures: int, dice: float, asked: float) -> None:
    assert RetryPolicy().delay_seconds(failures, dice, asked) >= asked


def test_repeats_until_it_succeeds(clock: Any) -> None:
    step = Step(transient(), transient(), transient())
    told: list[tuple[JobsError, float]] = []
    policy = RetryPolicy(base_seconds=1, cap_seconds=30)
    result = policy.call(step, timing=clock.timing, on_retry=lambda *news: told.append(news))
    assert result == "done"
    assert clock.pauses == [1, 2, 4]
    assert [delay for _, delay in told] == clock.pauses


def test_waits_as_long_as_the_service_asks(clock: Any) -> None:
    RetryPolicy().call(Step(transient(retry_after=45)), timing=clock.timing)
    assert clock.pauses == [45]


@pytest.mark.parametrize("total_seconds", [120, 21_600])
def test_gives_up_at_once_if_the_service_asks_for_more_than_two_minutes(
    clock: Any, total_seconds: float
) -> None:
    """However long it may take in all: nobody is held by a single pause."""
    error = transient(retry_after=121)
    with pytest.raises(ServiceError) as caught:
        RetryPolicy(total_seconds=total_seconds).call(Step(error), timing=clock.timing)
    assert caught.value is error
    assert clock.pauses == []


def test_stops_after_the_last_attempt(clock: Any) -> None:
    step = Step(*(transient() for _ in range(9)))
    with pytest.raises(ServiceError):
        RetryPolicy(attempts=3).call(step, timing=clock.timing)
    assert step.calls == 3


def test_no_attempt_begins_after_the_total(clock: Any) -> None:
    step = Step(*(transient() for _ in range(99)))
    policy = RetryPolicy(attempts=99, total_seconds=10, base_seconds=1, cap_seconds=4)
    with pytest.raises(ServiceError):
        policy.call(step, timing=clock.timing)
    assert sum(clock.pauses) <= 10
    assert step.calls == len(clock.pauses) + 1


def test_a_permanent_error_is_not_repeated(clock: Any) -> None:
    step = Step(ServiceError("no", status=400, reason="invalid"))
    with pytest.raises(ServiceError):
        RetryPolicy().call(step, timing=clock.timing)
    assert step.calls == 1


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        (transient(status=503), 1),
        (TransportError("cut"), 1),
        (TransportError("refused", sent=False), 2),
        (transient(status=429), 2),
    ],
)
def test_what_is_not_idempotent_is_repeated_only_if_it_had_no_effect(
    clock: Any, error: JobsError, calls: int
) -> None:
    step = Step(error)
    try:
        RetryPolicy().call(step, timing=clock.timing, idempotent=False)
    except JobsError as raised:
        assert raised is error  # noqa: PT017 - half of the cases raise
    assert step.calls == calls


def test_errors_of_others_pass_through(clock: Any) -> None:
    def step() -> None:
        raise KeyError("bug")

    with pytest.raises(KeyError):
        RetryPolicy().call(step, timing=clock.timing)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        (format_datetime(dt.datetime.fromtimestamp(NOW + 90, dt.UTC), usegmt=True), 90.0),
        (format_datetime(dt.datetime.fromtimestamp(NOW - 90, dt.UTC), usegmt=True), 0.0),
        (str(NOW + 30), 30.0),
        ("soon", None),
        ("", None),
    ],
)
def test_reads_the_three_forms_of_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after_seconds({"Retry-After": text}, NOW) == seconds


@pytest.mark.parametrize("ahead", [-7200.0, -15.0, 0.0, 7200.0])
def test_a_date_is_compared_with_the_services_own_time(ahead: float) -> None:
    """Whatever our clock says."""
    date, then = (email.utils.formatdate(seconds, usegmt=True) for seconds in (NOW, NOW + 40))
    assert retry_after_seconds({"Date": date, "Retry-After": then}, NOW + ahead) == 40


def test_no_header_asks_for_nothing() -> None:
    assert retry_after_seconds({}) is None


@pytest.mark.parametrize(
    "text",
    [
        "nan",
        "Thu, 01 Jan 2026 00:00:00 +99999999999999999",
        "Thu, 01 Jan 99999999999999 00:00:00 GMT",
        "Thu, 32 Jan 2026 00:00:00 GMT",
    ],
)
def test_a_strange_header_asks_for_nothing(text: str) -> None:
    """A server's garbage must not replace the error that it came with."""
    assert retry_after_seconds({"Retry-After": text}, NOW) is None


@given(text=st.text(max_size=40))
def test_no_header_breaks_anything(text: str) -> None:
    seconds = retry_after_seconds({"Retry-After": text}, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("sent", [True, False])
def test_the_last_error_knows_what_the_ones_before_it_may_have_done(clock: Any, *, sent: bool) -> None:
    """A lost reply and then a refusal: the request may have been carried out all the same."""
    errors = [TransportError("cut", sent=sent), ServiceError("taken", status=409, reason="duplicate")]

    def step() -> None:
        raise errors.pop(0)

    with pytest.raises(ServiceError) as caught:
        RetryPolicy().call(step, timing=clock.timing)
    assert caught.value.may_have_happened == sent


@pytest.mark.parametrize("text", [None, "", "yesterday", "Tue, 99 Nov 2023 22:13:35 GMT"])
def test_what_is_no_date_tells_no_time(text: str | None) -> None:
    assert seconds_of_date(text) is None
    assert seconds_of_date("Tue, 14 Nov 2023 22:13:35 GMT") == 1_700_000_015
