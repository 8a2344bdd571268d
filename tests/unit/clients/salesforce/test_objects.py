"""Objects, and what of them was updated or deleted: what is asked, and what is refused before anything is."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.errors import ConfigurationError, NotFoundError, ServiceError
from tests.unit.clients.salesforce.org import client_of, refusal

if TYPE_CHECKING:
    from tests.unit.conftest import Clock


def moment(clock: Clock, **ago: float) -> dt.datetime:
    """Return a moment so long before the org's now."""
    return dt.datetime.fromtimestamp(clock.time, dt.UTC) - dt.timedelta(**ago)


def test_describe_asks_for_the_object(clock: Clock) -> None:
    client, script = client_of(clock, {"name": "Account"}, {"name": "A__c"}, {"sobjects": []}, version="60.0")
    assert client.describe("Account") == {"name": "Account"}
    client.describe("A__c", "61.0")
    assert client.describe_global() == {"sobjects": []}
    assert script.asked == [
        "GET v60.0/sobjects/Account/describe",
        "GET v61.0/sobjects/A__c/describe",
        "GET v60.0/sobjects",
    ]


@pytest.mark.parametrize(
    "name", ["", "a b", "../Contact", "Account/describe", "1a", "Ä", "a\n", "a%2e", None, 7]
)
def test_what_is_not_the_name_of_an_object_is_refused(clock: Clock, name: Any) -> None:
    client, script = client_of(clock)
    with pytest.raises(ConfigurationError, match="is not an object's API name"):
        client.describe(name)
    with pytest.raises(ConfigurationError, match="is not an object's API name"):
        client.get_updated(name, moment(clock, hours=2), moment(clock))
    assert script.sent == []


@pytest.mark.parametrize("which", ["updated", "deleted"])
def test_a_span_is_sent_in_utc_without_its_seconds(clock: Clock, which: str) -> None:
    client, script = client_of(clock, {"latestDateCovered": "x"})
    start = moment(clock, days=2).replace(hour=5, minute=30, second=59, microsecond=7)
    east = start.astimezone(dt.timezone(dt.timedelta(hours=9)))
    assert getattr(client, f"get_{which}")("Account", east, moment(clock)) == {"latestDateCovered": "x"}
    assert script.asked == [f"GET v59.0/sobjects/Account/{which}"]
    assert script.sent[0].params == {
        "start": f"{start:%Y-%m-%d}T05:30:00Z",
        "end": f"{moment(clock):%Y-%m-%dT%H:%M}:00Z",
    }


@pytest.mark.parametrize(("which", "days"), [("updated", 30), ("deleted", 15)])
def test_how_far_back_it_may_be_asked(clock: Clock, which: str, days: int) -> None:
    client, script = client_of(clock, {})
    ask = getattr(client, f"get_{which}")
    with pytest.raises(
        ConfigurationError, match=rf"the last {days} days, which begin at .*read the whole object"
    ):
        ask("Account", moment(clock, days=days, minutes=1), moment(clock))
    assert script.sent == []
    ask("Account", moment(clock, days=days), moment(clock))


def test_spans_that_are_none_are_refused(clock: Clock) -> None:
    client, script = client_of(clock)
    now = moment(clock)
    spans: list[tuple[Any, Any, str]] = [
        (now.replace(tzinfo=None), now, r"start is datetime.*a datetime with a time zone"),
        (now, now.replace(tzinfo=None), r"end is datetime.*a datetime with a time zone"),
        ("2026-01-01T00:00:00Z", now, "start is '2026-01-01T00:00:00Z': it is a datetime"),
        (now, now, "start has to be before end"),
        (now, now - dt.timedelta(days=1), "start has to be before end"),
        (now.replace(second=1), now.replace(second=59), "without their seconds"),
    ]
    for start, end, words in spans:
        with pytest.raises(ConfigurationError, match=words):
            client.get_updated("Account", start, end)
        with pytest.raises(ConfigurationError, match=words):
            client.get_deleted("Account", start, end)
    assert script.sent == []


def test_these_are_repeated_as_other_reads_are(clock: Clock) -> None:
    client, script = client_of(clock, refusal(503), {"fields": []}, refusal(500), {"ids": ["001"]})
    assert client.describe("Account") == {"fields": []}
    assert client.get_updated("Account", moment(clock, hours=1), moment(clock)) == {"ids": ["001"]}
    assert len(script.sent) == 4


def test_refusals_say_what_to_do(clock: Clock) -> None:
    client, _ = client_of(clock, refusal(404, "NOT_FOUND"), refusal(400, "EXCEEDED_ID_LIMIT", "too many"))
    with pytest.raises(NotFoundError, match="an object is misspelled, or the user may not see it"):
        client.describe("Acount")
    with pytest.raises(ServiceError, match=r"too many.*ask for a shorter span") as caught:
        client.get_updated("Account", moment(clock, days=3), moment(clock))
    assert not caught.value.retryable
