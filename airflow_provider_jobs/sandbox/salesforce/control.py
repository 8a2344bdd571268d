"""The control endpoints of Salesforce: its settings, the states of its jobs, its records and objects."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.operations import steering
from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.salesforce.job_fields import whole_job
from airflow_provider_jobs.sandbox.salesforce.jobs import ENDED, JOB_COMPLETE, OPEN, QUERY, Job
from airflow_provider_jobs.sandbox.salesforce.org import IngestFailed, SalesforceRefusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow_provider_jobs.sandbox.call import Call, Handler
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

# What may be told of a job beside its state, and what it is called here.
COUNTERS = {
    "numberRecordsProcessed": "processed",
    "numberRecordsFailed": "failed",
    "retries": "retries",
    "totalProcessingTime": "processing_ms",
}
TEXTS = {"errorMessage": "error_message"}


class SalesforceControl:
    """The control methods."""

    def __init__(self, service: SalesforceState) -> None:
        self._service = service

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Give method, path and handler of each."""
        return [
            *steering(self._service.settings, "/sandbox/salesforce"),
            ("GET", "/sandbox/salesforce/jobs", self.list_jobs),
            ("POST", "/sandbox/salesforce/jobs/{job}", self.force_job),
        ]

    async def list_jobs(self, _call: Call) -> Reply:
        """Give every job, oldest first, without counting as a poll."""
        return Reply({"jobs": await self.jobs()})

    async def jobs(self) -> list[dict[str, Any]]:
        """Give every job, oldest first."""
        return [self._shown(job) for job in self._service.store.all()]

    async def force_job(self, call: Call) -> Reply:
        """Put a job into any state."""
        return Reply(await self.force(call.path("job"), await call.document()))

    async def force(self, job_id: str, spec: dict[str, Any]) -> dict[str, Any]:
        """Put a job into a state, or change its counters; a state that is not final stays until another.

        ``JobComplete`` ends the job as it would have ended, without further waiting.
        """
        job = self._service.store.known(job_id)
        if job is None:
            raise Refusal(404, "notFound", "There is no such job.")
        changes = _changes(spec)
        state = spec.get("state")
        if state is not None and (not isinstance(state, str) or not state.isprintable() or not state):
            raise Refusal(400, "invalid", "state must be text.")
        if state is not None:
            await self._put(job, state)
        for name, value in changes.items():
            setattr(job, name, value)
        self._service.store.keep(job)
        return self._shown(job)

    async def _put(self, job: Job, state: str) -> None:
        store = self._service.store
        if state == JOB_COMPLETE and not self._has_results(job):
            if job.state in ENDED | {OPEN}:
                raise Refusal(400, "invalid", f"A job that is {job.state} cannot complete.")
            job.hurried.set()
            job.free.set()
            self._service.runner.submit(job)
            await job.ended.wait()
            return
        if state in ENDED:
            store.change(job, state)
            job.free.set()
        else:
            job.ended.clear()
            job.free.clear()
            store.change(job, state)

    def _has_results(self, job: Job) -> bool:
        if job.kind == QUERY:
            return job.state in ENDED and self._service.store.result_path(job).exists()
        return bool(job.outcome)

    def _shown(self, job: Job) -> dict[str, Any]:
        query = {"query": job.query} if job.kind == QUERY else {}
        return {**whole_job(job, self._service.settings.api_version_type), **query}


def _changes(spec: dict[str, Any]) -> dict[str, Any]:
    known = {"state"} | COUNTERS.keys() | TEXTS.keys()
    for name, value in spec.items():
        if name not in known:
            raise Refusal(
                400, "invalid", f"A job has no setting {name}; there are {', '.join(sorted(known))}."
            )
        if name in COUNTERS and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise Refusal(400, "invalid", f"{name} must be a whole number.")
        if name in TEXTS and not isinstance(value, str):
            raise Refusal(400, "invalid", f"{name} must be text.")
    names = COUNTERS | TEXTS
    return {names[name]: value for name, value in spec.items() if name in names}


LOGS = ("kept", "trimmed")


