"""Plants the words, lets the program run, and gives what it wrote down."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from airflow_provider_jobs.sandbox import Sandbox
from tests.contract.secrets.connections import Fields, logins, salesforce_fields, variable
from tests.contract.secrets.echo import Echo, echo
from tests.contract.secrets.words import Words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[3]
DAGS = Path(__file__).with_name("dags")
#: What logins meet: a status, and whether they get a token, which the API then answers with that status.
REPLIES = [(401, False), (500, False), (403, True), (200, True)]
#: What comes after the submission.
LATER = r"(bigquery\.jobs|redivis\.uploads|salesforce\.(query|ingest))\.(get|list|close|results)\w*"
#: Whatever is not for this machine ends at a port where nobody listens.
NOWHERE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9") | {
    "NO_PROXY": "127.0.0.1,localhost"
}
#: Airflow masks nothing, since what it would mask is not to be there.
UNMASKED = {"AIRFLOW__CORE__HIDE_SENSITIVE_VAR_CONN_FIELDS": "False"}
READER = """
from airflow.plugins_manager import AirflowPlugin

class Reader:
    pass

class Lineage(AirflowPlugin):
    name = "lineage"
    hook_lineage_readers = [Reader]
"""


@dataclass
class Played:
    """What a run has left."""

    words: Words
    folder: Path
    echoes: list[Echo] = field(default_factory=list)

    @property
    def places(self) -> list[Path]:
        return sorted(self.folder.glob("*.txt"))

    def states(self) -> dict[str, dict[str, str]]:
        """Return the states of all tasks, by scenario."""
        lines = (self.folder / "states.txt").read_text(encoding="utf-8").splitlines()
        return {name: states for line in lines for name, states in json.loads(line).items()}


def play(folder: Path) -> Played:
    """Let every login, operator and sensor succeed and fail."""
    words = Words()
    (notes := folder / "notes").mkdir()
    (plugins := folder / "plugins").mkdir()
    (plugins / "reader.py").write_text(READER, encoding="utf-8")
    fields = Fields(folder, words)
    with ExitStack() as stack:
        echoes = {
            each: stack.enter_context(echo(each[0], fields.of("granted token") if each[1] else None))
            for each in REPLIES
        }
        sandbox = stack.enter_context(Sandbox(folder / "sandbox", token=fields.unsent("sandbox token")))
        _furnish(sandbox, folder)
        plan = {"logins": [], "runs": list(_runs(fields, sandbox, echoes))}
        for (status, granted), server in echoes.items():
            mark = f"{status}-{'granted' if granted else 'refused'}"
            plan["logins"] += [each.to_json() for each in logins(fields, server.url, mark)]
        (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        _program(folder, notes)
        for server in echoes.values():
            for number, proof in enumerate(sorted(server.proofs)):
                words.add(f"what went to a login or an API, {server.status}, {number}", proof)
        for upload in sandbox.uploads():
            words.add(f"session of an upload of {upload['service']}", upload["id"])
    return Played(words, notes, list(echoes.values()))


def _runs(
    fields: Fields, sandbox: Sandbox, echoes: Mapping[tuple[int, bool], Echo]
) -> Iterator[dict[str, Any]]:
    good = _connections(fields, sandbox.bigquery, sandbox.redivis, sandbox.salesforce, sandbox.token)
    yield {"name": "succeeded", "environment": good}
    yield {"name": "deferred", "environment": {**good, "CANARY_DEFERRABLE": "1"}}
    said = " ".join(words_of(fields))
    refused = {"operation": LATER, "action": "reply", "status": 403, "times": 0}
    refused |= {"reason": "accessDenied", "message": said}  # nothing that passes by itself
    control = {"url": f"{sandbox.url}/sandbox/faults", "token": sandbox.token, "spec": refused}
    soon = {"CANARY_SECONDS": "1"}
    yield {"name": "refused later", "environment": {**good, **soon}, "fault": control}
    for status, deferrable in ((401, "0"), (403, "1"), (500, "0")):
        url = echoes[status, status == 403].url
        token = fields.of("ready token")
        bad = _connections(fields, url, f"{url}/api/v1", url, token)
        yield {"name": f"refused {status}", "environment": {**bad, **soon, "CANARY_DEFERRABLE": deferrable}}


def words_of(fields: Fields) -> list[str]:
    """Return the words that a service may send back."""
    return [fields.of(f"salesforce {name}") for name in ("password", "consumer_secret")] + [
        fields.of("sandbox token")
    ]


def _connections(fields: Fields, bigquery: str, redivis: str, salesforce: str, token: str) -> dict[str, str]:
    whole = salesforce_fields(fields, salesforce)
    whole["extra"]["access_token"] = token
    key = {"type": "service_account", "private_key": fields.pem}
    extra = {"project": "canary", "api_endpoint": bigquery, "access_token": token, "keyfile_dict": key}
    return {
        **variable("bigquery", extra=extra),
        **variable("redivis", password=token, host=redivis),
        **variable("salesforce", **whole),
    }


def _furnish(sandbox: Sandbox, folder: Path) -> None:
    """Give tasks what they read."""
    sandbox.redivis_settings(rate_limit=1_000_000)
    (folder / "rows.csv").write_text("id,text\n1,a\n2,b\n", encoding="utf-8")
    (folder / "accounts.csv").write_text("Name\nCanary\n", encoding="utf-8")
    (bucket := sandbox.buckets / "canary").mkdir(parents=True)
    (bucket / "rows.csv").write_text("id,text\n1,a\n2,b\n", encoding="utf-8")
    requests.post(
        f"{sandbox.bigquery}/bigquery/v2/projects/canary/datasets",
        json={"datasetReference": {"projectId": "canary", "datasetId": "canary"}, "location": "US"},
        headers={"Authorization": f"Bearer {sandbox.token}"},
        timeout=30,
    ).raise_for_status()


def _program(folder: Path, notes: Path) -> None:
    """Run the program; what it prints is noted too."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    airflow = {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        "CANARY_FOLDER": str(folder),
        "PYTHONPATH": str(ROOT),
        **UNMASKED,
        **NOWHERE,
    }
    with (notes / "output.txt").open("w", encoding="utf-8") as output:
        done = subprocess.run(
            [sys.executable, "-m", "tests.contract.secrets.program", str(folder / "plan.json"), str(notes)],
            env={**kept, **airflow},
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=900,
            check=False,
        )
    told = (notes / "output.txt").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, told[-4000:]
