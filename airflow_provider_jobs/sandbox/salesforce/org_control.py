"""The control endpoints of the org: what tests do to its records and objects, and no API does here."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.salesforce.org import IngestFailed, SalesforceRefusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow_provider_jobs.sandbox.call import Call, Handler
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

LOGS = ("kept", "trimmed")


class OrgControl:
    """The control methods; each takes an ``action``."""

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
