"""What the API server serves for the page: its files to anybody, its data to those who may read them."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep  # noqa: TC002 - FastAPI reads it
from airflow.providers.common.compat.sdk import conf
from airflow.utils.session import create_session
from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field

from airflow_provider_jobs.jobs_page.access import readable_dag_ids
from airflow_provider_jobs.jobs_page.queries import SERVICES, STATES, SUMMED, JobQueries, Wanted
from airflow_provider_jobs.links.base import checked_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser

#: Jobs of a page, and of a file.
PAGE_JOBS = 50
CSV_JOBS = 10_000
#: DAGs that have sums of their own: those that cost most.
SUMMED_DAGS = 100
_TIB = 1024**4
_SECTION, _RATE, _CURRENCY = "airflow_provider_jobs", "bigquery_price_per_tib", "bigquery_price_currency"
_COUNTED = ("jobs", "failed", "running", *SUMMED)
_COLUMNS = (
    *("service", "state", "dag_id", "task_id", "run_id", "map_index", "task_state", "started_at", "ended_at"),
    *("job_id", "job_count", "subject", *SUMMED, "price", "currency", "error", "url"),
)
#: What a spreadsheet takes for the beginning of a formula; the wide ones of East Asia too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: Text without NUL, which PostgreSQL refuses.
_TEXT = r"^[^\x00]*$"
#: The same in a few words: each is looked for in every text of every job.
_FEW_WORDS = r"^\s*([^\x00\s]+(\s+|$)){0,12}$"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def _one_of(words: Iterable[str]) -> str:
    return f"^({'|'.join(words)})$"


class Asked(BaseModel):
    """Which jobs a request is about.

    :param days: Of the last news of a job; 0 for all that Airflow has kept.
    """

    dag_id: str | None = Field(None, max_length=250)
    task_id: str | None = Field(None, max_length=250, pattern=_TEXT)
    service: str | None = Field(None, pattern=_one_of(SERVICES))
    state: str | None = Field(None, pattern=_one_of(STATES))
    search: str = Field("", max_length=200, pattern=_FEW_WORDS)
    days: int = Field(7, ge=0, le=3660)
    order: str = Field("newest", pattern=_one_of(("newest", *SUMMED)))
    page: int = Field(0, ge=0, le=10_000)


def make_app() -> FastAPI:
    """Return the app for Airflow's API server, which mounts it without a look at who asks."""
    app = FastAPI(title="The jobs page", openapi_url=None)
    app.get("/jobs")(get_jobs)
    app.get("/sums")(get_sums)
    app.get("/jobs.csv")(get_csv)
    app.mount("/", _Files(directory=Path(__file__).with_name("static"), html=True))
    return app


