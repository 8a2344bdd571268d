"""What each operator sends, and what it refuses before anything is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_jobs.operators.bigquery import (
    BigQueryCopyOperator,
    BigQueryExtractOperator,
    BigQueryInsertJobOperator,
    BigQueryLoadOperator,
    BigQueryQueryOperator,
)
from tests.unit.tasks import FakeClient, faked, run, status

if TYPE_CHECKING:
    from airflow_provider_jobs.core.work import JobRequest

GOOD: dict[Any, dict[str, Any]] = {
    BigQueryInsertJobOperator: {"configuration": {"query": {"query": "SELECT 1"}}},
    BigQueryQueryOperator: {"sql": "SELECT 1"},
    BigQueryLoadOperator: {"source_uris": "gs://b/o", "destination_table": "d.t"},
    BigQueryExtractOperator: {"source_table": "d.t", "destination_uris": "gs://b/o"},
    BigQueryCopyOperator: {"source_tables": "d.s", "destination_table": "d.t"},
}
EVERY = pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)


def table(name: str, project: str = "p", dataset: str = "d") -> dict[str, str]:
    return {"projectId": project, "datasetId": dataset, "tableId": name}


def made(kind: Any, client: FakeClient | None = None, **options: Any) -> Any:
    return faked(kind(**{"task_id": "task", **GOOD[kind], **options}), client or FakeClient())


def request_of(kind: Any, with_context: Any = None, **options: Any) -> JobRequest:
    client = FakeClient(status())
    run(made(kind, client, **options), with_context)
    return client.requests[0]


def body_of(kind: Any, **options: Any) -> dict[str, Any]:
    body = dict(request_of(kind, **options).body)
    body.pop("labels")
    return body


class TestConfigurations:
    """Parameters become the API's fields."""

    def test_a_plain_query(self) -> None:
        assert body_of(BigQueryQueryOperator) == {"query": {"query": "SELECT 1", "useLegacySql": False}}

    def test_a_query_with_everything(self) -> None:
        body = body_of(
            BigQueryQueryOperator,
            parameters={"x": 1},
            destination_table="q.d.t",
            write_disposition="WRITE_TRUNCATE",
            create_disposition="CREATE_NEVER",
            default_dataset="e",
            priority="BATCH",
            maximum_bytes_billed=10,
            options={"useQueryCache": False, "brandNew": {"a": 1}},
        )
        parameter = {"parameterType": {"type": "INT64"}, "parameterValue": {"value": "1"}}
        assert body["query"] == {
            "query": "SELECT 1",
            "useLegacySql": False,
            "parameterMode": "NAMED",
            "queryParameters": [{"name": "x", **parameter}],
            "destinationTable": table("t", "q"),
            "writeDisposition": "WRITE_TRUNCATE",
            "createDisposition": "CREATE_NEVER",
            "defaultDataset": {"projectId": "p", "datasetId": "e"},
            "priority": "BATCH",
            "maximumBytesBilled": "10",
            "useQueryCache": False,
            "brandNew": {"a": 1},
        }

    def test_parameters_that_render_to_nothing_set_nothing(self) -> None:
        body = body_of(BigQueryQueryOperator, destination_table="", default_dataset="", priority=None)
        assert body["query"] == {"query": "SELECT 1", "useLegacySql": False}

    def test_a_load_with_everything(self) -> None:
        body = body_of(
            BigQueryLoadOperator,
            source_uris=["gs://b/1", "gs://b/2*"],
            schema=[{"name": "a", "type": "STRING"}],
            autodetect=False,
            write_disposition="WRITE_EMPTY",
            create_disposition="CREATE_NEVER",
            skip_leading_rows=0,
            field_delimiter="\t",
            max_bad_records=0,
            options={"nullMarker": "\\N"},
        )
        assert body["load"] == {
            "sourceUris": ["gs://b/1", "gs://b/2*"],
            "destinationTable": table("t"),
            "schema": {"fields": [{"name": "a", "type": "STRING"}]},
            "autodetect": False,
            "sourceFormat": "CSV",
            "writeDisposition": "WRITE_EMPTY",
            "createDisposition": "CREATE_NEVER",
            "skipLeadingRows": 0,
            "fieldDelimiter": "\t",
            "maxBadRecords": 0,
            "nullMarker": "\\N",
        }

    def test_a_plain_load_appends(self) -> None:
        body = body_of(BigQueryLoadOperator, source_format="PARQUET")
        assert body["load"] == {
            "sourceUris": ["gs://b/o"],
            "destinationTable": table("t"),
            "sourceFormat": "PARQUET",
            "writeDisposition": "WRITE_APPEND",
        }

    def test_an_extract(self) -> None:
        body = body_of(BigQueryExtractOperator, print_header=False, field_delimiter="|", compression="GZIP")
        assert body["extract"] == {
            "sourceTable": table("t"),
            "destinationUris": ["gs://b/o"],
            "destinationFormat": "CSV",
            "compression": "GZIP",
            "printHeader": False,
            "fieldDelimiter": "|",
        }

    @pytest.mark.parametrize("sources", ["d.s", ["d.s"], ("d.s",), table("s"), [table("s")]])
    def test_a_copy(self, sources: Any) -> None:
        assert body_of(BigQueryCopyOperator, source_tables=sources)["copy"] == {
            "sourceTables": [table("s")],
            "destinationTable": table("t"),
            "writeDisposition": "WRITE_EMPTY",
        }

    @pytest.mark.parametrize(
        "configuration",
        [
            {"query": {"query": "x", "useLegacySql": True, "newField": 1}, "jobTimeoutMs": "5"},
            {"load": {"sourceUris": ["gs://b/o"], "schemaInline": "a:STRING"}, "labels": {"mine": "1"}},
        ],
    )
    def test_any_configuration_passes_unchanged(self, configuration: dict[str, Any]) -> None:
        for given in (configuration, json.dumps(configuration)):
            body = dict(request_of(BigQueryInsertJobOperator, configuration=given).body)
            labels = body.pop("labels")
            assert {**body, "labels": labels} == {**configuration, "labels": labels}
            assert configuration.get("labels", {}).items() <= labels.items()

    def test_a_dry_run_runs_nothing(self) -> None:
        client = FakeClient()
        result = run(made(BigQueryQueryOperator, client, dry_run=True))
        assert result["bytes_processed"] == 4096
        assert result["dry_run"] is True
        assert result["job_id"] is None
        assert client.counted == []

    def test_a_dry_run_of_any_configuration_runs_nothing(self) -> None:
        """Its rows cannot be counted: there is no job that has them."""
        client = FakeClient()
        given = {"dryRun": True, "query": {"query": "SELECT 1"}}
        result = run(made(BigQueryInsertJobOperator, client, configuration=given))
        assert result["bytes_processed"] == 4096
        assert client.counted == []


