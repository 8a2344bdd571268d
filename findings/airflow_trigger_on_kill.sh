#!/usr/bin/env bash
# Airflow 3.3.2: a user ends many deferred tasks at once, and on_kill is called for none of their triggers.
#
# The triggerer's supervisor names a trigger to be cancelled once a second until it has ended. TriggerRunner.run_trigger
# takes the first cancel, and awaits a log line before it calls on_kill; that line is written by asyncio's default
# executor. Where the executor is busy for more than a second, the second cancel strikes at that await: the trigger ends,
# and on_kill is never called. What it should have ended, such as a job in another service, runs on.
#
# Here: Airflow's own TriggerRunner, 39 triggers that only sleep, four rounds of cancels a second apart.
# Seen with apache-airflow 3.3.2 on Python 3.11 and 2 cores:
#   executor idle: on_kill was called for 39 of 39 triggers, 0 still run
#   executor busy: on_kill was called for 0 of 39 triggers, 0 still run
# Fails if an idle executor does not give 39, or a busy one gives 39.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check 'apache-airflow==3.3.2'
cat >"$folder/cancels.py" <<'PROGRAM'
import asyncio
import os
import sys
import time

from airflow.jobs.triggerer_job_runner import TriggerRunner
from airflow.triggers.base import BaseTrigger, TriggerEvent

COUNT = 39
killed = []


class Sleeping(BaseTrigger):
    def serialize(self):
        return ("sleeping", {})

    async def run(self):
        await asyncio.sleep(3600)
        yield TriggerEvent(None)

    async def on_kill(self):
        killed.append(self.trigger_id)


async def main(busy_seconds):
    runner = TriggerRunner()
    for number in range(COUNT):
        trigger = Sleeping()
        trigger.trigger_id = number
        task = asyncio.create_task(runner.run_trigger(number, trigger))
        runner.triggers[number] = {"task": task, "is_watcher": False, "name": str(number), "events": 0}
    await asyncio.sleep(0.5)
    for _ in range(64 if busy_seconds else 0):
        asyncio.get_running_loop().run_in_executor(None, time.sleep, busy_seconds)
    for _ in range(4):
        runner.to_cancel.extend(number for number in range(COUNT) if not runner.triggers[number]["task"].done())
        await runner.cancel_triggers()
        await asyncio.sleep(1)
    await asyncio.sleep(5)
    running = sum(not each["task"].done() for each in runner.triggers.values())
    state = "busy" if busy_seconds else "idle"
    print(f"executor {state}: on_kill was called for {len(killed)} of {COUNT} triggers, {running} still run", flush=True)
    expected = len(killed) < COUNT if busy_seconds else len(killed) == COUNT
    os._exit(0 if expected and not running else 1)


asyncio.run(main(float(sys.argv[1])))
PROGRAM
export AIRFLOW_HOME="$folder/airflow" AIRFLOW__CORE__LOAD_EXAMPLES=False
"$folder/env/bin/python" "$folder/cancels.py" 0 2>/dev/null | grep '^executor'
"$folder/env/bin/python" "$folder/cancels.py" 0.5 2>/dev/null | grep '^executor'
