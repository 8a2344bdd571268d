"""What has to be there is read first, and created once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.clients.redivis.names import MADE_FOR_UPLOADS
from airflow_provider_jobs.clients.redivis.prepare import CREATABLE, Preparation, check_there, prepare
from airflow_provider_jobs.errors import ConfigurationError, ServiceError
from tests.unit.clients.redivis.replay import (
    LOST,
    MISSING,
    NEW,
    OPEN,
    TABLE,
    D,
    T,
    client_of,
    dataset,
    refused,
)

if TYPE_CHECKING:
    from tests.unit.conftest import Clock

EVERYTHING = Preparation(create=CREATABLE)


def table(strategy: str = "append") -> dict[str, Any]:
    return {"uri": T, "name": "orders", "uploadMergeStrategy": strategy}


def prepared(clock: Clock, wanted: Preparation, *replies: Any, of: str = TABLE) -> list[str]:
    client, replay = client_of(clock, *replies)
    prepare(client, of, wanted)
    assert not replay.replies
    return replay.asked


def test_the_next_version_needs_no_question(clock: Clock) -> None:
    assert prepared(clock, Preparation()) == []


def test_without_a_version_the_current_one_must_not_be_released(clock: Clock) -> None:
    assert prepared(clock, Preparation(), NEW, of="acme.sales.orders") == [f"GET {D}"]
    for text in ("acme.sales.orders", "acme.sales:current.orders"):
        with pytest.raises(ConfigurationError, match=r"released version.*write acme.sales:next.orders"):
            prepared(clock, Preparation(), OPEN, of=text)


def test_everything_is_created(clock: Clock) -> None:
    created = prepared(clock, EVERYTHING, MISSING, NEW, MISSING, table())
    assert created == [f"GET {D}", "POST /organizations/acme/datasets", f"GET {T}", f"POST {D}%3Anext/tables"]


def test_nothing_is_created_twice(clock: Clock) -> None:
    assert prepared(clock, EVERYTHING, OPEN, table()) == [f"GET {D}", f"GET {T}"]


def test_what_is_created_is_what_was_wanted(clock: Clock) -> None:
    client, replay = client_of(clock, MISSING, NEW, MISSING, table("replace"))
    wanted = Preparation(
        CREATABLE, "user", {"publicAccessLevel": "overview", "description": "d"}, merge_strategy="replace"
    )
    prepare(client, TABLE, wanted)
    assert replay.body("POST /users/acme/datasets") == {
        "name": "sales",
        "publicAccessLevel": "overview",
        "description": "d",
    }
    assert replay.body(f"POST {D}%3Anext/tables") == {
        "name": "orders",
        "description": MADE_FOR_UPLOADS,
        "uploadMergeStrategy": "replace",
    }


def test_the_next_version_is_opened_only_if_there_is_none(clock: Clock) -> None:
    version = Preparation(create=frozenset({"version"}))
    assert prepared(clock, version, OPEN) == [f"GET {D}"]
    assert prepared(clock, version, NEW) == [f"GET {D}"]
    opened = prepared(clock, version, dataset(), dataset(), {"tag": "next"})
    assert opened == [f"GET {D}", f"GET {D}", f"POST {D}/versions"]


def test_a_lost_creation_is_looked_up(clock: Clock) -> None:
    version = Preparation(create=frozenset({"version"}))
    asked = prepared(clock, version, dataset(), dataset(), LOST, OPEN)
    assert asked.count(f"POST {D}/versions") == 1
    asked = prepared(clock, version, dataset(), dataset(), LOST, dataset(), {"tag": "next"})
    assert asked.count(f"POST {D}/versions") == 2


def test_somebody_who_was_faster_is_welcome(clock: Clock) -> None:
    prepared(clock, Preparation(create=frozenset({"table"})), OPEN, MISSING, refused(409), table())
    with pytest.raises(ServiceError, match="401"):
        prepared(clock, Preparation(create=frozenset({"table"})), OPEN, MISSING, refused(401))
    with pytest.raises(ServiceError, match="400"):
        prepared(clock, Preparation(create=frozenset({"table"})), OPEN, MISSING, refused(400), MISSING)


@pytest.mark.parametrize(
    ("create", "replies", "says"),
    [
        ({"table"}, [MISSING], "dataset acme.sales does not exist"),
        ({"table"}, [dataset(), dataset()], "no unreleased version"),
    ],
)
def test_what_is_missing_and_may_not_be_created_is_named(
    clock: Clock, create: set[str], replies: list[Any], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"{says}.*create_missing"):
        prepared(clock, Preparation(create=frozenset(create)), *replies)


@pytest.mark.parametrize(
    ("create", "replies", "asked"),
    [
        (set(), [NEW, table()], T),
        (set(), [OPEN, table()], T),
        ({"version"}, [dataset(), table()], T.replace("next", "current")),
        ({"version", "table"}, [dataset()], None),
        (CREATABLE, [MISSING], None),
    ],
)
def test_what_will_be_there_is_asked_for_and_not_made(
    clock: Clock, create: set[str], replies: list[Any], asked: str | None
) -> None:
    """A table that the next version is to have has to be in the current one."""
    client, replay = client_of(clock, *replies)
    check_there(client, TABLE, frozenset(create))
    assert replay.asked == [f"GET {D}", *([f"GET {asked}"] if asked else [])]


@pytest.mark.parametrize(
    ("of", "replies", "says"),
    [
        (TABLE, [MISSING], "dataset acme.sales does not exist.*create_missing"),
        (TABLE, [dataset()], "no unreleased version.*create_missing"),
        (TABLE, [OPEN, MISSING], "table acme.sales:next.orders does not exist.*create_missing"),
        ("acme.sales.orders", [OPEN], "released version.*write acme.sales:next.orders"),
    ],
)
def test_what_will_not_be_there_is_named_before_any_work(
    clock: Clock, of: str, replies: list[Any], says: str
) -> None:
    client, _ = client_of(clock, *replies)
    with pytest.raises(ConfigurationError, match=says):
        check_there(client, of, frozenset())


def test_the_merge_strategy_is_set(clock: Clock) -> None:
    wanted = Preparation(merge_strategy="replace")
    assert prepared(clock, wanted, table(), table("replace")) == [f"GET {T}", f"PATCH {T}"]
    assert prepared(clock, wanted, table("replace")) == [f"GET {T}"]


def test_rows_that_stay_after_a_replacement_are_told(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Seen elsewhere: rows doubled after a replacement in a table that had been released."""
    wanted = Preparation(replacing=True)
    current = "/tables/acme.sales%3Acurrent.orders"
    assert prepared(clock, wanted, table(), OPEN, table()) == [f"GET {T}", f"GET {D}", f"GET {current}"]
    assert "keeps the rows of the released version" in caplog.text
    caplog.clear()
    prepared(clock, wanted, table("replace"))
    prepared(clock, wanted, table(), NEW)
    prepared(clock, wanted, table(), OPEN, MISSING)
    assert not caplog.text


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"create": frozenset({"row"})}, "create_missing"),
        ({"merge_strategy": "mix"}, "merge_strategy"),
        ({"owner_type": "team"}, "owner_type"),
        ({"dataset_fields": "x"}, "dataset_options"),
    ],
)
def test_wrong_wishes_are_refused(wanted: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Preparation(**wanted)
