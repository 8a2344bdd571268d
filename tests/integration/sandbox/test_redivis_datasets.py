"""Redivis' datasets, versions and tables, and what becomes of rows between versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.redivis_api import CSV, RedivisApi, encoded, word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.sandbox import Sandbox


@pytest.fixture
def redivis(sandbox: Sandbox, project: str) -> Iterator[RedivisApi]:
    api = RedivisApi(sandbox, project)
    yield api
    api.session.close()
    sandbox.redivis_settings(release_seconds=0)


def release(redivis: RedivisApi, notes: str | None = None) -> Any:
    return redivis.post(f"{redivis.dataset}/versions/next/release", {"releaseNotes": notes})


def at(redivis: RedivisApi, version: str) -> str:
    """Give the table at a version, as a path."""
    return f"tables/{encoded(f'{redivis.owner}.sales:{version}.orders')}"


@pytest.mark.parametrize("kind", ["organization", "user"])
def test_dataset(redivis: RedivisApi, kind: str) -> None:
    """Before its first release the version that one writes to is the current one."""
    fields = {"name": "Yearly sales!", "publicAccessLevel": "overview", "description": "All of them."}
    made = redivis.post(f"{kind}s/{redivis.owner}/datasets", fields)
    assert (made["kind"], made["name"], made["owner"]["kind"]) == ("dataset", "Yearly sales!", kind)
    assert (made["version"]["tag"], made["version"]["isReleased"]) == ("next", False)
    assert made["nextVersion"]["isReleased"] is False
    assert made["currentVersion"] is None
    reference = f"datasets/{redivis.owner}.yearly_sales_"
    for path in (reference, f"{reference}:{made['id']}", f"{reference}:next", made["uri"].lstrip("/")):
        assert redivis.get(path) == made
    assert redivis.call("HEAD", reference).status_code == 200
    assert word(redivis.call("POST", f"{kind}s/{redivis.owner}/datasets", fields)) == "conflict"


def test_datasets_of_an_owner(redivis: RedivisApi) -> None:
    """Clients tell organizations from users by them, and go on with the references."""
    redivis.make_table()
    path = f"organizations/{redivis.owner}/datasets"
    (listed,) = redivis.get(path)["results"]
    assert listed["qualifiedReference"] == f"{redivis.owner}.{listed['scopedReference']}"
    assert listed["scopedReference"] == f"sales:{listed['id']}:next"
    table = redivis.get(redivis.table)
    assert table["qualifiedReference"] == f"{listed['qualifiedReference']}.orders:{table['id']}"
    assert table["scopedReference"] == f"orders:{table['id']}"
    assert redivis.get(f"tables/{encoded(table['qualifiedReference'])}") == table
    assert redivis.call("GET", path.replace("organizations", "users")).status_code == 404
    assert redivis.get("users/nobody/datasets")["results"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "a.b"},
        {"name": 7},
        {"name": "a", "publicAccessLevel": "all"},
        {"name": "a", "description": "x" * 2001},
        {"name": "a", "publicAccesLevel": "none"},
    ],
)
def test_bad_dataset(redivis: RedivisApi, fields: dict[str, Any]) -> None:
    reply = redivis.call("POST", f"organizations/{redivis.owner}/datasets", fields)
    assert (reply.status_code, word(reply)) == (400, "invalid_request")


def test_missing_things(redivis: RedivisApi) -> None:
    redivis.make_table()
    for path in (
        "datasets/nobody.nothing",
        f"{redivis.dataset}:v1_0",
        f"{redivis.dataset}:zzzz",
        f"{redivis.dataset}/versions/v7.0",
        f"{redivis.table}x",
        f"{redivis.table}:zzzz",
        f"{redivis.table}/uploads/none",
    ):
        reply = redivis.call("GET", path)
        assert (reply.status_code, word(reply)) == (404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "datasets/a",
        "datasets/a.b.c",
        "datasets/a.b:x!",
        "datasets/a.b:sample",
        "tables/a.b:v1.0.c",
        "tables/a.b.c:x:y",
    ],
)
def test_bad_references(redivis: RedivisApi, path: str) -> None:
    """A version with a dot makes four parts."""
    assert word(redivis.call("GET", path)) == "invalid_request"


def test_table(redivis: RedivisApi) -> None:
    redivis.make_table(description="One a row.", uploadMergeStrategy="replace", isFileIndex=True)
    table = redivis.get(redivis.table)
    assert (table["kind"], table["uploadMergeStrategy"], table["isFileIndex"]) == ("table", "replace", True)
    assert (table["numRows"], table["description"]) == (0, "One a row.")
    assert redivis.get(table["uri"]) == table
    assert redivis.get(f"{redivis.dataset}/tables")["results"] == [table]
    assert redivis.call("HEAD", redivis.table).status_code == 200
    assert redivis.call("PATCH", redivis.table, {"uploadMergeStrategy": "append"}).status_code == 200
    assert redivis.get(redivis.table)["uploadMergeStrategy"] == "append"
    assert word(redivis.call("POST", f"{redivis.dataset}/tables", {"name": "ORDERS"})) == "conflict"
    for fields in ({"uploadMergeStrategy": "merge"}, {"isFileIndex": 1}, {"description": "x" * 2001}):
        assert word(redivis.call("PATCH", redivis.table, fields)) == "invalid_request"


def test_release_and_next_version(redivis: RedivisApi) -> None:
    """Released is for good; only next can be written to, and only one of it exists."""
    redivis.make_table()
    redivis.upload(CSV)
    assert word(redivis.call("POST", f"{redivis.dataset}/versions")) == "invalid_request"
    released = release(redivis, "First.")
    assert (released["tag"], released["isReleased"], released["releaseNotes"]) == ("v1.0", True, "First.")
    assert released["datasetUri"].endswith(":v1_0")
    dataset = redivis.get(redivis.dataset)
    assert (dataset["version"]["tag"], dataset["nextVersion"]) == ("v1.0", None)
    assert redivis.call("POST", f"{redivis.dataset}/versions/next/release").status_code == 404
    refused = redivis.call("POST", f"{redivis.table}/uploads", {"name": "b.csv"})
    assert (refused.status_code, word(refused)) == (400, "invalid_request")
    for method, path in (
        ("POST", f"{redivis.table}/tempUploads"),
        ("DELETE", f"{redivis.table}/uploads/a_csv"),
        ("PATCH", redivis.table),
        ("POST", f"{redivis.dataset}/tables"),
    ):
        assert redivis.call(method, path, {"name": "x"}).status_code == 400
    opened = redivis.post(f"{redivis.dataset}/versions")
    assert (opened["tag"], opened["isReleased"]) == ("next", False)
    dataset = redivis.get(redivis.dataset)
    assert (dataset["version"]["tag"], dataset["nextVersion"]["tag"]) == ("v1.0", "next")
    tags = [each["tag"] for each in redivis.get(f"{redivis.dataset}/versions")["results"]]
    assert tags == ["next", "v1.0"]
    assert redivis.get(f"{redivis.dataset}/versions/v1.0")["releaseNotes"] == "First."


@pytest.mark.parametrize(("strategy", "rows"), [("append", 6), ("replace", 3)])
def test_inherited_rows(redivis: RedivisApi, strategy: str, rows: int) -> None:
    """Uploads belong to one version; its table keeps the released rows, unless told to replace them."""
    redivis.make_table()
    redivis.upload(CSV)
    release(redivis)
    redivis.post(f"{redivis.dataset}/versions")
    coming = at(redivis, "next")
    redivis.call("PATCH", coming, {"uploadMergeStrategy": strategy})
    assert redivis.get(f"{coming}/uploads")["results"] == []
    assert redivis.get(coming)["numRows"] == 3
    redivis.upload(CSV, table=coming)
    assert redivis.get(coming)["numRows"] == rows
    assert redivis.get(redivis.table)["numRows"] == 3
    release(redivis)
    assert redivis.get(redivis.table)["numRows"] == rows
    assert redivis.get(at(redivis, "v1_0"))["numRows"] == 3
    assert redivis.get(at(redivis, "v2_0"))["numRows"] == rows


def test_tables_of_a_version(redivis: RedivisApi) -> None:
    redivis.make_table()
    release(redivis)
    redivis.post(f"{redivis.dataset}/versions")
    redivis.post(f"{redivis.dataset}:next/tables", {"name": "more"})
    assert len(redivis.get(f"{redivis.dataset}/tables")["results"]) == 1
    assert len(redivis.get(f"{redivis.dataset}:next/tables")["results"]) == 2


def test_release_takes_a_while(redivis: RedivisApi, sandbox: Sandbox) -> None:
    """Until it has come into effect, nothing can be written and nothing is released."""
    redivis.make_table()
    sandbox.redivis_settings(release_seconds=3600)
    assert release(redivis)["status"] == "releasing"
    assert redivis.get(redivis.dataset)["nextVersion"]["status"] == "releasing"
    for path in (
        f"{redivis.table}/tempUploads",
        f"{redivis.dataset}/versions",
        f"{redivis.dataset}/versions/next/release",
    ):
        assert redivis.call("POST", path, {}).status_code == 400
    sandbox.advance(3600)
    assert redivis.get(redivis.dataset)["version"]["isReleased"] is True
    assert redivis.get(redivis.dataset)["nextVersion"] is None


def test_what_has_ended_has_ended_though_the_clock_is_set_back(redivis: RedivisApi, sandbox: Sandbox) -> None:
    redivis.make_table()
    upload = redivis.upload(b"a,b\n1,2\n", name="a.csv")
    sandbox.advance(-7200)
    try:
        assert redivis.get(upload["uri"])["status"] == "completed"
        assert release(redivis)["isReleased"] is True
        sandbox.advance(-7200)
        assert redivis.get(redivis.dataset)["version"]["isReleased"] is True
    finally:
        sandbox.advance(4 * 3600)


def test_no_release_while_uploads_are_in_progress(redivis: RedivisApi) -> None:
    redivis.make_table()
    upload = redivis.create(name="a.csv")
    refused = redivis.call("POST", f"{redivis.dataset}/versions/next/release")
    assert "still in progress" in refused.json()["error_description"]
    redivis.call("DELETE", upload["uri"])
    assert redivis.upload(b"a,b\n1\n", name="bad.csv")["status"] == "failed"
    assert release(redivis)["isReleased"] is True


def test_misspelt_fields(redivis: RedivisApi) -> None:
    """A field that nobody reads is refused, not left out."""
    redivis.make_table()
    for method, path, fields in (
        ("POST", f"{redivis.dataset}/tables", {"name": "o2", "uploadMergeStrategie": "replace"}),
        ("PATCH", redivis.table, {"uploadMergeStrategie": "replace"}),
        ("PATCH", redivis.table, {"name": "another"}),
        ("POST", f"{redivis.dataset}/versions/next/release", {"releaseNote": "First."}),
        (
            "POST",
            f"{redivis.table}/tempUploads",
            {"tempUploads": [{"size": 1, "name": "a", "resumeable": True}]},
        ),
        ("POST", f"{redivis.table}/tempUploads", {"tempUploads": [{"size": 1, "name": "a"}], "n": 1}),
    ):
        reply = redivis.call(method, path, fields)
        assert (reply.status_code, word(reply)) == (400, "invalid_request")
