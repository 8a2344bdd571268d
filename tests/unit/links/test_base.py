"""The links to the consoles."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_jobs.links import base
from airflow_provider_jobs.links.bigquery import BigQueryJobLink
from airflow_provider_jobs.links.salesforce import SalesforceJobLink

URL = "https://console/x"


@pytest.mark.parametrize("link", [BigQueryJobLink, SalesforceJobLink])
@pytest.mark.parametrize(
    ("pushed", "url"),
    [
        ({"url": URL}, URL),
        ({"url": None}, ""),
        ({}, ""),
        ({"url": "http://127.0.0.1:1/x"}, "http://127.0.0.1:1/x"),
        (None, ""),
        ("text", ""),
    ]
    + [
        ({"url": url}, "")
        for url in ("javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "//x", "https:///x", 7)
    ],
)
def test_the_link_is_the_jobs_page(
    monkeypatch: pytest.MonkeyPatch, link: type[base.JobLink], pushed: Any, url: str
) -> None:
    asked: list[Any] = []

    class XCom:
        @staticmethod
        def get_value(*, key: str, ti_key: Any) -> Any:
            asked.append((key, ti_key))
            return pushed

    monkeypatch.setattr(base, "XCom", XCom)
    nobody: Any = None
    ti_key: Any = "ti"
    assert link().get_link(nobody, ti_key=ti_key) == url
    assert asked == [("job", "ti")]
