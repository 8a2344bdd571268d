"""The operator in a DAG: mapped, stored by Airflow, rendered; and what it carries of wide objects."""

from __future__ import annotations

import datetime as dt
import importlib
import json
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.sdk import DAG

from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.transfers.salesforce_fields import FieldChoice, select_fields
from airflow_provider_jobs.transfers.salesforce_reading import Described, Reading, Span
from airflow_provider_jobs.transfers.salesforce_to_bigquery import SalesforceToBigQueryOperator
from airflow_provider_jobs.transfers.salesforce_window import Window, cursor_of
from airflow_provider_jobs.triggers.job import JobTrigger
from tests.unit.operators.rendering import START, render
from tests.unit.transfers.describes import SYSTEM, describe, field

#: Bytes of a text of MySQL, where Airflow keeps a trigger's arguments, encrypted.
MOST_ROW_BYTES = 65_535
WIDE = describe(
    "Account",
    *SYSTEM,
    *(field(f"Renewal_Contract_Segment_Score_{number:03}__c", "currency", scale=2) for number in range(800)),
)


def test_mapped_over_objects() -> None:
    """Each object has a table of its own; Airflow stores the DAG, and reads it again."""
    with DAG("dag", schedule=None, start_date=START) as dag:
        SalesforceToBigQueryOperator.partial(
            task_id="task",
            mode="incremental",
            deferrable=True,
            overlap=dt.timedelta(minutes=5),
            time_partitioning={"field": "CreatedDate"},
        ).expand_kwargs(
            [
                {"object_name": name, "destination_table": "raw.{{ task.object_name | lower }}"}
                for name in ("Account", "Contact")
            ]
        )
    module: Any = importlib.import_module("airflow.serialization.serialized_objects")
    kind = getattr(module, "DagSerialization", None) or module.SerializedDAG  # until 3.1
    stored = json.loads(json.dumps(kind.to_dict(dag)))
    again = kind.from_dict(stored).get_task("task")
    assert again.is_mapped
    assert set(again.template_fields) == set(SalesforceToBigQueryOperator.template_fields)
    task = render(dag, None)
    assert (task.object_name, task.destination_table) == ("Account", "raw.account")


@pytest.mark.parametrize("name", SalesforceToBigQueryOperator.template_fields)
def test_every_field_is_a_template(name: str) -> None:
    """Also the parts of a window, of lists and of mappings."""
    values: dict[str, Any] = {
        "window": ("{{ 6 * 7 }}", "{{ 1 + 1 }}"),
        "fields": ["{{ 6 * 7 }}"],
        "exclude_fields": ["{{ 6 * 7 }}"],
        "cluster_fields": ["{{ 6 * 7 }}"],
        "time_partitioning": {"field": "{{ 6 * 7 }}"},
        "labels": {"a": "{{ 6 * 7 }}"},
    }
    given = {"object_name": "Account", "destination_table": "d.t", name: values.get(name, "{{ 6 * 7 }}")}
    with DAG("dag", schedule=None, start_date=START) as dag:
        SalesforceToBigQueryOperator(task_id="task", **given)
    assert "42" in str(getattr(render(dag, None), name))


def test_wrong_words_fail_where_the_dag_is_read() -> None:
    for wrong in ({"wait": False}, {"on_new_field": "add"}, {"spool_pages": 1}, {"from_trigger": True}):
        with pytest.raises(ValueError, match=r"wait|on_new_field|spool_pages|from_trigger"):
            SalesforceToBigQueryOperator(task_id="task", object_name="A", destination_table="d.t", **wrong)


def wide_reading() -> tuple[Described, Reading]:
    cursor = cursor_of(WIDE)
    described = Described(WIDE, cursor, select_fields(WIDE, FieldChoice(), cursor=cursor.field))
    moment = dt.datetime(2026, 11, 30, 2, tzinfo=dt.UTC)
    window = Window(moment - dt.timedelta(hours=1), moment)
    return described, described.reading(Span("incremental", window, moment, moment), None)


def test_what_a_trigger_carries_of_800_fields_fits_its_row() -> None:
    _, reading = wide_reading()
    assert Reading.from_json(json.loads(json.dumps(reading.to_json()))) == reading
    carried = {"reading": reading.to_json(), "first": reading.to_json()}
    ref = JobRef("salesforce", "org", "750", "v59.0/jobs/query")
    trigger = JobTrigger(
        service="salesforce",
        hook_args={},
        poll_interval=5.0,
        deadline=None,
        first_poll_at=0.0,
        refs=[ref.to_json()],
        adopted=False,
        carried=carried,
        cancel_on_kill=True,
    )
    row = Trigger.encrypt_kwargs(trigger.serialize()[1])
    assert len(row) * 4 / 3 < MOST_ROW_BYTES, "without a key nothing is encrypted, which makes it longer"


def test_a_line_of_the_log_names_the_first_fields(capsys: pytest.CaptureFixture[str]) -> None:
    fields = [each | {"calculated": each["name"].endswith("__c")} for each in WIDE["fields"]]
    wide = WIDE | {"fields": fields}
    cursor = cursor_of(wide)
    described = Described(wide, cursor, select_fields(wide, FieldChoice(formulas="exclude")))
    task = SalesforceToBigQueryOperator(task_id="task", object_name="Account", destination_table="d.t")
    task.tell_reading(described, described.reading(Span("full"), None))
    lines = capsys.readouterr().out.splitlines()
    assert "and 780 more" in lines[-1]
    assert max(map(len, lines)) < 4000
