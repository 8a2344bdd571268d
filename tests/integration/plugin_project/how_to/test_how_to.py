"""Each how-to's DAG, as its page has it: ``HOW_TO`` names the folder of pages."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

PAGES = sorted(Path(os.environ["HOW_TO"]).glob("*.md"))
DAY = datetime(2026, 1, 1, tzinfo=UTC)
CODE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
#: What BigQuery's rows, records or files are afterwards.
ROWS = {
    "run-sql": ("SELECT * FROM shop.totals_20260101 ORDER BY customer", [("Ada", 42), ("Bob", 7)]),
    "load-files": (
        "SELECT customer, amount FROM shop.loaded_20260101 ORDER BY customer",
        [("Ada", 40), ("Bob", 7)],
    ),
    "send-files": ("SELECT customer, amount FROM shop.sent ORDER BY amount", [("Ada", 1), ("Bob", 2)]),
    "copy-a-table": ("SELECT COUNT(*) AS n FROM shop.orders_20260101", [(4,)]),
    "any-job": ("SELECT orders FROM shop.report", [(3,)]),
    "salesforce-to-bigquery": ("SELECT Name FROM crm.account ORDER BY Name", [("Acme",), ("Widgets",)]),
}
FILES = {
    "read-salesforce": "accounts-2026-01-01.csv.gz",
    "write-salesforce": "outcome-2026-01-01/failed.csv",
    "salesforce-to-files": "crm/Contact/run=*/manifest.json",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_dag_of_a_page_does_what_the_page_says(jobs_sandbox, monkeypatch, tmp_path, page):
    exports = tmp_path / "exports"
    exports.mkdir()
    for number, row in enumerate(("Ada,1", "Bob,2"), 1):
        (exports / f"orders-{number}.csv").write_text(f"customer,amount\n{row}\n")
    (exports / "new-accounts.csv").write_text("Name,Industry\nNew,Banking\n")
    monkeypatch.setenv("AIRFLOW_VAR_EXPORTS", str(exports))
    jobs_sandbox.query("CREATE SCHEMA crm")
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "page.py").write_text(CODE.search(page.read_text())[1])

    run = jobs_sandbox.run_dag(page.stem.replace("-", "_"), folder=tmp_path / "dags", logical_date=DAY)

    run.assert_success()
    if page.stem in ROWS:
        sql, rows = ROWS[page.stem]
        assert [tuple(row.values()) for row in jobs_sandbox.query(sql)] == rows
    if page.stem in FILES:
        assert list(exports.glob(FILES[page.stem]))
    if page.stem == "write-files":
        assert list((jobs_sandbox.buckets / "my-bucket" / "out").glob("orders-2026-01-01-*.csv.gz"))
    if page.stem == "write-salesforce":
        assert {"Name": "New"} in jobs_sandbox.records("SELECT Name FROM Account")
    if "redivis" in page.stem:
        assert jobs_sandbox.one_job("redivis").state == "succeeded"
