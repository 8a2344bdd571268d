"""How the status page looks: empty, with a few jobs and with hundreds, wide and narrow, light and dark.

``make browser`` runs it; with ``PICTURES=folder`` it leaves a picture of each.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.sandbox import Sandbox
from tests.integration.sandbox.browser import Browser
from tests.integration.sandbox.conftest import Api, query, wait_until
from tests.integration.sandbox.redivis_api import RedivisApi
from tests.integration.sandbox.salesforce_api import SalesforceApi

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURES = os.environ.get("PICTURES", "")
JOBS = (0, 3, 300)
LONG = "SELECT " + ", ".join(f"{number} AS a_column_with_a_long_name_{number}" for number in range(40))
LOW_CONTRAST = """
const number = (text) => text.match(/[\\d.]+/g).map(Number);
const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
const back = (e) => { const c = number(getComputedStyle(e).backgroundColor); return c[3] === 0 && e.parentElement ? back(e.parentElement) : c; };
return [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .map((e) => { const [a, b] = [light(number(getComputedStyle(e).color)), light(back(e))].sort((x, y) => y - x); return [(a + 0.05) / (b + 0.05), e.outerHTML.slice(0, 120)]; })
  .filter(([ratio]) => ratio < 4.5);
"""  # noqa: E501 - https://www.w3.org/TR/WCAG22/#contrast-minimum


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module", params=JOBS)
def filled(request: pytest.FixtureRequest) -> Iterator[tuple[Sandbox, int]]:
    """A sandbox with so many jobs, among them one of each state."""
    with Sandbox() as sandbox:
        if request.param:
            _fill(sandbox, request.param)
        yield sandbox, request.param


def _fill(sandbox: Sandbox, count: int) -> None:
    api = Api(sandbox.bigquery, sandbox.token, "my-project")
    salesforce = SalesforceApi(sandbox)
    sandbox.timing(pending_seconds=0.2, running_seconds=0.5)
    labels = {"airflow-dag": "daily_sales", "airflow-task": "total"}
    sandbox.faults(operation=r"bigquery\.jobs\.get", action="reply", status=503, path="failed")
    sandbox.faults(operation=r"salesforce\..*", action="delay", seconds=2, times=0, nth=5)
    api.run("done", labels=labels, **query("SELECT DATE '2026-01-01' AS day,\n  42 AS total"))
    api.insert("failed", labels=labels, **query("SELECT 1; SELECT x FROM shop.missing"))
    salesforce.create("SELECT Id, Name FROM Account")
    assert api.get("jobs/failed").status_code == 503
    wait_until(lambda: api.state("failed") == "DONE")
    if count > 3:
        redivis = RedivisApi(sandbox, "lab")
        redivis.make_table()
        redivis.upload(b"n\n1\n")
        redivis.session.close()
        sandbox.timing(pending_seconds=0, running_seconds=3600)
        for number in range(count - 4):
            api.insert(f"job-{number}", **query(LONG if number % 9 == 0 else f"SELECT {number}"))
        api.post(f"jobs/job-{count - 6}/cancel")
        wait_until(lambda: api.state(f"job-{count - 6}") == "DONE")
    api.session.close()
    salesforce.session.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1000, 420, 320])
def test_it_can_be_read(filled: tuple[Sandbox, int], browser: Browser, width: int, scheme: str) -> None:
    """Nothing sticks out or is too faint; everything that takes a click has a name."""
    sandbox, count = filled
    browser.look(width, 1000, scheme)
    browser.open(sandbox.page)
    browser.until("document.querySelector('#live').innerText === 'live'")
    assert len(browser.texts("#rows tr")) == count
    if count:
        browser.run("document.querySelector('#rows tr:last-child').previousElementSibling.click()")
        browser.until("!document.querySelector('#job').hidden")
        browser.run("document.querySelector('#find').focus()")
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        browser.picture(Path(PICTURES, f"{count}-{width}-{scheme}.png"))
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run(LOW_CONTRAST) == []
    for kind in ("#states button:nth-child(1)", "#range", "#find", "#only", "#log"):
        assert browser.heard(kind)[1], kind
    assert browser.complaints() == []


def test_it_draws_quickly(filled: tuple[Sandbox, int], browser: Browser) -> None:
    """In half a second, with hundreds of jobs and on a busy machine."""
    sandbox, _ = filled
    browser.look(1440, 1000)
    browser.open(sandbox.page)
    browser.until("document.querySelector('#live').innerText === 'live'")
    seconds = browser.run(
        "const begun = performance.now(); document.querySelector('#find').dispatchEvent(new Event('input'));"
        "document.body.offsetHeight; return (performance.now() - begun) / 1000"
    )
    assert seconds < 0.5
