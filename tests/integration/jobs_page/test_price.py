"""What a TiB costs, as the settings say."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

#: Said by what Airflow's API imports, when it is imported first.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Using `httpx`")
RATE = "AIRFLOW__AIRFLOW_PROVIDER_JOBS__BIGQUERY_PRICE_PER_TIB"
CURRENCY = "AIRFLOW__AIRFLOW_PROVIDER_JOBS__BIGQUERY_PRICE_CURRENCY"


@pytest.fixture
def price() -> Callable[[], dict[str, Any]]:
    found: Callable[[], dict[str, Any]] = importlib.import_module(
        "airflow_provider_jobs.jobs_page.app"
    )._price
    return found


def test_no_price_is_shown_unless_it_is_set(
    price: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert price() == {"rate": None, "currency": "USD"}
    monkeypatch.setenv(RATE, "7.5")
    monkeypatch.setenv(CURRENCY, "EUR")
    assert price() == {"rate": 7.5, "currency": "EUR"}


@pytest.mark.parametrize("text", ["cheap", "nan", "inf", "-1", "6,25"])
def test_what_is_not_a_price_is_named(
    price: Callable[[], dict[str, Any]], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(RATE, text)
    with pytest.raises(Exception, match="bigquery_price_per_tib is") as caught:
        price()
    assert getattr(caught.value, "status_code", None) == 500
