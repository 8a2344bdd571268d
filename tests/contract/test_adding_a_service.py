"""The page on adding a service is followed: its files go into a copy of the package, and tasks run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-service.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^## [^\n`]*`([\w/.]+\.py)`\n.*?^```py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
REGISTRATION = re.search(r'`("toy": [^`]+)`', PAGE)

PROGRAM = """
import asyncio, importlib, json, os, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

asked, states = [], {}

class Toy(BaseHTTPRequestHandler):
    def do_POST(self):
        work = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["work"]
        states[str(len(states) + 1)] = work
        self.answer({"id": str(len(states)), "state": "running"})
    def do_GET(self):
        job_id = self.path.rpartition("/")[2]
        state = states[job_id]
        reason = {"reason": "it is broken"} if state == "error" else {}
        self.answer({"id": job_id, "state": state, **reason})
    def do_DELETE(self):
        states[self.path.rpartition("/")[2]] = "ended"
        self.answer({})
    def answer(self, document):
        asked.append(f"{self.command} {self.path} {self.headers['Authorization']}")
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Toy)
threading.Thread(target=server.serve_forever, daemon=True).start()
host = f"http://127.0.0.1:{server.server_port}"
os.environ["AIRFLOW_CONN_TOY_DEFAULT"] = json.dumps({"conn_type": "toy", "host": host, "password": "secret"})

from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred
from airflow_provider_jobs.operators.toy import ToyOperator
from airflow_provider_jobs.sensors.toy import ToyJobSensor

heavy = sorted({"requests", "google.auth", "simple_salesforce"} & sys.modules.keys())
ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=1, max_tries=0,
                     start_date=None, xcom_push=lambda key, value: None)
context = {"ti": ti, "dag_run": SimpleNamespace(start_date=None)}

def perform(work):
    task = ToyOperator(task_id="t", work=work, deferrable=True, inline_wait=0, poll_interval=1)
    try:
        return task.execute(context)
    except TaskDeferred as deferred:
        path, row = deferred.trigger.serialize()
        module, _, name = path.rpartition(".")
        row = json.loads(json.dumps(row)) | {"first_poll_at": 0.0}
        trigger = getattr(importlib.import_module(module), name)(**row)

        async def first():
            return await anext(trigger.run())

        return task.execute_complete(context, json.loads(json.dumps(asyncio.run(first()).payload)))

done = perform("done")
try:
    failure = perform("error")
except AirflowFailException as error:
    failure = str(error)
running = ToyOperator(task_id="k", work="running", wait=False)
left = running.execute(context)
running.on_kill()
found = ToyJobSensor(task_id="s", job_id=done["job_id"]).poke(context)
print(json.dumps({"done": done, "failure": failure, "left": left, "states": states, "heavy": heavy,
                  "sensor": [found.is_done, found.xcom_value], "asked": asked, "host": host}))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what became of the tasks."""
    folder = tmp_path_factory.mktemp("toy")
    package = folder / "airflow_provider_jobs"
    ignored = shutil.ignore_patterns("sandbox", "__pycache__")
    shutil.copytree(ROOT / "airflow_provider_jobs", package, ignore=ignored)
    for name, code in FILES.items():
        path = package / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(code, encoding="utf-8")
    assert REGISTRATION
    triggers = package / "triggers" / "job.py"
    text = triggers.read_text(encoding="utf-8")
    triggers.write_text(text.replace("HOOKS = {", f"HOOKS = {{{REGISTRATION[1]}"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": str(folder)},
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_page_has_a_file_for_each_layer() -> None:
    assert list(FILES) == [
        "clients/toy/replies.py",
        "clients/toy/api.py",
        "clients/toy/client.py",
        "hooks/toy.py",
        "operators/toy.py",
        "sensors/toy.py",
    ]


def test_a_task_submits_defers_and_succeeds(outcome: dict[str, Any]) -> None:
    assert outcome["done"] == {"job_id": "1", "state": "succeeded", "url": None}
    assert {line.rpartition(" ")[2] for line in outcome["asked"]} == {"secret"}


def test_a_failure_is_reported(outcome: dict[str, Any]) -> None:
    assert outcome["failure"].splitlines() == [
        "Toy job failed: toy: it is broken",
        f"  job: {outcome['host']}:2",
    ]


def test_a_kill_ends_the_job(outcome: dict[str, Any]) -> None:
    assert outcome["left"]["state"] == "running"
    assert outcome["states"]["3"] == "ended"


def test_a_sensor_finds_it(outcome: dict[str, Any]) -> None:
    assert outcome["sensor"] == [True, {"job_id": "1", "state": "succeeded", "url": None}]


def test_reading_its_dag_loads_no_client(outcome: dict[str, Any]) -> None:
    assert outcome["heavy"] == []