class OrgControl:
    """What tests do to records and objects, and no API does here; each method takes an ``action``."""

    def __init__(self, service: SalesforceState) -> None:
        self._service = service
        self._org = service.org

    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Give method, path and handler of each."""
        methods = {"records": self.records, "transactions": self.transaction, "schema": self.schema}
        return [("POST", f"/sandbox/salesforce/{name}", _handler(each)) for name, each in methods.items()]

    async def records(self, spec: dict[str, Any]) -> dict[str, Any]:
        """``delete``, ``undelete``, ``merge`` (``into`` another) or ``purge`` records, by their ``ids``.

        A purge leaves no record that a query shows; with ``log="trimmed"`` getDeleted tells nothing of it.
        """
        given = _Given(spec)
        action, name, ids = given.text("action"), given.text("object"), given.texts("ids")
        if action == "delete":
            moved = self._service.settings.cascade_stamps == "moved"
            await self._do(self._org.bin, name, ids, stamps=moved)
        elif action == "undelete":
            await self._do(self._org.undelete, name, ids)
        elif action == "merge":
            await self._do(self._org.merge, name, given.text("into"), ids)
        elif action == "purge":
            await self._do(self._org.purge, name, ids, trimmed=given.word("log", LOGS) == "trimmed")
        else:
            raise _unknown(action, "delete, undelete, merge, purge")
        return {}

    async def transaction(self, spec: dict[str, Any]) -> dict[str, Any]:
        """``begin`` one, which gives its ``id``; ``write`` ``records`` in it, ``commit`` it or ``roll_back``.

        ``write`` takes ``object``, ``operation`` (``insert`` if not given), ``key`` of an upsert, and records
        as objects of texts. A commit gives the ``errors`` of records that were not written.
        """
        given = _Given(spec)
        action = given.text("action")
        if action == "begin":
            return {"id": self._org.begin()}
        open_one = given.text("id")
        if action == "write":
            content = given.records("records")
            operation, key = given.text("operation", "insert"), given.text("key", "") or None
            await self._do(self._org.write, open_one, given.text("object"), operation, key, content)
            return {}
        if action == "commit":
            return {"errors": await self._do(self._org.commit, open_one)}
        if action == "roll_back":
            await self._do(self._org.roll_back, open_one)
            return {}
        raise _unknown(action, "begin, write, commit, roll_back")

    async def schema(self, spec: dict[str, Any]) -> dict[str, Any]:
        """``add``, ``hide``, ``show``, ``rename`` (``to``) or ``retype`` a ``field`` of an ``object``.

        ``add`` and ``retype`` take ``type``, ``length``, ``digits`` and ``scale``. ``use_currencies`` lets
        every object have a CurrencyIsoCode. No stamp moves.
        """
        given = _Given(spec)
        action = given.text("action")
        if action == "use_currencies":
            await self._do(self._org.use_currencies)
        else:
            await self._do(self._org.change_field, given.text("object"), action, given.text("field"), spec)
        return {}

    async def _do(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return await self._service.ask(method, *args, **kwargs)
        except SalesforceRefusal as refusal:
            raise Refusal(400, "invalid", refusal.message) from refusal
        except IngestFailed as problem:
            raise Refusal(400, "invalid", problem.message) from problem


def _handler(method: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> Handler:
    async def handled(call: Call) -> Reply:
        return Reply(await method(await call.document()))

    return handled


class _Given:
    """What a request gives, read with its type; each method refuses what is missing or of another."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec

    def text(self, name: str, default: str | None = None) -> str:
        found = self._spec.get(name, default)
        if not isinstance(found, str):
            raise Refusal(400, "invalid", f"{name} must be text.")
        return found

    def word(self, name: str, words: tuple[str, ...]) -> str:
        found = self.text(name, words[0])
        if found not in words:
            raise Refusal(400, "invalid", f"{name} must be one of {', '.join(words)}.")
        return found

    def texts(self, name: str) -> list[str]:
        found = self._spec.get(name)
        if not isinstance(found, list) or not found or not all(isinstance(each, str) for each in found):
            raise Refusal(400, "invalid", f"{name} must be a list of texts.")
        return found

    def records(self, name: str) -> bytes:
        """Give records as CSV; the first names the columns."""
        found = self._spec.get(name)
        if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
            raise Refusal(400, "invalid", f"{name} must be a list of objects.")
        text = io.StringIO()
        writer = csv.DictWriter(text, list(found[0]), lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(found)
        return text.getvalue().encode()


def _unknown(action: str, actions: str) -> Refusal:
    return Refusal(400, "invalid", f"There is no action {action[:50]!r}; there are {actions}.")
