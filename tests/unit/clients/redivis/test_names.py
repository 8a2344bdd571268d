"""References are checked before anything is sent, and encoded in one place."""

from __future__ import annotations

import pytest

from airflow_provider_jobs.clients.redivis.names import (
    checked_uri,
    dataset_reference,
    table_reference,
    upload_name,
    writable_table,
)
from airflow_provider_jobs.errors import ConfigurationError, ProtocolError


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("acme.sales.orders", "/tables/acme.sales.orders"),
        ("acme.sales:next.orders", "/tables/acme.sales%3Anext.orders"),
        (
            "acme.sales:7br5:sample:v12_3.orders:kx41",
            "/tables/acme.sales%3A7br5%3Asample%3Av12_3.orders%3Akx41",
        ),
        ("acme.sales figures:current.zu fuß", "/tables/acme.sales%20figures%3Acurrent.zu%20fu%C3%9F"),
        ("a.b:nextyear.c", "/tables/a.b%3Anextyear.c"),
    ],
)
def test_a_reference_comes_back_and_is_encoded_whole(text: str, path: str) -> None:
    table = table_reference(text)
    assert str(table) == text
    assert table.path == path


def test_a_reference_is_taken_apart() -> None:
    table = table_reference("acme.sales:7br5:sample:v1_0.orders:kx41")
    assert (table.dataset.owner, table.dataset.name, table.dataset.ref_id) == ("acme", "sales", "7br5")
    assert (table.dataset.sample, table.dataset.version) == (True, "v1_0")
    assert (table.name, table.ref_id) == ("orders", "kx41")
    assert str(table.at("next")) == "acme.sales:7br5:sample:next.orders:kx41"
    assert str(dataset_reference("acme.sales:next").at(None)) == "acme.sales"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has 1 parts"),
        ("acme.sales", "has 2 parts: write owner.dataset.table"),
        ("acme.sales:v1.0.orders", "with an underscore, as in :v1_0"),
        ("acme..orders", "a dataset is owner.name"),
        ("acme.sales:next:sample.orders", "a dataset is owner.name"),
        ("acme.sales.or/ders", "is not a table's name"),
        ("acme.sales.orders?x=1", "is not a table's name"),
        ("acme.sales%3Anext.orders", "a dataset is owner.name"),
        ("../sales.orders", "has 4 parts"),
        ("acme.sales.orders\n", "is not a table's name"),
        (7, "is a int"),
    ],
)
def test_what_is_no_reference_is_refused_by_the_parameters_name(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^table") as caught:
        table_reference(text)
    assert says in str(caught.value)


@pytest.mark.parametrize("text", ["acme.sales:v1_0.orders", "acme.sales:sample.orders"])
def test_what_can_never_be_written_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="table"):
        writable_table(text)


def test_dots_of_a_name_are_underscores_in_its_address() -> None:
    table = table_reference("acme.sales:next.orders")
    assert table.upload_path("a.b c/d.csv") == "/tables/acme.sales%3Anext.orders/uploads/a_b%20c%2Fd_csv"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 501, None, 7])
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(ConfigurationError, match="upload_name"):
        upload_name(name)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        None,
        5,
        "https://evil.example/x",
        "//evil.example/x",
        "/users/me",
        "/tables/../users",
        "/tables/a?b",
        "/tables/a b",
    ],
)
def test_nothing_is_sent_to_a_uri_that_leads_elsewhere(uri: object) -> None:
    with pytest.raises(ProtocolError):
        checked_uri(uri)
