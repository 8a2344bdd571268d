"""The statements with which a copy of another system's records is kept: text staged, cast and merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.integration.sandbox.engine_bench import fields

if TYPE_CHECKING:
    from tests.integration.sandbox.engine_bench import Bench

RECORDS = (
    '"Id","Name","Amount","Opens","IsDeleted","SystemModstamp"\r\n'
    '"1","a\r\nb \0""q"",,c","8.0E7","12:30:00.000Z","false","2024-09-24T03:26:07.000Z"\r\n'
    '"1","older","1","","false","2024-01-01T00:00:00.000Z"\r\n'
    '"2","","","","true","2024-09-24T03:26:08.000Z"\r\n'
)
COLUMNS = ["Id", "Name", "Amount", "Opens", "IsDeleted", "SystemModstamp"]
STAGED = {
    "schema": fields(*(f"{name}:STRING" for name in COLUMNS)),
    "skipLeadingRows": 1, "allowQuotedNewlines": True, "preserveAsciiControlCharacters": True,
    "writeDisposition": "WRITE_TRUNCATE",
}  # fmt: skip
CASTS = """NULLIF(Id, '') AS Id, NULLIF(REPLACE(Name, CHR(0), ''), '') AS Name,
    CAST(NULLIF(Amount, '') AS NUMERIC) AS Amount, CAST(RTRIM(NULLIF(Opens, ''), 'Z') AS TIME) AS Opens,
    CAST(NULLIF(IsDeleted, '') AS BOOL) AS IsDeleted,
    CAST(NULLIF(SystemModstamp, '') AS TIMESTAMP) AS SystemModstamp"""
NAMES = "Id, Name, Amount, Opens, IsDeleted, SystemModstamp, _synced_to"
MERGE = f"""MERGE `d.target` T USING (
    SELECT * FROM (SELECT {CASTS} FROM `d.staging`)
    QUALIFY ROW_NUMBER() OVER (PARTITION BY Id ORDER BY SystemModstamp DESC) = 1) S
ON T.Id = S.Id
WHEN MATCHED AND COALESCE(S.IsDeleted, FALSE) AND @remove AND S.SystemModstamp >= T.SystemModstamp THEN DELETE
WHEN MATCHED AND (T.SystemModstamp IS NULL OR S.SystemModstamp >= T.SystemModstamp) THEN
    UPDATE SET Name = S.Name, Amount = S.Amount, IsDeleted = S.IsDeleted, _synced_to = @upto
WHEN NOT MATCHED AND NOT (COALESCE(IsDeleted, FALSE) AND @remove) THEN
    INSERT ({NAMES}) VALUES ({NAMES.replace("_synced_to", "@upto")})"""  # noqa: S608 - ours


def merged(bench: Bench, *, remove: bool) -> dict[str, str]:
    """Merge what is staged; give how many rows were changed, and how."""
    values: Any = {"remove": ("BOOL", str(remove).lower()), "upto": ("TIMESTAMP", "2024-09-25 00:00:00+00")}
    parameters = [
        {"name": name, "parameterType": {"type": kind}, "parameterValue": {"value": value}}
        for name, (kind, value) in values.items()
    ]
    outcome = bench.query(MERGE, queryParameters=parameters, parameterMode="NAMED")
    return dict(outcome.statistics["query"]["dmlStats"])


def test_records_staged_as_text_and_merged(bench: Bench) -> None:
    """Kept, then removed; a repeat changes nothing else."""
    bench.load("staging", bench.put("r.csv", RECORDS), **STAGED)
    bench.query(
        "CREATE TABLE target (Id STRING, Name STRING, Amount NUMERIC, Opens TIME, IsDeleted BOOL, "
        "SystemModstamp TIMESTAMP, _synced_to TIMESTAMP) CLUSTER BY Id"
    )
    assert merged(bench, remove=False)["insertedRowCount"] == "2"
    first = ["1", 'a\r\nb "q",,c', "80000000", "12:30:00", "false", "1727148367.0", "1727222400.0"]
    second = ["2", None, None, None, "true", "1727148368.0", "1727222400.0"]
    rows = "SELECT * FROM target ORDER BY Id"
    assert bench.values(rows) == [first, second]
    assert merged(bench, remove=True) == {
        "insertedRowCount": "0", "updatedRowCount": "1", "deletedRowCount": "1",
    }  # fmt: skip
    merged(bench, remove=True)
    assert bench.values(rows) == [first]
    assert bench.values("SELECT MAX(_synced_to) FROM target") == [["1727222400.0"]]


def test_names_without_a_table_in_a_merge(bench: Bench) -> None:
    """Of a row that only one side has, they are that side's, though the other has the same names."""
    bench.query("CREATE TABLE t AS SELECT 1 AS a, 'old' AS b UNION ALL SELECT 2, 'two'")
    sql = """MERGE t USING (SELECT CAST(v AS INT64) AS a, CONCAT('new', COUNT(*)) AS b
        FROM UNNEST([1, 3]) AS v GROUP BY v) AS s ON t.a = s.a
        WHEN MATCHED THEN UPDATE SET b = s.b
        WHEN NOT MATCHED BY SOURCE AND a > 1 THEN UPDATE SET b = CONCAT(b, a)
        WHEN NOT MATCHED AND a > 2 THEN INSERT ROW"""
    bench.query(sql)
    assert bench.values("SELECT * FROM t ORDER BY a") == [["1", "new1"], ["2", "two2"], ["3", "new1"]]


def test_a_target_that_grows(bench: Bench) -> None:
    """Columns come and widen; a full copy replaces the rows and keeps the rest."""
    bench.query(
        "CREATE TABLE target (Id STRING, Amount NUMERIC) CLUSTER BY Id; INSERT target VALUES ('1', 1.5)"
    )
    bench.query(
        "ALTER TABLE target ADD COLUMN IF NOT EXISTS Fresh STRING, ALTER COLUMN Amount SET DATA TYPE FLOAT64"
    )
    options = {
        "destinationTable": {"projectId": "test-project", "datasetId": "d", "tableId": "target"},
        "writeDisposition": "WRITE_TRUNCATE_DATA", "schemaUpdateOptions": ["ALLOW_FIELD_ADDITION"],
    }  # fmt: skip
    bench.query("SELECT '2' AS Id, 2.5 AS Amount, TRUE AS Extra", **options)
    assert bench.values("SELECT Id, Amount, Fresh, Extra FROM target") == [["2", "2.5", None, "true"]]
    assert bench.engine.get_table("test-project", "d", "target")["clustering"] == {"fields": ["Id"]}
