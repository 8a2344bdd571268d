"""Names of files and other values that look like templates, in tasks that Airflow itself runs."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow.utils.db import initdb

from tests.integration.probes import seen
from tests.integration.redivis.lab import RedivisLab
from tests.integration.salesforce.lab import SalesforceLab
from tests.integration.test_operators import rows
from tests.kinds import PUBLIC

if TYPE_CHECKING:
    from types import ModuleType

    from tests.integration.lab import Lab

pytestmark = pytest.mark.filterwarnings("ignore")  # Airflow's own

SECRET = "s3cret-of-a-connection"
TEMPLATE = "{{ conn.secret.password }}"
HOSTILE = [f"{TEMPLATE}{ending}" for ending in (".json", ".sql", ".soql", "")]


@pytest.fixture(scope="module")
def dags() -> ModuleType:
    """Return the module of the DAGs, as Airflow knows it: its database is there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        initdb()
    folder = Path(os.environ["AIRFLOW_HOME"], "dags")
    folder.mkdir(exist_ok=True)
    copy = shutil.copy(Path(__file__).parent / "dags" / "data.py", folder)
    spec = importlib.util.spec_from_file_location("data_of_tests", copy)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = json.dumps({"conn_type": "http", "password": SECRET})
    monkeypatch.setenv("AIRFLOW_CONN_SECRET", connection)


def test_every_field_of_every_operator_and_sensor(dags: ModuleType) -> None:
    """Mapped over, as arguments, or pulled by an author's template: what the XCom says, to the letter."""
    texts = itertools.cycle(HOSTILE)
    given = {kind.__name__: {field: next(texts) for field in kind.template_fields} for kind in PUBLIC}
    seen.clear()
    run = dags.fields.test(run_conf={name: [fields] for name, fields in given.items()})
    assert str(run.state) == "success"
    assert seen == {f"{name}.{way}": given[name] for name in given for way in ("mapped", "arguments")}


def test_files_with_such_names_are_sent_to_all_services(
    dags: ModuleType, lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The real operators find the files, and nobody is told the secret of a connection."""
    salesforce, redivis = SalesforceLab(lab.sandbox, monkeypatch), RedivisLab(lab.sandbox, monkeypatch)
    redivis.make_table()
    lab.dataset("names")
    rows, accounts = tmp_path / f"{TEMPLATE}.json", tmp_path / f"{TEMPLATE}.sql"
    rows.write_text('{"a": 1}\n{"a": 2}\n')
    accounts.write_text(f"Name,External_Id__c\n{TEMPLATE},{salesforce.mark}\n")
    results = tmp_path / f"of {TEMPLATE}.soql"
    json_load = {"source_format": "NEWLINE_DELIMITED_JSON", "destination_table": "names.others"}
    soql = f"SELECT Name FROM Account WHERE External_Id__c = '{salesforce.mark}'"  # noqa: S608 - SOQL
    run = dags.services.test(
        run_conf={
            "sources": [str(rows)],
            "loads": [{"source": str(rows), **json_load}],
            "accounts": [str(accounts)],
            "queries": [{"soql": soql, "results_path": str(results)}],
            "files": [{"source": str(rows), "table": redivis.table, "file_type": "ndjson"}],
        }
    )
    assert str(run.state) == "success"
    assert [job["status"]["state"] for job in lab.jobs()] == ["DONE", "DONE"]
    assert not any("errorResult" in job["status"] for job in lab.jobs())
    assert len(salesforce.own_accounts()) == 1
    assert results.read_text().splitlines() == ['"Name"', f'"{TEMPLATE}"']
    assert [upload["name"] for upload in redivis.uploads()] == [rows.name]
    assert SECRET not in json.dumps(lab.sandbox.requests())


def test_what_mapped_tasks_return_is_a_list(
    dags: ModuleType, lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As it is, mapped, joined and paired, in a field or within one, for every service."""
    salesforce, redivis = SalesforceLab(lab.sandbox, monkeypatch), RedivisLab(lab.sandbox, monkeypatch)
    redivis.make_table()
    lab.dataset("names")
    paths = []
    for number in range(3):
        paths.append(str(tmp_path / f"{number}.csv"))
        Path(paths[-1]).write_text(f"{number}\n")
    accounts = tmp_path / "accounts.csv"
    accounts.write_text(f"Name,External_Id__c\none,{salesforce.mark}\n")
    run = dags.gathered.test(
        run_conf={
            "files": paths[:2],
            "more": paths[2:],
            "more_again": paths[2:],
            "accounts": [str(accounts)],
            "words": ["a", "b"],
            "tables": ["names.gathered", "names.gathered"],
            "table": redivis.table,
            "schema": [{"name": "n", "type": "INT64"}],
        }
    )
    assert str(run.state) == "success"
    found = rows(lab, "SELECT (SELECT SUM(n) FROM names.copied) AS n, words, files FROM names.told")
    assert found == [{"n": 6, "words": "AB", "files": 2}]
    assert len(salesforce.own_accounts()) == 1
    assert sorted(upload["name"] for upload in redivis.uploads()) == ["0.csv", "2.csv"]
