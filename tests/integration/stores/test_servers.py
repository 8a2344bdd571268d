"""The stores that other tests use are there, and Airflow reaches them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import ObjectStoragePath

from tests.integration.stores.servers import CONN_ID

if TYPE_CHECKING:
    from tests.integration.stores.servers import Store


def test_a_store_keeps_what_it_is_given(store: Store) -> None:
    path = ObjectStoragePath(f"{store.root}/kept.csv", conn_id=CONN_ID)
    with path.open("wb") as file:
        file.write(b"id\n1\n")
    assert path.fs.info(path.path)["size"] == 5
    with path.open("rb") as file:
        assert file.read() == b"id\n1\n"
    path.unlink()
    path.fs.invalidate_cache()
    assert not path.exists()
