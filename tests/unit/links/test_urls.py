"""What the links are made of."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_jobs.links import base
from airflow_provider_jobs.links.bigquery import BigQueryJobLink, BigQueryTableLink
from airflow_provider_jobs.links.redivis import RedivisDatasetLink, RedivisTableLink, RedivisUploadLink

TABLE = "https://console.cloud.google.com/bigquery?"
UPLOAD = "https://redivis.com/tables/abc-1/uploads/2"


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ("p.shop.orders", "project=p&p=p&d=shop&t=orders&page=table"),
        ("p.shop.orders$20240131", "project=p&p=p&d=shop&t=orders&page=table"),
        (
            "example.com:p.shop.orders",
            "project=example.com:p&p=example.com:p&d=shop&t=orders&page=table",
        ),
        ("p.shop.a b&t=x", "project=p&p=p&d=shop&t=a%20b%26t%3Dx&page=table"),
    ],
)
def test_the_page_of_a_table(table: str, place: str) -> None:
    assert BigQueryTableLink().url_of({"destination_table": table}) == TABLE + place


def test_the_page_of_the_table_that_is_extracted() -> None:
    """As Google's operator has it."""
    job = {"source_table": "p.shop.orders", "destination_uris": ["gs://b/o.csv"]}
    assert BigQueryTableLink().url_of(job) == TABLE + "project=p&p=p&d=shop&t=orders&page=table"


@pytest.mark.parametrize(
    "job",
    [
        {"destination_table": "p._hash.anon123"},  # results that are there for a day
        {"destination_table": "p.catalog.space.t"},  # a lakehouse's: the console has no such page of it
        {"destination_table": "shop.orders"},
        {"destination_table": ""},
        {"destination_table": {"tableId": "t"}},
        {"url": UPLOAD},
        None,
    ],
)
def test_what_has_no_page_of_a_table(job: Any) -> None:
    assert BigQueryTableLink().url_of(job) == ""


def test_the_pages_of_redivis() -> None:
    assert RedivisUploadLink().url_of({"url": UPLOAD}) == UPLOAD
    assert RedivisTableLink().url_of({"url": UPLOAD}) == "https://redivis.com/tables/abc-1"
    assert RedivisTableLink().url_of({"url": "https://redivis.com/datasets/x"}) == ""
    assert RedivisTableLink().url_of({"url": "javascript:x/uploads/1"}) == ""
    assert RedivisDatasetLink().url_of({"url": "https://redivis.com/datasets/x"}) == (
        "https://redivis.com/datasets/x"
    )


def test_links_have_names_and_keys_of_their_own() -> None:
    links = (
        *(BigQueryJobLink(), BigQueryTableLink()),
        *(RedivisUploadLink(), RedivisTableLink(), RedivisDatasetLink()),
    )
    assert len({link.name for link in links}) == len({link.xcom_key for link in links}) == len(links)


class Sensor:
    """What a link sees of a sensor."""

    def __init__(self, seen_job: dict[str, Any] | None) -> None:
        self.seen_job = seen_job


def test_a_sensor_that_has_not_looked_keeps_its_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow writes the link anew after each process: one that only times out knows no job."""

    class XCom:
        @staticmethod
        def get_value(*, key: str, ti_key: Any) -> Any:
            return {"_link_BigQueryJobLink": "https://console/kept"}.get(key)

    monkeypatch.setattr(base, "XCom", XCom)
    ti_key: Any = "ti"
    before: Any = Sensor(None)
    after: Any = Sensor({"url": "https://console/seen"})
    assert BigQueryJobLink().get_link(before, ti_key=ti_key) == "https://console/kept"
    assert BigQueryJobLink().get_link(after, ti_key=ti_key) == "https://console/seen"
    assert BigQueryTableLink().get_link(before, ti_key=ti_key) == ""
