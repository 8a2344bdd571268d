"""The connections of the pages about logins are complete, and log in by the way of their section."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.sdk import Connection

from airflow_provider_jobs.hooks.logins.google_settings import BigQuerySettings
from airflow_provider_jobs.hooks.logins.salesforce_settings import SalesforceSettings
from airflow_provider_jobs.hooks.redivis import RedivisSettings
from airflow_provider_jobs.provider_info import get_provider_info

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = Path(__file__).parents[2] / "docs" / "logins"
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
CONNECTION = re.compile(r"export (AIRFLOW_CONN_\w+)='(\{.*?\})'", re.DOTALL)
#: What each section's connection uses.
GOOGLE = {
    "The machine's own account": None,
    "Workload identity federation": "credential_config_secret",
    "A key file": "key_path",
    "Impersonation": None,
    "A ready token": "access_token",
}


def connections(page: str) -> Iterator[tuple[str, Connection]]:
    """Yield the sections of a page, and their connections."""
    _, *parts = SECTION.split((PAGES / page).read_text(encoding="utf-8"))
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        for name, document in CONNECTION.findall(text):
            yield title, made(name, document)


def made(name: str, document: str) -> Connection:
    given = json.loads(document)
    extra = json.dumps(given.pop("extra", {}))
    return Connection(conn_id=name.removeprefix("AIRFLOW_CONN_").lower(), extra=extra, **given)


def fields_of(kind: str) -> set[str]:
    [found] = [each for each in get_provider_info()["connection-types"] if each["connection-type"] == kind]
    return set(found.get("conn-fields", {}))


def test_google() -> None:
    found = {}
    for title, connection in connections("google.md"):
        settings = BigQuerySettings.from_connection(connection.conn_id, connection.extra_dejson)
        found[title] = settings.credential and settings.credential[0]
        assert connection.conn_id == "google_cloud_default"
        assert bool(settings.impersonation_chain) == (title == "Impersonation")
        assert settings.project or title == "A key file"
        assert set(connection.extra_dejson) <= fields_of("bigquery_jobs")
    assert found == GOOGLE


def test_salesforce() -> None:
    found = dict(connections("salesforce.md"))
    for title, connection in found.items():
        settings = SalesforceSettings.from_connection(connection.conn_id, connection)
        assert settings.flow.value.lower().startswith(title.removeprefix("A ").lower())
        assert connection.conn_id == "salesforce_default"
        assert set(connection.extra_dejson) <= fields_of("salesforce_bulk")
    assert len(found) == 5


def test_redivis() -> None:
    page = (PAGES / "redivis.md").read_text(encoding="utf-8")
    [(name, document)] = CONNECTION.findall(page)
    connection = made(name, document)
    assert RedivisSettings.from_connection(connection.conn_id, connection, {}).token == "…"


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.name)
def test_each_page_ends_with_a_way_to_see_that_it_works(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    names = {name.removeprefix("AIRFLOW_CONN_").lower() for name, _ in CONNECTION.findall(text)}
    command = r"^AIRFLOW__CORE__TEST_CONNECTION=Enabled airflow connections test (\w+)$"
    assert set(re.findall(command, text.partition("## See that it works")[2], re.MULTILINE)) == names
