"""The link to the console."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_jobs.links import salesforce
from airflow_provider_jobs.links.salesforce import SalesforceJobLink


@pytest.mark.parametrize(
    ("pushed", "url"),
    [({"url": "https://console/x"}, "https://console/x"), ({}, ""), (None, ""), ("text", "")],
)
def test_the_link_is_the_jobs_page(monkeypatch: pytest.MonkeyPatch, pushed: Any, url: str) -> None:
    asked: list[Any] = []

    class XCom:
        @staticmethod
        def get_value(*, key: str, ti_key: Any) -> Any:
            asked.append((key, ti_key))
            return pushed

    monkeypatch.setattr(salesforce, "XCom", XCom)
    nobody: Any = None
    ti_key: Any = "ti"
    assert SalesforceJobLink().get_link(nobody, ti_key=ti_key) == url
    assert asked == [("job", "ti")]
