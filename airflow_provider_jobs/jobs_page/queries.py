"""What Airflow's database knows of jobs, in SQL: the XCom ``job`` of each task instance's latest attempt.

Whoever writes a DAG may write any XCom, so nothing in its value is taken for what it should be: a number is
one, or is not told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import JSON, Numeric, and_, case, cast, func, or_, select, type_coerce

from airflow_provider_jobs.jobs import JobState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from sqlalchemy.sql import ColumnElement, Select, Subquery

#: Each service, and fields that only results of its jobs have; those of several jobs may lack the project.
_SERVICES = {
    "salesforce": ("api_version",),
    "bigquery": ("project_id", "jobs"),
    "redivis": ("table", "dataset", "uploads"),
}
SERVICES = tuple(_SERVICES)
#: The state of a job whose task is over without having seen it end.
UNKNOWN = "unknown"
STATES = (*map(str, JobState), UNKNOWN)
#: Characters of a text that are asked for: an error is cut to as many when it is written.
_MOST_CHARACTERS = 1000
#: More than any job has bytes or rows; what is above does not fit into JSON's numbers.
_MOST = 10**15
#: What the databases call the type of a number.
_NUMBER_TYPES = ("number", "integer", "real", "INTEGER", "UNSIGNED INTEGER", "DOUBLE", "DECIMAL")
#: States of tasks that wait for their job, or are on the way back from waiting.
_WAITING = ("running", "deferred", "scheduled", "queued", "restarting")
#: States of tasks that have failed, whatever their job did.
_FAILED = ("failed", "up_for_retry")
#: Texts of a job that say what it works on.
_SUBJECTS = (
    *("project_id", "destination_table", "destination_uri", "table", "dataset"),
    *("object", "operation", "statement_type"),
)
#: Where those are that are not a field by their name: of an extract the first address.
_PATHS: dict[str, Any] = {"destination_uri": ("destination_uris", 0)}
_TEXTS = ("job_id", "url", "error", *_SUBJECTS)
#: What a job may be found by.
_SEARCHED = ("dag_id", "task_id", "run_id", "job_id", "error", *_SUBJECTS)
#: Numbers, and the fields that tell them: the first that is one counts.
_NUMBERS = {
    "duration": ("duration_seconds", "processing_seconds"),
    "rows": ("row_count", "record_count"),
    "bytes_processed": ("bytes_processed", "input_bytes", "size_bytes"),
    "bytes_billed": ("bytes_billed",),
    "slot_ms": ("slot_ms",),
    "job_count": ("job_count", "upload_count"),
}
#: What pages and sums tell.
SUMMED = ("seconds", "rows", "bytes_processed", "bytes_billed", "slot_ms")


@dataclass(frozen=True)
class Wanted:
    """Which jobs are asked for.

    :param dag_ids: The DAGs that they may be of.
    :param since: When the last news of a job came, at the earliest.
    :param words: Each has to be somewhere in what a job may be found by.
    """

    dag_ids: Collection[str]
    since: datetime | None = None
    service: str | None = None
    state: str | None = None
    task_id: str | None = None
    words: tuple[str, ...] = ()


class JobQueries:
    """Builds the queries.

    :param dialect: SQLAlchemy's name of the database.
    """

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._value: Any = XComModel.value
        if dialect == "sqlite":  # it keeps what is not JSON, such as NaN, and fails when it is to read it
            valid = func.json_valid(XComModel.value) == 1
            self._value = type_coerce(case((valid, XComModel.value)), JSON)

    def page(self, wanted: Wanted, order: str, first: int, most: int) -> Select[Any]:
        """Return the query of one page of jobs.

        :param order: ``newest``, or one of :data:`SUMMED`: the largest first.
        """
        told = self._told(wanted)
        largest = (func.coalesce(_summed(told)[order], -1).desc(),) if order in SUMMED else ()
        newest = (told.c.told_at.desc(), told.c.dag_run_id.desc(), told.c.task_id, told.c.map_index)
        columns = (
            *(told.c[name] for name in ("dag_id", "task_id", "run_id", "map_index", "told_at")),
            *(told.c[name] for name in ("started_at", "ended_at", "task_state", "job_state", "job_count")),
            *(told.c[name] for name in _TEXTS),
            *(_service(told).label("service"), _state(told).label("state")),
            *(each.label(name) for name, each in _summed(told).items()),
        )
        return _chosen(columns, told, wanted).order_by(*largest, *newest).offset(first).limit(most)

    def sums(self, wanted: Wanted) -> Select[Any]:
        """Return the query of the sums of each DAG and day."""
        told = self._told(wanted)
        counts = (
            func.sum(case((_state(told) == state, 1), else_=0)).label(state)
            for state in (JobState.FAILED, JobState.RUNNING)
        )
        sums = (func.sum(each).label(name) for name, each in _summed(told).items())
        columns = (told.c.dag_id, told.c.day, func.count().label("jobs"), *counts, *sums)
        return _chosen(columns, told, wanted).group_by(told.c.dag_id, told.c.day)

    def _told(self, wanted: Wanted) -> Subquery:
        """Return what XComs and their task instances tell."""
        at: Any = XComModel.timestamp
        query = select(
            *(XComModel.dag_id, XComModel.task_id, XComModel.run_id, XComModel.map_index),
            *(XComModel.dag_run_id, XComModel.timestamp.label("told_at")),
            func.date(func.timezone("UTC", at) if self._dialect == "postgresql" else at).label("day"),
            *(TaskInstance.start_date.label("started_at"), TaskInstance.end_date.label("ended_at")),
            *(TaskInstance.state.label("task_state"), TaskInstance.duration.label("task_seconds")),
            self._text("state").label("job_state"),
            *(self._text(name).label(name) for name in _TEXTS),
            *(self._number(*fields).label(name) for name, fields in _NUMBERS.items()),
            *(self._has(*fields).label(f"of_{name}") for name, fields in _SERVICES.items()),
        )
        same = (
            getattr(XComModel, name) == getattr(TaskInstance, name)
            for name in ("dag_id", "task_id", "run_id", "map_index")
        )
        query = query.select_from(XComModel).join(TaskInstance, and_(*same))
        query = query.where(XComModel.key == "job", XComModel.dag_id.in_(wanted.dag_ids))
        query = query.where(self._kind("shared").is_(None))  # of the task that has made the job it is told
        if wanted.since:
            query = query.where(XComModel.timestamp >= wanted.since)
        if wanted.task_id:
            query = query.where(XComModel.task_id == wanted.task_id)
        return query.subquery("told")

    def _kind(self, name: str) -> ColumnElement[Any]:
        """Return the JSON type of a field, NULL if there is none of that name."""
        if self._dialect == "postgresql":
            return func.jsonb_typeof(self._value[name])
        if self._dialect == "sqlite":
            return func.json_type(self._value, f"$.{name}")
        return func.json_type(func.json_extract(self._value, f"$.{name}"))

    def _has(self, *names: str) -> ColumnElement[Any]:
        return case((or_(*(self._kind(name).is_not(None) for name in names)), 1), else_=0)

    def _text(self, name: str) -> ColumnElement[Any]:
        return func.substr(self._value[_PATHS.get(name, name)].as_string(), 1, _MOST_CHARACTERS)

    def _number(self, *names: str) -> ColumnElement[Any]:
        """Return the first of these fields that is a number, and can be one of a job."""
        found = []
        for name in names:
            value: Any = func.json_extract(self._value, f"$.{name}")
            if self._dialect == "postgresql":
                value = cast(self._value[name].as_string(), Numeric)
            # One condition in the other: what is not a number is not compared with one.
            found.append(case((self._kind(name).in_(_NUMBER_TYPES), case((value.between(0, _MOST), value)))))
        return func.coalesce(*found, None)


def _chosen(columns: Iterable[ColumnElement[Any]], told: Subquery, wanted: Wanted) -> Select[Any]:
    """Return the query of some columns of the jobs that are wanted."""
    service, state = _service(told), _state(told)
    query = select(*columns).where(told.c.job_state.is_not(None), service.is_not(None))
    if wanted.service:
        query = query.where(service == wanted.service)
    if wanted.state:
        query = query.where(state == wanted.state)
    for word in wanted.words:
        found = (func.lower(told.c[name]).contains(word.lower(), autoescape=True) for name in _SEARCHED)
        query = query.where(or_(*found))
    return query


def _service(told: Subquery) -> ColumnElement[Any]:
    """Return whose job it is; NULL of a value that is not of our operators."""
    return case(*((told.c[f"of_{name}"] == 1, name) for name in SERVICES))


def _state(told: Subquery) -> ColumnElement[Any]:
    """Return how a job did, as far as it and its task know."""
    state = told.c.job_state
    active = and_(state.in_((JobState.PENDING, JobState.RUNNING)), told.c.task_state.in_(_WAITING))
    return case(
        (state == JobState.CANCELLED, JobState.CANCELLED),
        (or_(state == JobState.FAILED, told.c.task_state.in_(_FAILED)), JobState.FAILED),
        (state == JobState.SUCCEEDED, JobState.SUCCEEDED),
        (active, state),
        else_=UNKNOWN,
    )


def _summed(told: Subquery) -> dict[str, ColumnElement[Any]]:
    """Return the columns of :data:`SUMMED`; the seconds are the task's where the service tells none."""
    seconds = func.coalesce(told.c.duration, told.c.task_seconds)
    return {name: seconds if name == "seconds" else told.c[name] for name in SUMMED}
