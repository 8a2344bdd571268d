"""Names of data in lineage: OpenLineage's own where it has them, and the URIs of assets both ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_jobs.lineage.datasets import (
    Dataset,
    bigquery_table,
    file_dataset,
    files,
    is_temporary,
    merged,
    of_uri,
    redivis_data,
    salesforce_object,
)

FILES = {
    "gs://bucket/folder/file.csv": ("gs://bucket", "folder/file.csv"),
    "gs://bucket/folder/part-*.csv": ("gs://bucket", "folder"),
    "gs://bucket/*.csv": ("gs://bucket", "/"),
    "gs://bucket/folder/no_ending": ("gs://bucket", "folder/no_ending"),
    "s3://bucket/key": ("s3://bucket", "key"),
    "s3://aws_default@bucket/key": ("s3://bucket", "key"),
    "s3a://bucket/key": ("s3://bucket", "key"),
    "abfs://box@acme.dfs.core.windows.net/a/b": ("abfss://box@acme.dfs.core.windows.net", "a/b"),
    "abfs://azure_default@box/a": ("abfss://box", "a"),
    "sftp://me:secret@host:22/in/a.csv": ("file://host:22", "/in/a.csv"),
    "https://me:secret@host/a.csv?sig=secret": ("file://host", "/a.csv"),
    "abfss://box@acme.dfs.core.windows.net/a/b.csv?sv=1&sig=secret": (
        "abfss://box@acme.dfs.core.windows.net",
        "a/b.csv",
    ),
    "wasbs://box@acme.blob.core.windows.net/in/*.csv?sv=1&sig=secret": (
        "wasbs://box@acme.blob.core.windows.net",
        "in",
    ),
    "gs://bucket/in/a.csv?X-Goog-Signature=secret": ("gs://bucket", "in/a.csv"),
    "gs://bucket/in/a?.csv": ("gs://bucket", "in"),
    "/data/a.csv": ("file", "/data/a.csv"),
    "file:///data/a.csv": ("file", "/data/a.csv"),
    "/data/*/a.csv": ("file", "/data"),
}


@pytest.mark.parametrize("place", FILES)
def test_files_have_the_names_of_the_specification(place: str) -> None:
    found = file_dataset(place)
    assert found.key == FILES[place]
    assert "secret" not in repr(found)


def test_the_specification_names_them_so_itself() -> None:
    naming = pytest.importorskip("openlineage.client.naming.dataset")
    for ours, theirs in (
        (bigquery_table("p.d.t"), naming.BigQuery("p", "d", "t")),
        (file_dataset("gs://bucket/key"), naming.GCS("bucket", "key")),
        (file_dataset("s3://bucket/key"), naming.S3("bucket", "key")),
        (file_dataset("abfs://box@acme.dfs.core.windows.net/a"), naming.ABFSS("box", "acme", "a")),
        (file_dataset("/data/a.csv"), naming.LocalFileSystem("/data/a.csv")),
        (file_dataset("sftp://host/a.csv"), naming.RemoteFileSystem("host", "/a.csv")),
    ):
        assert ours.key == (theirs.get_namespace(), theirs.get_name())


def test_a_relative_path_becomes_absolute() -> None:
    assert file_dataset("a.csv").name == str(Path.cwd() / "a.csv")


def test_a_pattern_is_kept_beside_its_folder() -> None:
    assert file_dataset("gs://b/in/a*.csv").patterns == (("gs://b", "in/a*.csv"),)
    assert [each.key for each in files(["gs://b/in/a*", "gs://b/in/b*", ""])] == [("gs://b", "in")]
    assert files(["gs://b/in/a*", "gs://b/in/b*"])[0].patterns == (("gs://b", "in/a*"), ("gs://b", "in/b*"))


URIS = {
    "bigquery://project/shop/orders": bigquery_table("project.shop.orders"),
    "bigquery://acme.com:project/shop/orders": bigquery_table("acme.com:project.shop.orders"),
    "bigquery://project/catalog.namespace/orders": bigquery_table("project.catalog.namespace.orders"),
    "salesforce://acme.my.salesforce.com/Account": salesforce_object("acme.my.salesforce.com", "Account"),
    "redivis://redivis.com/owner/my%20data/orders": redivis_data("redivis.com", "owner.my data:next.orders"),
    "redivis://redivis.com/owner/data": redivis_data("redivis.com", "owner.data"),
    "gs://bucket/in/a.csv": file_dataset("gs://bucket/in/a.csv"),
    "file:///data/a.csv": file_dataset("/data/a.csv"),
    "gs://bucket/a%231.csv": file_dataset("gs://bucket/a#1.csv"),  # Airflow would cut what follows a #
    "file:///data/a%231.csv": file_dataset("/data/a#1.csv"),
}


@pytest.mark.parametrize("uri", URIS)
def test_an_asset_stands_for_a_dataset_and_the_other_way_round(uri: str) -> None:
    assert URIS[uri].uri == uri
    assert of_uri(uri).key == URIS[uri].key


def test_numbers_of_what_is_there_twice_are_not_told() -> None:
    one, other = Dataset("bigquery", "a", row_count=1), Dataset("bigquery", "a", row_count=2)
    [both] = merged([one, other])
    assert both.row_count is None
    assert merged([one])[0].row_count == 1


def test_tables_that_bigquery_makes_for_itself_are_temporary() -> None:
    assert is_temporary(bigquery_table("p._0123abc.anon9"))
    assert not is_temporary(bigquery_table("p.shop.orders"))
    assert not is_temporary(file_dataset("gs://_bucket/a"))
