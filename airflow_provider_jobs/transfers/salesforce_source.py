"""Records of Salesforce on their way to a target: which of them, and the one query that reads them.

A run is planned once. What it reads is kept for its retries, and carried through its deferrals: a later
attempt adopts the query, and goes on where the one before came to.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jobs.clients.salesforce.submit import SalesforceRequest
from airflow_provider_jobs.core import several
from airflow_provider_jobs.core.work import Submission
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.operators.memory import TaskMemory, left_out
from airflow_provider_jobs.operators.salesforce.job import SalesforceTask, adoptable, memory_of
from airflow_provider_jobs.transfers.salesforce_fields import (
    FieldChoice,
    check_fields_of_query,
    parents_of,
    select_fields,
    select_query,
)
from airflow_provider_jobs.transfers.salesforce_lineage import TransferLineage
from airflow_provider_jobs.transfers.salesforce_reading import Described, Reading, Span
from airflow_provider_jobs.transfers.salesforce_soql import check_name, check_where, read_query
from airflow_provider_jobs.transfers.salesforce_window import (
    FORMULAS,
    FULL,
    INCREMENTAL,
    OVERLAP,
    WINDOW,
    check_mode,
    check_overlap,
    cursor_of,
    explicit_window,
    literal,
    synced_to,
    upper_bound,
    window_since,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
    from airflow_provider_jobs.jobs import JobStatus
    from airflow_provider_jobs.transfers.salesforce_window import Mark

#: The stage that every transfer begins with; those of its target follow.
QUERY = "query"
#: What getUpdated is asked of: it tells of the oldest open transaction, whatever the span.
_UPDATED_SPAN = dt.timedelta(minutes=2)


class SalesforceTransfer(SalesforceTask, TransferLineage):
    """What all transfers from Salesforce share; see :class:`.JobOperator` for how they wait.

    :param object_name: The object whose records are read, such as ``Account``.
    :param where: A condition of SOQL that records have to meet.
    :param api_version: The API version, such as ``59.0``, by which fields may differ; default is the
        connection's.
    """

    template_fields: Sequence[str] = (
        *("object_name", "where", "api_version"),
        *SalesforceTask.template_fields,
    )

    def __init__(
        self,
        *,
        object_name: str | None = None,
        where: str | None = None,
        api_version: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not self.wait:
            raise ValueError("wait=False is not for a transfer: it has several jobs, one after another")
        self.object_name = object_name
        self.where = where
        self.api_version = api_version

    # What a transfer adds.

    def wanted(self) -> dict[str, Any]:
        """Return what the user asks for: a retry goes on with what was made for the same."""
        return {name: getattr(self, name) for name in SalesforceTransfer.template_fields}

    def described(self, client: SalesforceClient) -> Described:
        """Ask for the object, and decide which of its fields are read.

        :raises ConfigurationError: what is wanted does not fit it.
        """
        raise NotImplementedError

    def span_of(self, client: SalesforceClient, context: Context, described: Described) -> Span:
        """Decide which records are read."""
        raise NotImplementedError

    def check_target(self, context: Context, described: Described, reading: Reading) -> None:
        """See that the target can take what is read, before anything is.

        :raises ConfigurationError: it cannot.
        """
        raise NotImplementedError

    def still_fits(self, context: Context, span: Span) -> bool:
        """Return False if a retry has to decide anew what is read: the target is another by now."""
        return True

    def into(self) -> object:
        """Return what names the target: a plan of another target's mark is of no use."""
        return None

    # What is the same for all.

    @property
    def stage(self) -> str:
        """What the task is at."""
        return str(self._carried.get("stage", QUERY))

    def enter(self, stage: str) -> Any:
        """Begin a stage, and return the client of its service; the jobs of the one before have ended."""
        self._carried["stage"] = stage
        self._carried.pop("shared", None)
        self._refs = []
        self._client = self.client()
        return self._client

    def begin(self, stage: str, context: Context) -> list[Submission]:
        """Begin a stage, and return its jobs."""
        return list(self.submissions(self.enter(stage), context))

    def note(self, statuses: Sequence[JobStatus]) -> None:
        """Remember the jobs of a stage that has ended, and how long it took."""
        name = f"refresh_{self.stage}" if self.refreshes else self.stage
        self.note_seconds(name, self._carried["since"])
        ids = several.joined_ids([status.ref for status in statuses])
        self._carried["job_ids"] = {**self._carried.get("job_ids", {}), name: ids}

    def note_seconds(self, name: str, since: float) -> None:
        """Remember how long something took that has ended now."""
        seconds = round(max(0.0, time.time() - since), 1)
        self._carried["seconds"] = {**self._carried.get("seconds", {}), name: seconds}

    def ends_in_trigger(self) -> bool:
        """Return False: what is read has to be taken somewhere."""
        return False

    @property
    def reading(self) -> Reading:
        """What the run reads, once that is decided."""
        return Reading.from_json(self._carried["reading"])

    @property
    def refreshes(self) -> bool:
        """True if the run is past its changes, and reads fields that are new of all records."""
        return "refresh" in self._carried

    @property
    def counted(self) -> str:
        """Where the counts of what has been changed are carried."""
        return "refreshed" if self.refreshes else "counts"

    def source_client(self) -> SalesforceClient:
        """Return the client of the org."""
        return SalesforceHook(self.salesforce_conn_id).get_conn()

    def kept_run(self, client: SalesforceClient, context: Context) -> TaskMemory:
        """Return where the run is kept for its retries."""
        refresh = self._carried.get("refresh", ())
        work = [self.api_version or client.version, self.wanted(), self.into(), refresh]
        key = f"salesforce_transfer{'_refresh' if refresh else ''}"
        return memory_of(client, context, key, work, self._since)

    def check_parameters(self) -> None:
        """See that parameters are right and fit together, before any request is sent.

        :raises ConfigurationError: they do not.
        """
        check_name(str(self.object_name or ""), "object_name")
        check_where(self.where)

    def query(self, client: SalesforceClient, context: Context) -> list[Submission]:
        """Create the query's job, or go on with that of an earlier attempt."""
        self.check_parameters()
        memory = self.kept_run(client, context)
        kept, described = memory.recall(), self.described(client)
        refresh = self._carried.get("refresh", ())
        if kept:
            span = Span.from_json(kept["span"])
            reading = described.reading(span, self.where, refresh)
            status = adoptable(client, JobRef.from_json(kept["job"]))
            if status and kept["digest"] == reading.digest and self.still_fits(context, span):
                self._carried |= {"reading": reading.to_json(), "round": kept["round"], **kept["facts"]}
                return [Submission(status, adopted=True)]
        span = Span(FORMULAS) if refresh else self.span_of(client, context, described)
        reading = described.reading(span, self.where, refresh)
        if not refresh:
            self.check_target(context, described, reading)
        self._carried |= {"reading": reading.to_json(), "round": 0}
        facts = {"added": self._carried["added"]} if "added" in self._carried else {}
        kept = {"span": reading.span.to_json(), "digest": reading.digest, "round": 0, "facts": facts}
        request = SalesforceRequest(
            body={"operation": reading.operation, "query": reading.soql, "contentType": "CSV"},
            version=self.api_version or None,
            on_created=lambda ref: self._keep(ref, lambda: memory.remember({**kept, "job": ref.to_json()})),
        )
        return [self._submitted(client, request)]

    def next_round(self, client: SalesforceClient, context: Context) -> None:
        """Have all that was read sent again, by the next attempt or this one: what was sent is of no use."""
        self._carried["round"] += 1
        memory = self.kept_run(client, context)
        if kept := memory.recall():
            memory.remember({**kept, "round": self._carried["round"]})

    def note_done(self, context: Context, facts: Mapping[str, Any]) -> None:
        """Let a retry know what is done, whatever becomes of this attempt.

        :param facts: What is carried from then on.
        """
        memory = self.kept_run(self.source_client(), context)
        with left_out("what the run has done"):
            if kept := memory.recall():
                memory.remember({**kept, "facts": {**kept["facts"], **facts}})

    def work_of(self, body: dict[str, Any]) -> tuple[str, str]:
        """Return the query, or what the target's job does, for the log."""
        if "operation" in body:
            return str(body["operation"]), str(body["query"])
        return super().work_of(body)


