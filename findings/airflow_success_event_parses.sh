#!/usr/bin/env bash
# Airflow 3.3.2: each TaskSuccessEvent has the DAG file parsed twice, for nothing.
#
# A trigger may end its task with TaskSuccessEvent, without a worker. Airflow then sends a TaskCallbackRequest to the DAG
# processor whether or not the task has callbacks, and for a success too, for which the DAG processor has none to call: it
# starts a process, imports the DAG file, and logs "Task callback requested but is not a failure callback". Such a process
# leaves no time of its end with the file, which therefore is parsed again at once, whatever min_file_process_interval is.
#
# Here: a whole Airflow on loopback that parses a file once an hour; one DAG whose task defers, and whose trigger ends it.
# The DAG file notes each import, and who asks for it.
# Seen with apache-airflow 3.3.2 on Python 3.11:
#   imports by the DAG processor: 1 before the event, 3 within 30 s after it
#   Task callback requested but is not a failure callback
# Fails if the file is not imported twice, or that line is missing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check 'apache-airflow==3.3.2'
mkdir "$folder/dags" "$folder/code"
cat >"$folder/code/ends_in_trigger.py" <<'PROGRAM'
import asyncio

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent


class Soon(BaseTrigger):
    def serialize(self):
        return "ends_in_trigger.Soon", {}

    async def run(self):
        await asyncio.sleep(20)
        yield TaskSuccessEvent()
PROGRAM
cat >"$folder/dags/ends.py" <<'PROGRAM'
import os
from datetime import datetime
from pathlib import Path

from airflow.sdk import DAG, BaseOperator

with Path(os.environ["IMPORTS"]).open("a") as file:  # the DAG processor imports in a child of its own
    file.write(Path(f"/proc/{os.getppid()}/cmdline").read_text().replace("\0", " ") + "\n")


class Ends(BaseOperator):
    def execute(self, context):
        from ends_in_trigger import Soon

        self.defer(trigger=Soon(), method_name="execute_complete")


with DAG("ends", schedule="@once", start_date=datetime(2026, 1, 1)):
    Ends(task_id="ends")
PROGRAM
cat >"$folder/watch.py" <<'PROGRAM'
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

folder = Path(sys.argv[1])


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def state():
    try:
        with sqlite3.connect(f"file:{folder}/airflow.db?mode=ro", uri=True) as database:
            return (database.execute("SELECT state FROM task_instance").fetchone() or [None])[0]
    except sqlite3.Error:
        return None


def imports():
    lines = (folder / "imports").read_text().splitlines() if (folder / "imports").exists() else []
    return sum("dag-processor" in line or "dag_processor" in line for line in lines)


def until(wanted, seconds=240):
    end = time.monotonic() + seconds
    while state() != wanted:
        if time.monotonic() > end:
            raise SystemExit(f"the task is {state()}, not {wanted}")
        time.sleep(0.5)


port = free_port()
settings = {
    "AIRFLOW_HOME": str(folder),
    "IMPORTS": str(folder / "imports"),
    "PYTHONPATH": str(folder / "code"),
    "AIRFLOW__API__HOST": "127.0.0.1",
    "AIRFLOW__API__PORT": str(port),
    "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
    "AIRFLOW__API_AUTH__JWT_SECRET": os.urandom(64).hex(),
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow.db?timeout=60",
}
environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))} | settings
airflow = [str(folder / "env/bin/python"), "-m", "airflow"]
with (folder / "log").open("w") as log:
    subprocess.run([*airflow, "db", "migrate"], env=environment, stdout=log, stderr=log, check=True)
    parts = [["api-server"], ["scheduler", "--skip-serve-logs"], ["dag-processor"], ["triggerer", "--skip-serve-logs"]]
    programs = [
        subprocess.Popen([*airflow, *part], env=environment, stdout=log, stderr=log, start_new_session=True)
        for part in parts
    ]
    try:
        until("deferred")
        before = imports()
        until("success")
        end = time.monotonic() + 30
        while imports() < before + 2 and time.monotonic() < end:
            time.sleep(0.5)
        time.sleep(5)  # for its log, and for an import that should not be
        after = imports()
    finally:
        for program in programs:
            os.killpg(program.pid, signal.SIGTERM)
        for program in programs:
            try:
                program.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, signal.SIGKILL)
line = "Task callback requested but is not a failure callback"
logs = [folder / "log", *(folder / "logs").rglob("*.log")]
said = any(line in path.read_text(errors="replace") for path in logs if path.is_file())
print(f"imports by the DAG processor: {before} before the event, {after} within 30 s after it")
print(line if said else "no word of a callback")
sys.exit(not (said and after == before + 2))
PROGRAM
python3 "$folder/watch.py" "$folder"
