#!/usr/bin/env bash
# Airflow 3.3.2: the XComs of a TaskSuccessEvent reach other tasks as text.
#
# A trigger may end its task with TaskSuccessEvent(xcoms={"return_value": {...}}). Airflow stores these by
# TaskInstance.xcom_push, whose XComModel.set makes JSON text of the value, which the column encodes as JSON once more.
# Who pulls it in a task gets the text, not the dict: the SDK expects what its own XCom.set stores. A custom XCom backend
# is passed by, too.
#
# Here: Airflow's own XComModel.set, as TaskInstance.xcom_push calls it, and the SDK's deserialize_value, as xcom_pull does.
# Seen with apache-airflow 3.3.2 on Python 3.11:
#   pushed {'job_id': 'j'}, pulled '{"job_id": "j"}'
# Fails if what is pulled is what was pushed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check 'apache-airflow==3.3.2'
export AIRFLOW_HOME="$folder" AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="sqlite:///$folder/airflow.db"
export AIRFLOW__CORE__LOAD_EXAMPLES=False
"$folder/env/bin/airflow" db migrate >"$folder/migrate.log" 2>&1
cat >"$folder/xcoms.py" <<'PROGRAM'
import datetime as dt
import sys

from sqlalchemy import select, text

from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.sdk.bases.xcom import BaseXCom, _XComValueWrapper
from airflow.utils.session import create_session

PUSHED = {"job_id": "j"}
now = dt.datetime.now(dt.timezone.utc)
with create_session() as session:
    session.execute(text("PRAGMA foreign_keys=OFF"))
    session.add(DagRun(dag_id="d", run_id="r", run_type="manual", state="running", run_after=now, start_date=now))
    session.flush()
    XComModel.set(key="return_value", value=PUSHED, dag_id="d", run_id="r", task_id="t", session=session)
    session.flush()
    pulled = BaseXCom.deserialize_value(_XComValueWrapper(session.scalar(select(XComModel.value))))
    session.rollback()
print(f"pushed {PUSHED!r}, pulled {pulled!r}")
sys.exit(pulled == PUSHED)
PROGRAM
"$folder/env/bin/python" "$folder/xcoms.py"
