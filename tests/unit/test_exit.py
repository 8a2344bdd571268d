"""The end of a task's process is seen at once by who reads its sockets to their end, as Airflow does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from airflow_provider_jobs import compat

#: Many threads make the end of a process long: its sockets end well before it can be reaped.
TASK = """
import atexit, threading
from airflow_provider_jobs import compat

for _ in range(200):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
atexit.register(compat._hold_sockets)
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux can tell of the end of a process")
def test_a_process_can_be_reaped_when_its_sockets_end() -> None:
    for _ in range(10):
        ours, its = socket.socketpair()
        task = subprocess.Popen([sys.executable, "-c", TASK], stdout=its.fileno(), stderr=its.fileno())
        its.close()
        while ours.recv(1024):  # what the start of another Airflow may have to say
            pass
        assert os.waitpid(task.pid, os.WNOHANG) == (task.pid, 0)
        task.returncode = 0
        ours.close()


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
