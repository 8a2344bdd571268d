"""The end of a task's process is seen at once by who reads its sockets to their end, as Airflow does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from airflow_provider_jobs import compat

#: As Airflow's supervisor and its tasks do. Many threads make the end of a process long: its sockets end well
#: before it can be reaped.
SUPERVISOR = """
import atexit, os, socket, threading
from airflow_provider_jobs import compat

for _ in range(10):
    ours, its = socket.socketpair()
    task = os.fork()
    if not task:
        ours.close()
        for _ in range(200):
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        atexit.register(compat._hold_sockets)
        atexit._run_exitfuncs()
        os._exit(0)
    its.close()
    while ours.recv(1024):
        pass
    assert os.waitpid(task, os.WNOHANG) == (task, 0)
    ours.close()
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux can tell of the end of a process")
def test_a_process_can_be_reaped_when_its_sockets_end() -> None:
    subprocess.run([sys.executable, "-c", SUPERVISOR], check=True)


def test_only_a_task_of_airflow_leaves_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[object] = []
    monkeypatch.setattr("atexit.register", registered.append)
    for supervised, first, expected in [(False, "init", 0), (True, "airflow", 0), (True, "systemd", 1)]:
        monkeypatch.setattr(compat, "is_supervised", lambda supervised=supervised: supervised)
        monkeypatch.setattr(compat, "_first_process", lambda first=first: first)
        compat.show_exit.cache_clear()
        compat.show_exit()
        compat.show_exit()
        assert len(registered) == expected
    compat.show_exit.cache_clear()
