"""The example DAGs that the demo does not run; the folder ``examples`` is a copy of theirs."""

from pathlib import Path

import pytest

from airflow_provider_jobs import compat

EXAMPLES = Path(__file__).with_name("examples")
RECORDS = {
    "Account": "Name\nAcme\nEmca\n",
    "Case": "Subject\nIt is broken\n",
    "Contact": "LastName\nLovelace\nHopper\n",
    "Opportunity": (
        "Name,StageName,CloseDate,Amount\nOne,Closed Won,2026-01-02,5\nTwo,Closed Won,2026-01-03,7.5\n"
        "Three,Prospecting,2026-01-04,1\n"
    ),
}
RIDES = "started_at,from_station,minutes\n2026-01-01 08:00:00 UTC,Pier,3\n2026-01-01 09:00:00 UTC,Pier,4\n"


@pytest.fixture
def services(jobs_sandbox, monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW_VAR_RIDES_FILE", str(tmp_path / "rides.csv"))
    monkeypatch.setenv("AIRFLOW_VAR_BIKE_RIDES", str(jobs_sandbox.buckets / "bike-rides"))
    monkeypatch.setenv("AIRFLOW_VAR_CRM_EXPORTS", str(jobs_sandbox.buckets / "crm-exports"))
    (tmp_path / "rides.csv").write_text(RIDES)
    for name, text in RECORDS.items():
        path = tmp_path / "seeds" / "salesforce" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for bucket in ("bike-rides", "crm-exports"):
        (jobs_sandbox.buckets / bucket).mkdir()
    jobs_sandbox.query("CREATE SCHEMA bikes; CREATE SCHEMA crm")
    jobs_sandbox.seed(tmp_path / "seeds")
    return jobs_sandbox


def run(services, dag_id):
    services.run_dag(dag_id, folder=EXAMPLES).assert_success()


def test_a_file_becomes_a_released_table_of_redivis(services):
    run(services, "redivis_upload")
    found = services.query("SELECT * FROM bikes.station_days")
    assert [(row["station"], row["rides"], row["minutes"]) for row in found] == [("Pier", 2, 7)]
    assert services.one_job("redivis", about="station_days").state == "succeeded"


def test_objects_of_salesforce_are_kept_in_bigquery(services):
    run(services, "salesforce_to_bigquery")
    tables = ("account", "case", "opportunity")
    assert {name: len(services.rows(f"crm.{name}")) for name in tables} == {
        "account": 2,
        "case": 1,
        "opportunity": 3,
    }
    won = services.query("SELECT amount, deals FROM crm.won")
    assert [(float(row["amount"]), row["deals"]) for row in won] == [(12.5, 2)]


@pytest.mark.skipif(not compat.KEEPS_ASSET_STATE, reason="Airflow is older than 3.3")
def test_contacts_of_salesforce_are_kept_in_redivis(services):
    run(services, "salesforce_to_redivis")
    assert services.one_job("redivis", about="contacts").state == "succeeded"