class _Files(StaticFiles):
    """The files of the page; none holds data."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update({**_HEADERS, "Cache-Control": "no-cache"})
        return response


def get_jobs(user: GetUserDep, asked: Annotated[Asked, Query()]) -> Response:
    """Tell one page of jobs, and whether there are more."""
    jobs = _jobs(user, asked, asked.page * PAGE_JOBS, PAGE_JOBS + 1)
    now = datetime.now(tz=UTC).isoformat()
    return _json({"jobs": jobs[:PAGE_JOBS], "more": len(jobs) > PAGE_JOBS, "now": now, **_price()})


def get_sums(user: GetUserDep, asked: Annotated[Asked, Query()]) -> Response:
    """Tell the sums of all jobs that are asked for: together, of each day, and of each DAG."""
    with create_session(scoped=False) as session:
        query = _queries(session).sums(_wanted(user, asked, session))
        found = [_plain(dict(row)) for row in session.execute(query).mappings()]
    price = _price()
    dags = sorted(_added(found, "dag_id", price), key=lambda each: (-each["bytes_billed"], -each["jobs"]))
    return _json(
        {
            "total": next(iter(_added(found, None, price)), None),
            "days": sorted(_added(found, "day", price), key=lambda each: str(each["day"])),
            "dags": dags[:SUMMED_DAGS],
            "dag_count": len(dags),
            **price,
        }
    )


def get_csv(user: GetUserDep, asked: Annotated[Asked, Query()]) -> Response:
    """Tell jobs as a file for spreadsheets, the first :data:`CSV_JOBS` of them."""
    currency = _price()["currency"]
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    for job in _jobs(user, asked, 0, CSV_JOBS):
        told = {**job, "currency": currency if job["price"] is not None else None}
        writer.writerow([_cell(told[name]) for name in _COLUMNS])
    headers = {"Content-Disposition": 'attachment; filename="jobs.csv"', "Cache-Control": "no-store"}
    return Response(file.getvalue(), media_type="text/csv; charset=utf-8", headers={**_HEADERS, **headers})


def _jobs(user: BaseUser, asked: Asked, first: int, most: int) -> list[dict[str, Any]]:
    with create_session(scoped=False) as session:
        query = _queries(session).page(_wanted(user, asked, session), asked.order, first, most)
        found = [_plain(dict(row)) for row in session.execute(query).mappings()]
    rate = _price()["rate"]
    return [
        {
            **job,
            "subject": _subject(job),
            "price": _cost(job["bytes_billed"], rate),
            "url": checked_url(job["url"]) or None,
        }
        for job in found
    ]


def _subject(job: Mapping[str, Any]) -> str | None:
    """Return in a few words what a job works on; an anonymous table of a query's result says nothing."""
    table = job["destination_table"] or ""
    names = [job["table"] or job["dataset"], table if "._" not in table else None]
    names = [name for name in names if name] or [job["destination_uri"]]
    names = [name for name in names if name] or [job["operation"] or job["statement_type"], job["object"]]
    return " ".join(str(name) for name in names if name) or job["project_id"]


def _queries(session: Any) -> JobQueries:
    return JobQueries(session.get_bind().dialect.name)


def _wanted(user: BaseUser, asked: Asked, session: Any) -> Wanted:
    """Return what is asked for, as far as the user may read it.

    :raises HTTPException: 403, the user may read nothing of that kind.
    """
    try:
        dag_ids = readable_dag_ids(user, session)
    except PermissionError as error:
        raise HTTPException(403, str(error)) from None
    return Wanted(
        dag_ids=dag_ids & {asked.dag_id} if asked.dag_id else dag_ids,
        since=datetime.now(tz=UTC) - timedelta(days=asked.days) if asked.days else None,
        service=asked.service,
        state=asked.state,
        task_id=asked.task_id,
        words=tuple(asked.search.split()),
    )


def _price() -> dict[str, Any]:
    """Return what a TiB that BigQuery bills costs, None if it is not set, and in which currency.

    :raises HTTPException: 500, the setting is not a number.
    """
    text = conf.get(_SECTION, _RATE, fallback="") or ""
    currency = conf.get(_SECTION, _CURRENCY, fallback="") or "USD"
    try:
        rate = float(text) if text.strip() else None
    except ValueError:
        rate = math.nan
    if rate is not None and not 0 <= rate < math.inf:
        message = f"[{_SECTION}] {_RATE} is {text!r}: it has to be a number, such as 6.25."
        raise HTTPException(500, message)
    return {"rate": rate, "currency": currency}


def _cost(bytes_billed: float | None, rate: float | None) -> float | None:
    return None if bytes_billed is None or rate is None else bytes_billed / _TIB * rate


def _added(rows: list[dict[str, Any]], by: str | None, price: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sums of rows that have the same in one column; of all rows if none is named."""
    groups: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row[by] if by else None].append(row)
    found = []
    for key, group in groups.items():
        sums = {name: sum(row[name] or 0 for row in group) for name in _COUNTED}
        sums["price"] = _cost(sums["bytes_billed"], price["rate"])
        found.append({**({by: key} if by else {}), **sums})
    return found


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a database tells, as JSON has it."""
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if isinstance(value, date) else value  # a datetime is a date


def _cell(value: Any) -> Any:
    """Return a value for a cell of CSV: text stays text, whatever it begins with."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _json(document: Mapping[str, Any]) -> JSONResponse:
    return JSONResponse(document, headers={**_HEADERS, "Cache-Control": "no-store"})
