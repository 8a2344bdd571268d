"""Tables that change: tables.patch, tables.update, ALTER COLUMN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import BadRequest, PreconditionFailed
from google.cloud import bigquery

from tests.integration.sandbox.conftest import Api, query, reason

if TYPE_CHECKING:
    import requests

COLUMNS: list[dict[str, Any]] = [
    {"name": "id", "type": "INTEGER", "mode": "REQUIRED"},
    {"name": "who", "type": "RECORD", "mode": "NULLABLE", "fields": [{"name": "name", "type": "STRING"}]},
    {"name": "tags", "type": "STRING", "mode": "REPEATED"},
]
TABLE = "datasets/d/tables/t"


@pytest.fixture
def table(api: Api) -> dict[str, Any]:
    """A table of one row."""
    api.post("datasets", {"datasetReference": {"datasetId": "d"}})
    reference = {"projectId": api.project, "datasetId": "d", "tableId": "t"}
    body = {"tableReference": reference, "schema": {"fields": COLUMNS}, "labels": {"a": "1", "b": "2"}}
    made = api.post("datasets/d/tables", {**body, "description": "before"})
    assert made.status_code == 200
    job = api.run("fill", **query("INSERT d.t VALUES (1, STRUCT('x'), ['y'])"))
    assert job["status"] == {"state": "DONE"}
    return dict(api.get(TABLE).json())


def send(api: Api, method: str, body: Any, **headers: str) -> requests.Response:
    return api.session.request(method, api.base + TABLE, json=body, headers=headers, timeout=30)


def names(fields: list[dict[str, Any]]) -> list[Any]:
    return [
        each["name"] if "fields" not in each else [each["name"], *names(each["fields"])] for each in fields
    ]


@pytest.mark.usefixtures("table")
def test_patch_of_metadata(api: Api) -> None:
    """What is not named stays; null removes."""
    reply = send(api, "PATCH", {"friendlyName": "T", "labels": {"a": None, "c": "3"}, "description": None})
    assert reply.status_code == 200
    after = api.get(TABLE).json()
    assert (after["friendlyName"], after["labels"], "description" in after) == (
        "T",
        {"b": "2", "c": "3"},
        False,
    )
    assert names(after["schema"]["fields"]) == ["id", ["who", "name"], "tags"]
    assert after["numRows"] == "1"


@pytest.mark.usefixtures("table")
def test_update_replaces(api: Api) -> None:
    reply = send(api, "PUT", {"schema": {"fields": COLUMNS}, "labels": {"c": "3"}})
    assert reply.status_code == 200
    after = api.get(TABLE).json()
    assert (after["labels"], "description" in after) == ({"c": "3"}, False)


@pytest.mark.usefixtures("table")
def test_new_columns_and_fields(api: Api) -> None:
    """Old rows have NULL there, new rows values; a required column becomes nullable, its rows stay."""
    new = [{"name": "made", "type": "TIMESTAMP"}, {"name": "more", "type": "INT64", "mode": "REPEATED"}]
    who = {**COLUMNS[1], "fields": [{"name": "name", "type": "STRING"}, {"name": "age", "type": "INTEGER"}]}
    identifier = {"name": "id", "type": "INTEGER", "description": "number"}
    reply = send(api, "PATCH", {"schema": {"fields": [identifier, who, COLUMNS[2], *new]}})
    assert reply.status_code == 200, reply.text
    fields = reply.json()["schema"]["fields"]
    assert names(fields) == ["id", ["who", "name", "age"], "tags", "made", "more"]
    assert (fields[0]["mode"], fields[0]["description"]) == ("NULLABLE", "number")
    job = api.run("more", **query("INSERT d.t (who, more) VALUES (STRUCT('z', 7), [8])"))
    assert job["status"] == {"state": "DONE"}
    sql = (
        "SELECT id, who.name, who.age, ARRAY_LENGTH(tags) AS tags, made, ARRAY_LENGTH(more) AS more FROM d.t"
    )
    rows = api.post("queries", {"query": f"{sql} ORDER BY id", "useLegacySql": False}).json()["rows"]
    found = [[cell["v"] for cell in row["f"]] for row in rows]
    assert found == [[None, "z", "7", "0", None, "1"], ["1", "x", None, "1", None, "0"]]


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (COLUMNS[1:], "Field id is missing in new schema"),
        (
            [{**COLUMNS[0], "type": "STRING"}, *COLUMNS[1:]],
            "Field id has changed type from INTEGER to STRING",
        ),
        (
            [COLUMNS[0], {**COLUMNS[1], "fields": [{"name": "x", "type": "STRING"}]}, COLUMNS[2]],
            "Field who.name is",
        ),
        ([*COLUMNS[:2], {"name": "tags", "type": "STRING"}], "Field tags has changed mode from REPEATED to"),
        ([*COLUMNS, {"name": "n", "type": "INT64", "mode": "REQUIRED"}], "Cannot add required fields"),
    ],
)
def test_columns_that_may_not_change(api: Api, fields: Any, words: str) -> None:
    reply = send(api, "PATCH", {"schema": {"fields": fields}, "description": "after"})
    assert (reply.status_code, reason(reply)) == (400, "invalid")
    assert f"Provided Schema does not match Table {api.project}:d.t. {words}" in reply.text
    assert api.get(TABLE).json()["description"] == "before"


def test_only_if_it_has_not_changed(api: Api, table: dict[str, Any]) -> None:
    first = send(api, "PATCH", {"description": "one"}, **{"If-Match": table["etag"]})
    second = send(api, "PATCH", {"description": "two"}, **{"If-Match": table["etag"]})
    assert (first.status_code, second.status_code, reason(second)) == (200, 412, "conditionNotMet")
    assert api.get(TABLE).json()["description"] == "one"


@pytest.mark.usefixtures("table")
def test_what_is_not_there_or_cannot_be(api: Api) -> None:
    assert reason(api.session.patch(api.base + "datasets/d/tables/none", json={}, timeout=30)) == "notFound"
    reply = send(api, "PATCH", {"timePartitioning": {"type": "DAY"}})
    assert "Cannot convert non partitioned" in reply.text
    assert reason(send(api, "PATCH", {"nothing": 1})) == "invalid"


def test_the_official_client(client: bigquery.Client) -> None:
    made = client.create_table(bigquery.Table(f"{client.project}.d.t", [bigquery.SchemaField("a", "INT64")]))
    made.schema = [*made.schema, bigquery.SchemaField("b", "STRING")]
    made.description = "new"
    changed = client.update_table(made, ["schema", "description"])
    assert ([each.name for each in changed.schema], changed.description) == (["a", "b"], "new")
    made.description = "newer"
    with pytest.raises(PreconditionFailed):
        client.update_table(made, ["description"])
    changed.schema = changed.schema[:1]
    with pytest.raises(BadRequest, match="Field b is missing"):
        client.update_table(changed, ["schema"])


ALTER = "ALTER TABLE d.t ALTER COLUMN"


@pytest.mark.parametrize(
    ("column", "value", "changed", "schema", "cell"),
    [
        ("INT64", "7", "NUMERIC", {"type": "NUMERIC"}, "7"),
        ("INT64", "7", "BIGNUMERIC", {"type": "BIGNUMERIC"}, "7"),
        ("INT64", "7", "FLOAT64", {"type": "FLOAT"}, "7.0"),
        ("INT64", "7", "NUMERIC(28, 9)", {"type": "NUMERIC", "precision": "28", "scale": "9"}, "7"),
        ("NUMERIC", "1.5", "FLOAT64", {"type": "FLOAT"}, "1.5"),
        ("NUMERIC(6, 2)", "1.5", "NUMERIC(8, 3)", {"type": "NUMERIC", "precision": "8", "scale": "3"}, "1.5"),
        ("NUMERIC(6, 2)", "1.5", "NUMERIC", {"type": "NUMERIC"}, "1.5"),
        ("STRING(3)", "'abc'", "STRING(5)", {"type": "STRING", "maxLength": "5"}, "abc"),
        ("STRING(3)", "'abc'", "STRING", {"type": "STRING"}, "abc"),
        ("DATE", "'2020-01-31'", "DATETIME", {"type": "DATETIME"}, "2020-01-31T00:00:00"),
    ],
)
def test_set_data_type(api: Api, column: str, value: str, changed: str, schema: Any, cell: str) -> None:
    api.post("datasets", {"datasetReference": {"datasetId": "d"}})
    create = f"CREATE TABLE d.t (a {column} NOT NULL OPTIONS(description='x'), b INT64)"
    insert = f"INSERT d.t VALUES ({value}, 1)"  # noqa: S608 - ours
    job = api.run("a", **query(f"{create}; {insert}; {ALTER} a SET DATA TYPE {changed}"))
    assert job["status"] == {"state": "DONE"}
    field = api.get(TABLE).json()["schema"]["fields"][0]
    assert field == {"name": "a", "mode": "REQUIRED", "description": "x", **schema}
    assert api.get(TABLE + "/data").json()["rows"][0]["f"][0]["v"] == cell


@pytest.mark.parametrize(
    ("column", "changed"),
    [
        ("INT64", "STRING"), ("STRING", "INT64"), ("FLOAT64", "INT64"), ("NUMERIC", "INT64"),
        ("STRING(5)", "STRING(3)"), ("STRING", "STRING(3)"), ("NUMERIC", "NUMERIC(8, 3)"),
        ("NUMERIC(8, 3)", "NUMERIC(8, 4)"), ("INT64", "NUMERIC(10, 2)"),
    ],
)  # fmt: skip
def test_a_data_type_that_holds_less(api: Api, column: str, changed: str) -> None:
    api.post("datasets", {"datasetReference": {"datasetId": "d"}})
    job = api.run("a", **query(f"CREATE TABLE d.t (a {column}); {ALTER} a SET DATA TYPE {changed}"))
    said = job["status"]["errorResult"]["message"]
    types = f"the existing column type ({column}) is assignable to the new type ({changed})"
    assert said.startswith(f"ALTER TABLE ALTER COLUMN SET DATA TYPE requires that {types}")


def test_other_changes_of_columns(api: Api) -> None:
    api.post("datasets", {"datasetReference": {"datasetId": "d"}})
    sql = f"""CREATE TABLE d.t (a INT64 NOT NULL, b STRING DEFAULT 'x');
        {ALTER} a DROP NOT NULL, ALTER COLUMN b SET DEFAULT CONCAT('y', 'z');
        INSERT d.t (a) VALUES (NULL);
        {ALTER} b DROP DEFAULT, ALTER COLUMN a SET OPTIONS(description = 'number');
        INSERT d.t (a) VALUES (2);
        ALTER TABLE d.t ALTER COLUMN IF EXISTS c SET DATA TYPE STRING, ADD COLUMN d STRUCT<e INT64>;
        SELECT a, b FROM d.t ORDER BY a"""  # noqa: S608 - ours
    job = api.run("a", **query(sql))
    assert job["status"] == {"state": "DONE"}
    rows = api.get("queries/a").json()["rows"]
    assert [[cell["v"] for cell in row["f"]] for row in rows] == [[None, "yz"], ["2", None]]
    fields = api.get(TABLE).json()["schema"]["fields"]
    assert (fields[0]["mode"], fields[0]["description"]) == ("NULLABLE", "number")
    assert "defaultValueExpression" not in fields[1]
