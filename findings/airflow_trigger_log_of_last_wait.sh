#!/usr/bin/env bash
# Airflow 3.3.2: of a task that defers more than once, the triggerer's log keeps the last wait alone.
#
# What a trigger logs goes into a file whose name holds the task's attempt and the triggerer, and nothing of the trigger.
# The triggerer opens it anew for each trigger, and empties it: the second wait of an attempt removes what the first one
# has logged, in the file and in the UI. The worker's own log is appended to.
#
# Here: the logger of the triggerer, as it makes one for each of three triggers, with the file of one attempt.
# Seen with apache-airflow 3.3.2 on Python 3.11:
#   three waits have logged; in the file: third
# Fails if the file has more than the last.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check 'apache-airflow==3.3.2'
cat >"$folder/waits.py" <<'PROGRAM'
import json
import os
import pathlib

import structlog
from airflow.jobs.triggerer_job_runner import TriggerLoggingFactory

NAME = "dag_id=waits/run_id=manual/task_id=wait/attempt=1.log.trigger.1.log"

processors = [structlog.processors.JSONRenderer(serializer=lambda event, **_: json.dumps(event).encode())]
for wait in ("first", "second", "third"):
    factory = TriggerLoggingFactory(log_path=NAME, ti=None)
    factory(processors).info(wait)
    factory.close()
path = pathlib.Path(os.environ["AIRFLOW_HOME"], "logs", NAME)
there = [json.loads(line)["event"] for line in path.read_text().splitlines()]
print(f"three waits have logged; in the file: {' '.join(there)}")
raise SystemExit(there != ["third"])
PROGRAM
export AIRFLOW_HOME="$folder/airflow" AIRFLOW__CORE__LOAD_EXAMPLES=False
"$folder/env/bin/python" "$folder/waits.py"
