"""What the tests of Redivis work with: a dataset in the sandbox, and a client that never waits."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.redivis.client import RedivisClient
from airflow_provider_jobs.core.http.transport import Transport
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.operators.redivis import RedivisUploadOperator
from tests.unit.conftest import Clock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest

    from airflow_provider_jobs.sandbox import Sandbox

OWNER = "acme"
#: Readable rows that are different everywhere, so that nothing lost, doubled or shifted goes unseen.
_dice = random.Random(5)  # noqa: S311 - the same in each run
ROWS = b"id,text\n" + b"".join(b"%d,%x\n" % (number, _dice.getrandbits(400)) for number in range(20_000))
#: The same rows under another header.
OTHER = ROWS.replace(b"id,text", b"id,note")
#: Has even a small file sent through a session.
SESSION = {"session_bytes": 1}


class ApiToken:
    def __init__(self, token: str) -> None:
        self._token = token

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self, rejected: Mapping[str, str]) -> bool:
        return False


class RedivisLab:
    """A dataset of its own, the connection ``redivis_default``, and a client whose clock only it moves."""

    def __init__(self, sandbox: Sandbox, patch: pytest.MonkeyPatch) -> None:
        self.sandbox = sandbox
        sandbox.redivis_settings(rate_limit=1_000_000)  # tests in a hurry share the sandbox
        self.dataset = f"lab_{uuid.uuid4().hex[:12]}"
        self.table = f"{OWNER}.{self.dataset}:next.orders"
        self.clock = Clock()
        connection = {"conn_type": "redivis", "host": sandbox.redivis, "password": sandbox.redivis_token}
        patch.setenv("AIRFLOW_CONN_REDIVIS_DEFAULT", json.dumps(connection))
        self.client = self.client_with(sandbox.redivis_token)
        # What the operators use: the same settings, and pauses that take no time.
        patch.setattr(RedivisHook, "client_of", lambda hook, connection, retry=None: self.client)

    def client_with(self, token: str, *, storage_token: bool = False) -> RedivisClient:
        transport = Transport(ApiToken(token), user_agent="test", timing=self.clock.timing)
        return RedivisClient(transport, endpoint=self.sandbox.redivis, storage_token=storage_token)

    def make_table(self, **fields: Any) -> None:
        self.client.create_dataset(OWNER, {"name": self.dataset})
        self.client.create_table(f"{OWNER}.{self.dataset}:next", {"name": "orders", **fields})

    def fault(self, operation: str, action: str, **settings: Any) -> None:
        """Spoil requests of one operation; the sandbox has no other user meanwhile."""
        self.sandbox.faults(operation=rf"redivis\.{operation}", action=action, **settings)

    def requests(self, operation: str | None = None) -> list[dict[str, Any]]:
        """Return the requests of the API and its storage."""
        return [
            entry
            for entry in self.sandbox.requests()
            if entry["operation"].startswith("redivis.")
            and operation in {None, entry["operation"].removeprefix("redivis.")}
        ]

    def sent(self) -> int:
        """Return how many bytes of files have arrived so far; what was sent twice counts twice."""
        return sum(int(upload["bytes_received"]) for upload in self.arrivals())

    def arrivals(self) -> list[dict[str, Any]]:
        """Return what the storage knows of the files of this dataset."""
        return [
            upload
            for upload in self.sandbox.uploads()
            if upload["service"] == "redivis" and self.dataset in upload["target"]
        ]

    def uploads(self) -> list[dict[str, Any]]:
        """Return the uploads of the table."""
        return list(self.client.list_uploads(self.table))

    def check(self, content: bytes, *names: str) -> None:
        """See that these bytes, and nothing else, are what each upload of the table holds."""
        uploads = self.uploads()
        assert sorted(upload["name"] for upload in uploads) == sorted(names)
        digest = hashlib.md5(content).hexdigest()  # noqa: S324 - what Redivis compares
        assert {upload["hash"] for upload in uploads} == {digest}
        assert {int(upload["size"]) for upload in uploads} == {len(content)}

    def operator(self, source: Any, **changes: Any) -> RedivisUploadOperator:
        settings: dict[str, Any] = {
            "task_id": "task",
            "table": self.table,
            "poll_interval": 0.2,
            "inline_wait": 0.0,
        }
        return RedivisUploadOperator(source=str(source), **{**settings, **changes})


def write(folder: Path, content: bytes = ROWS, name: str = "orders.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path