class SalesforceSource(SalesforceTransfer):
    """Which records and fields a transfer reads.

    The object is described in every run: fields that are new are read, those that are gone or hidden are not.

    :param soql: In place of ``object_name``: a query of one object whose select list has fields and fields of
        parents alone, Id among them; or a .soql file. With mode ``full``.
    :param mode: ``full`` reads all records, ``incremental`` those that changed since the target's mark,
        ``window`` those that changed in ``window``, and leaves the mark alone; ``formulas`` reads formulas
        and fields of parents of all records, since no stamp of a record moves with these.
    :param window: A start and an end, of which the end is not in it: times with a zone, or texts of them.
    :param fields: Fields to read, and fields of parents such as ``Owner.Name``; ``*`` stands for all of the
        object. Default is all that the user may read and the Bulk API gives.
    :param exclude_fields: Fields of the object to leave out.
    :param formulas: ``include`` or ``exclude``: formulas are as true as when their record was read.
    :param overlap: How far before the mark an incremental run reads again.
    """

    template_fields: Sequence[str] = (
        *("soql", "mode", "window", "fields", "exclude_fields"),
        *SalesforceTransfer.template_fields,
    )
    template_ext: Sequence[str] = (".soql", ".sql")
    file_fields: ClassVar[tuple[str, ...] | None] = ("soql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"soql": "sql"}

    def __init__(
        self,
        *,
        soql: str | None = None,
        mode: str = FULL,
        window: Sequence[Any] | None = None,
        fields: Sequence[str] | None = None,
        exclude_fields: Sequence[str] = (),
        formulas: str = "include",
        overlap: dt.timedelta = OVERLAP,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.soql = soql
        self.mode = mode
        self.window = window
        self.fields = fields
        self.exclude_fields = exclude_fields
        self.formulas = formulas
        self.overlap = overlap

    # What a target adds.

    def target_mark(self, context: Context) -> Mark:
        """Return up to when the target is complete."""
        raise NotImplementedError

    # What is the same for all targets.

    def field_choice(self) -> FieldChoice:
        """Return which fields are wanted, and how."""
        return FieldChoice(self.fields, self.exclude_fields or (), self.formulas)

    def wanted(self) -> dict[str, Any]:
        """Return what the user asks for: a retry goes on with what was made for the same."""
        own = (*SalesforceSource.template_fields, "formulas", "overlap")
        return {name: getattr(self, name) for name in own}

    def check_parameters(self) -> None:
        """See that parameters are right and fit together, before any request is sent."""
        if bool(self.object_name) == bool(self.soql):
            raise ConfigurationError("give object_name or soql, one of them")
        choice = self.field_choice()
        check_mode(self.mode, "", None, is_query=bool(self.soql))
        check_overlap(self.overlap)
        if (self.window is not None) != (self.mode == WINDOW):
            raise ConfigurationError(f'window is for mode "{WINDOW}", which needs it; mode is {self.mode!r}')
        if self.mode == WINDOW:
            explicit_window(self.window)
        if not self.soql:
            super().check_parameters()
            return
        read_query(self.soql)
        if self.where:
            raise ConfigurationError("where clashes with soql: the query has its own")
        check_fields_of_query(choice)

    def described(self, client: SalesforceClient) -> Described:
        """Ask for the object, and for those whose fields are read besides; log what is not read.

        :raises ConfigurationError: what is wanted does not fit them.
        """
        version, choice = self.api_version or None, self.field_choice()
        query = read_query(self.soql) if self.soql else None
        name = query.object_name if query else str(self.object_name)
        describe = client.describe(name, version)
        paths = query.paths if query else choice.fields or ()
        parents: dict[str, Mapping[str, Any]] = {}
        while missing := parents_of(describe, paths, parents):
            parents |= {each: client.describe(each, version) for each in sorted(missing)}
        cursor = cursor_of(describe)
        check_mode(self.mode, name, cursor)
        selection = (
            select_query(query, describe, choice, parents)
            if query
            else select_fields(describe, choice, cursor=cursor.field, parents=parents)
        )
        return Described(describe, cursor, selection, query)

    def span_of(self, client: SalesforceClient, context: Context, described: Described) -> Span:
        """Decide which records are read."""
        if self.mode == WINDOW:
            return Span(WINDOW, explicit_window(self.window))
        if self.mode == FORMULAS:
            return Span(FORMULAS)
        mark = self.target_mark(context)
        upper = upper_bound(dt.datetime.fromtimestamp(client.service_time(client.timing.now()), dt.UTC))
        complete = None
        if described.cursor.field and not described.query:
            complete = synced_to(upper, self._covered(client, described, upper))
        if self.mode == INCREMENTAL and mark.at:
            return Span(INCREMENTAL, window_since(mark.at, upper, self.overlap), complete, mark.at)
        if self.mode == INCREMENTAL:
            self.log.info("all records are read: %s", mark.reason)
        return Span(FULL, None, complete, mark.at, upper)

    def _covered(
        self, client: SalesforceClient, described: Described, upper: dt.datetime
    ) -> dt.datetime | None:
        """Return the beginning of the oldest transaction that is open; None if Salesforce does not tell."""
        if not described.describe.get("replicateable"):
            return None
        name = described.selection.object_name
        told = client.get_updated(name, upper - _UPDATED_SPAN, upper, self.api_version or None)
        return dt.datetime.fromisoformat(str(told["latestDateCovered"]))

    def tell_reading(self, described: Described, reading: Reading) -> None:
        """Say in the log which records are read, and which fields are not."""
        span, left_out = reading.span, described.selection.left_out
        window = span.window
        by = f" by {reading.cursor}" if reading.cursor else ""
        when = f"from {literal(window.start)} to {literal(window.end)}" if window else "all records"
        self.log.info(
            "%s, mode %s: %s%s, %s fields",
            *(reading.object_name, span.mode, when, by, len(reading.columns)),
        )
        if told := [f"{name} ({why})" for name, why in left_out.items() if why != "not in fields"]:
            self.log.info("fields that are not read: %s", several.names(told))