BAD: list[tuple[Any, dict[str, Any], str]] = [
    (BigQueryInsertJobOperator, {"configuration": {}}, "no job type"),
    (BigQueryInsertJobOperator, {"configuration": {"query": {}, "load": {}}}, "2 job types"),
    (BigQueryInsertJobOperator, {"configuration": {"link": {}}}, "link"),
    (BigQueryInsertJobOperator, {"configuration": {"query": "SELECT 1"}}, "configuration"),
    (BigQueryInsertJobOperator, {"configuration": "SELECT 1"}, "configuration"),
    (BigQueryInsertJobOperator, {"configuration": "[1]"}, "configuration"),
    (BigQueryInsertJobOperator, {"configuration": {"query": {}, "labels": "x"}}, "labels"),
    (BigQueryQueryOperator, {"sql": ""}, "sql"),
    (BigQueryQueryOperator, {"sql": " \n"}, "sql"),
    (BigQueryQueryOperator, {"parameters": {"x": object()}}, "parameters"),
    (BigQueryQueryOperator, {"parameters": {"x": 1}, "use_legacy_sql": True}, "parameters clashes"),
    (BigQueryQueryOperator, {"maximum_bytes_billed": -1}, "maximum_bytes_billed"),
    (BigQueryQueryOperator, {"maximum_bytes_billed": "much"}, "maximum_bytes_billed"),
    (BigQueryQueryOperator, {"destination_table": "t"}, "destination_table"),
    (BigQueryQueryOperator, {"default_dataset": "a..c"}, "default_dataset"),
    (BigQueryQueryOperator, {"options": {"query": "SELECT 2"}}, "options repeats query"),
    (BigQueryLoadOperator, {"source_uris": []}, "source_uris"),
    (BigQueryLoadOperator, {"source_uris": "s3://b/o"}, "source_uris"),
    (BigQueryLoadOperator, {"destination_table": "t"}, "destination_table"),
    (BigQueryLoadOperator, {"destination_table": ""}, "destination_table"),
    (BigQueryLoadOperator, {"schema": [{"name": "a", "type": "x"}], "autodetect": True}, "schema clashes"),
    (BigQueryLoadOperator, {"schema": "a:STRING"}, "schema"),
    (BigQueryLoadOperator, {"schema": [{"name": "a"}]}, "schema"),
    (BigQueryLoadOperator, {"source_format": "PARQUET", "skip_leading_rows": 1}, "skip_leading_rows"),
    (BigQueryLoadOperator, {"source_format": "AVRO", "field_delimiter": "|"}, "field_delimiter"),
    (BigQueryLoadOperator, {"skip_leading_rows": -1}, "skip_leading_rows"),
    (BigQueryLoadOperator, {"max_bad_records": -1}, "max_bad_records"),
    (BigQueryLoadOperator, {"options": {"sourceUris": []}}, "options"),
    (BigQueryExtractOperator, {"source_table": "t"}, "source_table"),
    (BigQueryExtractOperator, {"destination_uris": "/data/o"}, "destination_uris"),
    (BigQueryExtractOperator, {"destination_format": "AVRO", "print_header": True}, "print_header"),
    (BigQueryExtractOperator, {"destination_format": "AVRO", "field_delimiter": ","}, "field_delimiter"),
    (BigQueryCopyOperator, {"source_tables": []}, "source_tables"),
    (BigQueryCopyOperator, {"source_tables": None}, "source_tables is empty"),
    (BigQueryCopyOperator, {"source_tables": 5}, "source_tables is of type int"),
    (BigQueryQueryOperator, {"sql": ["SELECT 1", "SELECT 2"]}, "sql is of type list: give one text"),
    (BigQueryQueryOperator, {"sql": None}, "sql is empty"),
    (BigQueryLoadOperator, {"source_uris": 5}, "source_uris is of type int"),
    (BigQueryCopyOperator, {"source_tables": ["d.s", "s"]}, "source_tables"),
    (BigQueryCopyOperator, {"destination_table": "SELECT 1"}, "destination_table"),
    (BigQueryQueryOperator, {"labels": "x"}, "labels"),
    (BigQueryQueryOperator, {"labels": {"Team": "x"}}, "labels: 'Team', key of the label"),
    (
        BigQueryInsertJobOperator,
        {"configuration": {"query": {}, "labels": {"a": "X"}}},
        "configuration.labels",
    ),
    (BigQueryCopyOperator, {"destination_table": "d.t@-1"}, "@ are for tables that are read"),
    (BigQueryCopyOperator, {"destination_table": "d.t*"}, "for tables that are read"),
    (BigQueryQueryOperator, {"destination_table": "d.t@0"}, "for tables that are read"),
    (BigQueryLoadOperator, {"destination_table": "d.t@0"}, "for tables that are read"),
    (BigQueryExtractOperator, {"destination_format": ""}, "destination_format"),
    (BigQueryLoadOperator, {"source_format": "parquet", "skip_leading_rows": 1}, "source_format PARQUET"),
]


@pytest.mark.parametrize(("kind", "options", "text"), BAD)
def test_wrong_parameters_are_refused_before_any_request(
    kind: Any, options: dict[str, Any], text: str
) -> None:
    client = FakeClient()
    with pytest.raises(AirflowFailException, match=text):
        run(made(kind, client, **options))
    assert client.requests == []
