"""What the page's endpoints tell, and whom: on a real API server, which lies below a path."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.jobs_page.conftest import DAILY, HOSTILE, NEWS, OLD, RUN

if TYPE_CHECKING:
    from tests.integration.jobs_page.server import ApiServer

WEEK, ALL = len(NEWS) + len(DAILY), len(NEWS) + len(DAILY) + len(OLD)
DATA = pytest.mark.parametrize("path", ["jobs", "sums", "jobs.csv"])


def jobs(server: ApiServer, user: str = "admin", **parameters: Any) -> list[dict[str, Any]]:
    reply = server.get("jobs-page/jobs", user, **parameters)
    assert reply.status_code == 200, reply.text
    found: list[dict[str, Any]] = reply.json()["jobs"]
    return found


def test_airflow_lists_the_plugin(server: ApiServer) -> None:
    """Each view is valid, or Airflow would leave all out without a word; each has its own route."""
    reply = server.get("api/v2/plugins", "viewer").json()
    (plugin,) = [each for each in reply["plugins"] if each["name"] == "airflow_provider_jobs"]
    assert [view["destination"] for view in plugin["external_views"]] == ["nav", "dag", "task"]
    assert len({view["url_route"] for view in plugin["external_views"]}) == 3
    assert plugin["fastapi_apps"][0]["url_prefix"] == "/jobs-page"
    assert server.get("api/v2/plugins/importErrors", "admin").json()["import_errors"] == []
    for view in plugin["external_views"]:
        for address in (view["href"].partition("?")[0], view["icon"], view["icon_dark_mode"]):
            assert server.get(address).status_code == 200, address


@DATA
def test_nobody_sees_anything_without_login(server: ApiServer, path: str) -> None:
    assert server.get(f"jobs-page/{path}").status_code == 401
    wrong = server.get(f"jobs-page/{path}", cookies={"_token": "made up"})
    assert (wrong.status_code, wrong.json()) == (403, {"detail": "Invalid JWT token"})


@DATA
def test_who_may_not_read_xcoms_is_told_so(server: ApiServer, path: str) -> None:
    reply = server.get(f"jobs-page/{path}", "stranger")
    assert reply.status_code == 403
    assert "may read task instances and XComs" in reply.json()["detail"]


@DATA
@pytest.mark.parametrize(
    ("user", "sees"), [("admin", True), ("viewer", True), ("shopkeeper", False), ("half", False)]
)
def test_a_viewer_sees_the_dags_that_they_may_read(
    server: ApiServer, path: str, user: str, sees: bool
) -> None:
    """Of another DAG nobody learns anything: not by its name, by a search, or by a sum."""
    for parameters in ({}, {"dag_id": "shop_secret"}, {"search": "salaries"}, {"days": 0}):
        text = server.get(f"jobs-page/{path}", user, **parameters).text
        assert ("shop_secret" in text) is sees
        assert ("salaries" in text) is (sees and path != "sums")
    sums = server.get("jobs-page/sums", user).json()["total"]
    assert sums["jobs"] == WEEK - (not sees)


def test_a_row_tells_all_of_a_job(server: ApiServer) -> None:
    (job,) = jobs(server, search="daily merge")
    assert {name: job[name] for name in ("service", "state", "dag_id", "task_id", "run_id", "subject")} == {
        "service": "bigquery",
        "state": "succeeded",
        "dag_id": "shop_daily",
        "task_id": "total",
        "run_id": RUN,
        "subject": "shop.sales.daily",
    }
    assert (job["seconds"], job["rows"], job["slot_ms"]) == (12.5, 1234, 90_000)
    assert (job["bytes_processed"], job["bytes_billed"]) == (800 * 2**30, 2**40)
    assert job["price"] == 6.25
    assert job["url"].startswith("https://console.cloud.google.com/bigquery?project=shop&j=bq:EU:")


def test_an_extract_is_named_and_found_by_where_it_writes(server: ApiServer) -> None:
    (job,) = jobs(server, days=0, search="published/sales")
    assert job["subject"] == "gs://shop/published/sales-*.csv"


def test_jobs_are_filtered_and_the_newest_is_first(server: ApiServer) -> None:
    assert [job["service"] for job in jobs(server)][:4] == ["redivis", "salesforce", "bigquery", "bigquery"]
    told = [job["told_at"] for job in jobs(server)]
    assert told == sorted(told, reverse=True)
    states = [job["state"] for job in jobs(server, service="bigquery")]
    assert states[:3] == ["succeeded", "unknown", "succeeded"]
    assert [job["service"] for job in jobs(server, state="failed")] == ["salesforce", "bigquery"]
    assert len(jobs(server, dag_id="shop_daily", task_id="total")) == 2
    assert len(jobs(server, days=1)) == len(NEWS)
    billed = [job["bytes_billed"] or 0 for job in jobs(server, order="bytes_billed")]
    assert billed == sorted(billed, reverse=True)
    assert len(jobs(server, search=f" merge {'shop ' * 11}\t")) == 1
    assert jobs(server, search="100%") == jobs(server, search="nothing") == []


def test_pages_hold_every_job_once(server: ApiServer) -> None:
    first, second = jobs(server, days=0), jobs(server, days=0, page=1)
    assert (len(first), len(second)) == (50, ALL - 50)
    assert len({job["run_id"] for job in first + second}) == ALL
    assert server.get("jobs-page/jobs", "admin", days=0).json()["more"]
    assert not server.get("jobs-page/jobs", "admin", days=0, page=1).json()["more"]


def test_only_addresses_of_the_web_become_links(server: ApiServer) -> None:
    (job,) = jobs(server, service="redivis")
    assert job["url"] is None
    assert job["state"] == "running"


def test_sums_of_days_and_dags(server: ApiServer) -> None:
    told = server.get("jobs-page/sums", "admin").json()
    billed = sum(job.value.get("bytes_billed", 0) for job in (*NEWS, *DAILY))
    assert (told["total"]["jobs"], told["total"]["failed"], told["total"]["running"]) == (WEEK, 2, 1)
    assert told["total"]["bytes_billed"] == billed
    assert told["total"]["price"] == pytest.approx(billed / 2**40 * 6.25)
    assert [dag["dag_id"] for dag in told["dags"]] == ["shop_daily", "shop_secret"]
    for name in ("jobs", "bytes_billed", "rows"):
        assert sum(day[name] for day in told["days"]) == told["total"][name]
    assert told["days"] == sorted(told["days"], key=lambda day: day["day"])
    assert (told["rate"], told["currency"]) == (6.25, "USD")


def test_csv_has_every_job_and_no_formula(server: ApiServer) -> None:
    reply = server.get("jobs-page/jobs.csv", "admin", days=0)
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in reply.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert len(rows) == ALL
    (failed,) = [row for row in rows if row["service"] == "salesforce"]
    assert (failed["subject"], failed["rows"], failed["price"]) == ("query Account", "7", "")
    assert {HOSTILE, "'-1+1", "'\n=1+1"} <= {row["error"] for row in rows}
    assert {"'=HYPERLINK(1)", "'\uff1dHYPERLINK(1)"} <= {row["subject"] for row in rows}
    assert {row["currency"] for row in rows if row["price"]} == {"USD"}


@pytest.mark.parametrize(
    "parameters",
    [
        *({"state": "odd"}, {"service": "x"}, {"page": -1}, {"order": "url; DROP"}, {"days": "x"}),
        *({"search": "a\x00b"}, {"search": "a " * 13}, {"task_id": "\x00"}, {"page": 10**30}),
    ],
)
def test_what_is_not_understood_is_refused(server: ApiServer, parameters: dict[str, Any]) -> None:
    assert server.get("jobs-page/jobs", "admin", **parameters).status_code == 422


def test_replies_are_kept_by_nobody_and_the_page_runs_its_own_script_alone(server: ApiServer) -> None:
    assert server.get("jobs-page/jobs", "admin").headers["cache-control"] == "no-store"
    page = server.get("jobs-page/")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
    assert server.get("jobs-page/openapi.json").status_code == 404
