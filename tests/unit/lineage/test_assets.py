"""URIs of assets: Airflow asks what this package has declared for their schemes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_jobs import compat
from airflow_provider_jobs.lineage import assets
from airflow_provider_jobs.lineage.datasets import bigquery_table
from airflow_provider_jobs.provider_info import get_provider_info

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_jobs.lineage.datasets import Dataset

GOOD = (
    "bigquery://project/shop/orders",
    "gs://bucket/key",
    "gs://bucket",
    "salesforce://acme.my.salesforce.com/Account",
    "redivis://redivis.com/owner/data/orders",
    "redivis://redivis.com/owner/data",
)
BAD = (
    "bigquery:///shop/orders",
    "bigquery://project/shop",
    "bigquery://project/shop/orders/more",
    "bigquery://project//orders",
    "gs:///key",
    "salesforce://acme.my.salesforce.com",
    "salesforce://acme.my.salesforce.com/Account/Name",
    "redivis://redivis.com/owner",
    "redivis:///owner/data/orders",
)


def check(uri: str) -> Any:
    parts = urlsplit(uri)
    return getattr(assets, f"check_{parts.scheme}")(parts)


@pytest.mark.parametrize("uri", GOOD)
def test_a_uri_of_its_form_is_left_as_it_is(uri: str) -> None:
    assert check(uri).geturl() == uri


@pytest.mark.parametrize("uri", BAD)
def test_another_is_refused_and_the_form_told(uri: str) -> None:
    scheme = uri.partition(":")[0]
    with pytest.raises(ValueError, match=f"write {scheme}://"):
        check(uri)


def test_what_is_declared_is_there() -> None:
    for entry in get_provider_info()["asset-uris"]:
        [scheme] = entry["schemes"]
        for name in ("handler", "factory", "to_openlineage_converter"):
            module, _, function = entry[name].rpartition(".")
            assert module == assets.__name__
            assert callable(getattr(assets, function)), scheme


FACTORIES: dict[str, dict[str, str]] = {
    "bigquery://project/shop/orders": {"project_id": "project", "dataset_id": "shop", "table_id": "orders"},
    "gs://bucket/in/a.csv": {"bucket": "bucket", "key": "in/a.csv"},
    "salesforce://acme.my.salesforce.com/Account": {
        "host": "acme.my.salesforce.com",
        "object_name": "Account",
    },
    "redivis://redivis.com/owner/my%20data/orders": {"reference": "owner.my data:next.orders"},
}


@pytest.mark.parametrize("uri", FACTORIES)
def test_hooks_of_others_name_data_by_its_parts(uri: str) -> None:
    """Airflow's collector makes an asset of a scheme and of arguments; those of Google's are theirs."""
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector  # noqa: PLC0415

    scheme, more = uri.partition(":")[0], {"row_count": 1}
    asset = getattr(assets, f"create_{scheme}")(**FACTORIES[uri], extra=more)
    assert (asset.uri, asset.extra) == (uri, more)
    found = get_hook_lineage_collector().create_asset(
        scheme=scheme, uri=None, name=None, group=None, asset_kwargs=FACTORIES[uri], asset_extra=None
    )
    assert found is not None
    assert found.uri == uri


class Collector:
    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def add_input_asset(self, context: object, uri: str) -> None:
        self.found.append(("in", uri))

    def add_output_asset(self, context: object, uri: str) -> None:
        raise ValueError("no room")


def touched() -> tuple[Iterable[Dataset], Iterable[Dataset]]:
    return [bigquery_table("p.d.a")], [bigquery_table("p.d.b")]


def test_what_a_hook_has_touched_never_fails_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    compat_hook = pytest.importorskip("airflow.providers.common.compat.lineage.hook")
    collector = Collector()
    monkeypatch.setattr(compat, "reads_hook_lineage", lambda: True)
    monkeypatch.setattr(compat_hook, "get_hook_lineage_collector", lambda: collector)
    assets.collect(object(), touched)
    assert collector.found == [("in", "bigquery://p/d/a")]


def test_nobody_is_told_where_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "reads_hook_lineage", lambda: False)
    asked: list[bool] = []

    def touched() -> Any:
        asked.append(True)

    assets.collect(object(), touched)
    assert not asked
