"""A real Airflow as its REST API shows it; nothing of Airflow is imported."""

import hashlib
import hmac
from base64 import urlsafe_b64decode
from typing import Any
from urllib.parse import quote

import requests

# A reply of the API server takes milliseconds, with all cores busy some seconds.
TIMEOUT_SECONDS = 30
# While it starts, it may take a request and answer seconds later; who waits wants to look around meanwhile.
START_TIMEOUT_SECONDS = 2


class AirflowRest:
    """Airflow's `REST API <https://airflow.apache.org/docs/apache-airflow/stable/stable-rest-api-ref.html>`_.

    :param url: ``http://127.0.0.1:port`` of the API server.
    :param jwt_secret: What our Airflow signs its tokens with; a stranger on its port does not know it.
    :param task_url: Of the API server that workers use, if it is another.
    """

    def __init__(self, url: str, jwt_secret: str, task_url: str | None = None) -> None:
        self.url = url
        self._task_url = task_url or url
        self._jwt_secret = jwt_secret
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no .netrc: the server is on this machine

    def health(self) -> dict[str, str]:
        """The state of each component, or nothing while the API server does not answer."""
        reply = self._try(f"{self.url}/api/v2/monitor/health")
        if reply is None:
            return {}
        return {name: component.get("status") or "none" for name, component in reply.json().items()}

    def task_api_answers(self) -> bool:
        """Whether the API that workers use is there; the first question makes it, which takes seconds."""
        return self._try(f"{self._task_url}/execution/health") is not None

    def _try(self, url: str) -> requests.Response | None:
        try:
            reply = self._session.get(url, timeout=START_TIMEOUT_SECONDS)
        except (requests.ConnectionError, requests.Timeout):
            return None
        return reply if reply.ok else None

    def login(self) -> None:
        """Get a token, which must be signed with our secret.

        :raises PermissionError: another program answers on our port.
        """
        reply = self._session.get(f"{self.url}/auth/token", timeout=TIMEOUT_SECONDS)
        reply.raise_for_status()
        token = reply.json()["access_token"]
        signed, _, signature = token.rpartition(".")
        expected = hmac.new(self._jwt_secret.encode(), signed.encode(), hashlib.sha512).digest()
        if not hmac.compare_digest(expected, urlsafe_b64decode(signature + "=" * (-len(signature) % 4))):
            raise PermissionError(f"what answers at {self.url} is not the Airflow that was started here")
        self._session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """One request below ``/api/v2``; the JSON of the reply.

        :raises requests.HTTPError: the API refused; the message ends with its reply.
        """
        url = f"{self.url}/api/v2{path}"
        reply = self._session.request(method, url, timeout=TIMEOUT_SECONDS, **arguments)
        if not reply.ok:
            raise requests.HTTPError(f"{method} {path}: {reply.status_code} {reply.text}", response=reply)
        return reply.json() if reply.content else None

    def import_errors(self) -> dict[str, str]:
        """The traceback of every DAG file that cannot be imported."""
        errors = self.call("GET", "/importErrors")["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def dag_ids(self) -> list[str]:
        """The DAGs that were found so far."""
        return [dag["dag_id"] for dag in self.call("GET", "/dags", params={"limit": 100})["dags"]]

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Start a DAG run now; returns its id."""
        body = {"logical_date": None, "conf": conf or {}}
        return str(self.call("POST", f"/dags/{_id(dag_id)}/dagRuns", json=body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        """``queued``, ``running``, ``success`` or ``failed``."""
        return str(self.call("GET", _run(dag_id, run_id))["state"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run, as the API spells them."""
        return list(self.call("GET", f"{_run(dag_id, run_id)}/taskInstances")["task_instances"])

    def task(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """One task instance."""
        return dict(self.call("GET", _task(dag_id, run_id, task_id)))

    def tries(self, dag_id: str, run_id: str, task_id: str) -> list[dict[str, Any]]:
        """Every attempt of one task."""
        return list(self.call("GET", f"{_task(dag_id, run_id, task_id)}/tries")["task_instances"])

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """An XCom value, or None if there is none."""
        try:
            return self.call("GET", f"{_task(dag_id, run_id, task_id)}/xcomEntries/{_id(key)}")["value"]
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code == requests.codes.not_found:
                return None
            raise

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> list[dict[str, Any]]:
        """The log of one attempt as the UI shows it: one dict a line, its text under ``event``."""
        path = f"{_task(dag_id, run_id, task_id)}/logs/{try_number}"
        return list(self.call("GET", path, params={"full_content": "true"})["content"])

    def jobs_page(self, dag_id: str) -> list[dict[str, Any]]:
        """The newest jobs of a DAG, as the provider's page in Airflow's UI has them."""
        reply = self._session.get(
            f"{self.url}/jobs-page/jobs", params={"dag_id": dag_id}, timeout=TIMEOUT_SECONDS
        )
        reply.raise_for_status()
        return list(reply.json()["jobs"])

    def events(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Airflow's audit log of a run, oldest first: when a task started on a worker, deferred, ended, …"""
        filters = {"dag_id": dag_id, "run_id": run_id, "order_by": "event_log_id", "limit": "100"}
        return list(self.call("GET", "/eventLogs", params=filters)["event_logs"])

    def set_state(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Mark a task ``success`` or ``failed``, as the UI's buttons do."""
        self.call("PATCH", _task(dag_id, run_id, task_id), json={"new_state": state})

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Clear tasks of a run, in whatever state they are, so that they run anew."""
        body = {"dry_run": False, "only_failed": False, "dag_run_id": run_id, "task_ids": list(task_ids)}
        self.call("POST", f"/dags/{_id(dag_id)}/clearTaskInstances", json=body)


def _id(text: str) -> str:
    return quote(text, safe="")


def _run(dag_id: str, run_id: str) -> str:
    return f"/dags/{_id(dag_id)}/dagRuns/{_id(run_id)}"


def _task(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run(dag_id, run_id)}/taskInstances/{_id(task_id)}"
