"""The page in headless Chromium, in Airflow's own UI on a real API server below a path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.jobs_page.conftest import DAILY, HOSTILE, NEWS, OLD, RUN
from tests.integration.sandbox.browser import Browser
from tests.integration.sandbox.page_pictures import LOW_CONTRAST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.jobs_page.server import ApiServer

WEEK, ALL = len(NEWS) + len(DAILY), len(NEWS) + len(DAILY) + len(OLD)
CHOOSE = (
    "const field = document.forms.filters.elements[arguments[0]]; field.value = arguments[1];"
    "field.dispatchEvent(new Event('change', { bubbles: true }))"
)
#: Where pictures for the documentation go, if they are to be made.
PICTURES = os.environ.get("PICTURES", "")
DRAWN = "document.querySelector('#main')?.ariaBusy === 'false' && document.querySelector('#trouble').hidden"
#: What Chromium says of each frame that Airflow shows a plugin in.
ABOUT_FRAMES = "An iframe which has both allow-scripts and allow-same-origin"
#: Lets what asks for sums wait until it is told to go on.
HOLD_SUMS = (
    "const ask = window.fetch, held = new Promise((go) => { window.release = go; });"
    "window.fetch = async (url, options) => {"
    " if (url.startsWith('sums')) await held; return ask(url, options); }"
)
#: Follows a link as a click does, and remembers where its parent's document was told to go instead of going.
REMEMBER = (
    "window.went = []; document.addEventListener('click', (event) => { if (event.isTrusted) return; "
    "const to = event.target.closest('a'); if (to && !to.closest('#root')) { event.preventDefault(); "
    "went.push([to.href, to.target, to.download]); } }, true)"
)


@pytest.fixture(scope="module")
def browser(server: ApiServer) -> Iterator[Browser]:
    with Browser() as browser:
        browser.look(1280, 800)
        browser.open(f"{server.url}jobs-page/")
        browser.cookie("_token", server.token("admin"), server.base_path)
        yield browser


def enter(browser: Browser, url: str) -> None:
    """Open a page of Airflow's UI, and go into the frame that it has ours in."""
    browser.open(url)
    browser.enter("iframe")
    browser.until(DRAWN)


def keep_picture(browser: Browser, name: str) -> None:
    if PICTURES:
        Path(PICTURES).mkdir(parents=True, exist_ok=True)
        browser.picture(Path(PICTURES, f"{name}.png"))


def own_complaints(browser: Browser) -> list[str]:
    return [each for each in browser.complaints() if "jobs-page/" in each and ABOUT_FRAMES not in each]


def test_it_is_in_the_navigation(browser: Browser, server: ApiServer) -> None:
    """With five requests."""
    browser.open(server.url)
    browser.until("[...document.querySelectorAll('nav a, a')].find((each) => each.innerText === 'Jobs')")
    browser.run("[...document.querySelectorAll('a')].find((each) => each.innerText === 'Jobs').click()")
    browser.enter("iframe")
    browser.until(DRAWN)
    assert len(browser.texts("#jobs tbody tr")) == WEEK
    assert browser.run("return performance.getEntriesByType('resource').length + 1") <= 5
    assert browser.texts("#total dd")[:3] == [str(WEEK), "2", "1"]
    assert "USD" in browser.texts("#cost-most")[0]
    assert browser.texts("#jobs tr:first-child td[data-name=Processed]") == ["1.00 GB"]
    assert browser.run("return document.querySelectorAll('#failures rect').length") == len(
        browser.run("return [...document.querySelectorAll('#cost rect')].map(String)")
    )
    browser.leave()
    keep_picture(browser, "jobs_page")
    assert own_complaints(browser) == []


def test_what_a_dags_author_wrote_is_text(browser: Browser, server: ApiServer) -> None:
    browser.open(f"{server.url}jobs-page/")
    browser.until(DRAWN)
    browser.run(CHOOSE, "days", "0")
    browser.run(CHOOSE, "state", "failed")
    # The rows of all jobs have the same errors: wait until the five that failed stand alone.
    browser.until("document.querySelectorAll('#jobs tbody tr').length === 5")
    assert len(browser.texts("#jobs .error")) == 4
    assert browser.texts("#jobs .error")[1] == HOSTILE
    assert HOSTILE in browser.texts("#jobs tbody th")[2]
    assert browser.run("return document.querySelectorAll('main img, main script').length") == 0
    assert "hacked" not in browser.run("return document.title")
    assert own_complaints(browser) == []


def test_tabs_of_dag_and_task(browser: Browser, server: ApiServer) -> None:
    enter(browser, f"{server.url}dags/shop_daily/plugin/remote-jobs-of-dag")
    assert browser.texts("#title") == ["Jobs of DAG shop_daily"]
    assert len(browser.texts("#jobs tbody tr")) == WEEK - 1
    browser.leave()
    assert any("Jobs" in each for each in browser.texts("a"))
    enter(browser, f"{server.url}dags/shop_daily/tasks/total/plugin/remote-jobs-of-task")
    assert browser.texts("#title") == ["Jobs of task total of shop_daily"]
    assert len(browser.texts("#jobs tbody tr")) == 2
    browser.leave()
    keep_picture(browser, "jobs_page_of_task")
    browser.enter("iframe")
    browser.click("#whole")
    browser.until("document.querySelectorAll('#jobs tbody tr').length === arguments[0]", WEEK)


def test_links_lead_out_of_the_frame(browser: Browser, server: ApiServer) -> None:
    """Airflow's frame may open nothing; its parent's document does: console, log, file."""
    enter(browser, f"{server.url}plugin/remote-jobs")
    assert "allow-popups" not in browser.run("return frameElement.sandbox.value")
    browser.leave()
    browser.run(REMEMBER)
    browser.enter("iframe")
    for selector in ("#jobs tr:nth-child(3) th a", "#jobs tr:nth-child(3) td a", "#csv"):
        browser.run("document.querySelector(arguments[0]).click()", selector)
    browser.leave()
    console, log, file = browser.run("return went")
    assert console[0].startswith("https://console.cloud.google.com/bigquery?project=shop&j=bq:EU:")
    assert console[1:] == ["_blank", ""]
    run = RUN.replace(":", "%3A").replace("+", "%2B")
    assert log == [f"{server.url}dags/shop_daily/runs/{run}/tasks/total", "_self", ""]
    assert file == [f"{server.url}jobs-page/jobs.csv?days=7&order=newest", "_self", "jobs.csv"]
    assert browser.run("return document.querySelectorAll('body > a').length") == 0


def test_a_new_tab_opens_and_the_log_is_shown(browser: Browser, server: ApiServer) -> None:
    """The same with nothing in the way; the console is played by Airflow itself."""
    enter(browser, f"{server.url}plugin/remote-jobs")
    browser.run(
        "const link = document.querySelector('#jobs tr:nth-child(3) th a');"
        "link.href = arguments[0]; link.click()",
        f"{server.url}api/v2/version",
    )
    assert browser.others() == [f"{server.url}api/v2/version"]
    browser.enter("iframe")
    browser.run("document.querySelector('#jobs tr:nth-child(3) td a').click()")
    browser.leave()
    browser.until("location.pathname.endsWith('/tasks/total') && document.body.innerText.includes('total')")


def test_filters_and_search(browser: Browser, server: ApiServer) -> None:
    browser.open(f"{server.url}jobs-page/")
    browser.until(DRAWN)
    for name, value, count in (
        ("state", "failed", 2),
        ("state", "", WEEK),
        ("days", "0", 50),
        ("service", "redivis", 3),
    ):
        browser.run(CHOOSE, name, value)
        browser.until("document.querySelectorAll('#jobs tbody tr').length === arguments[0]", count)
    browser.run(CHOOSE, "service", "")
    browser.until("document.querySelector('#place').innerText === arguments[0]", f"1 to 50 of {ALL}")
    browser.click("#next")
    browser.until("document.querySelector('#place').innerText === arguments[0]", f"51 to {ALL} of {ALL}")
    browser.run("document.forms.filters.elements.search.focus()")
    browser.press(*"salaries")
    browser.until("document.querySelector('#place').innerText === '1 to 1 of 1'")
    browser.press(*" no")
    browser.until("!document.querySelector('#none').hidden")
    assert own_complaints(browser) == []


def test_sums_are_of_the_jobs_that_are_shown(browser: Browser, server: ApiServer) -> None:
    """They take longer than the jobs: another order, or another page, does not leave those of before."""
    browser.open(f"{server.url}jobs-page/")
    browser.until(DRAWN)
    browser.run(HOLD_SUMS)
    browser.run(CHOOSE, "days", "0")
    browser.until("document.querySelectorAll('#jobs tbody tr').length === 50")
    assert browser.texts("#place") == ["1 to 50"]
    browser.click("#next")
    browser.until("document.querySelectorAll('#jobs tbody tr').length === arguments[0]", ALL - 50)
    browser.run("release()")
    browser.until("document.querySelector('#place').innerText === arguments[0]", f"51 to {ALL} of {ALL}")
    assert browser.texts("#total dd")[0] == str(ALL)


def test_it_works_by_keyboard_and_can_be_heard(browser: Browser, server: ApiServer) -> None:
    browser.open(f"{server.url}jobs-page/")
    browser.until(DRAWN)
    browser.run("document.querySelector('#dags-part summary').focus()")
    browser.press("Enter", "Tab", "Tab", "Tab", "Enter")
    browser.until("document.querySelector('#title').innerText === 'Jobs of DAG shop_secret'")
    browser.until("document.querySelectorAll('#jobs tbody tr').length === 1")
    assert browser.run("return document.activeElement.id") == "title"
    assert browser.heard("#cost") == ("image", "Price of bytes billed")
    for selector in ("#filters select", "#filters input", "#refresh", "#csv", "#next"):
        assert browser.heard(selector)[1], selector


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_can_be_read(browser: Browser, server: ApiServer, width: int, scheme: str) -> None:
    """In Airflow's colours, which the frame takes from its parent; nothing sticks out."""
    browser.look(width, 800)
    browser.open(f"{server.url}plugin/remote-jobs")
    browser.enter("iframe")
    browser.until(DRAWN)
    browser.leave()
    browser.run("document.documentElement.classList.remove('dark', 'light')")
    browser.run("document.documentElement.classList.add(arguments[0])", scheme)
    browser.enter("iframe")
    browser.until("document.documentElement.classList.contains('dark') === arguments[0]", scheme == "dark")
    assert browser.run(LOW_CONTRAST) == []
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    cut = "return [...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth)"
    assert browser.run(cut) == []
    browser.leave()
    browser.look(1280, 800)


def test_who_is_not_logged_in_is_told_so(browser: Browser, server: ApiServer) -> None:
    browser.open(f"{server.url}jobs-page/")
    browser.cookie("_token", server.token("stranger"), server.base_path)
    browser.open(f"{server.url}jobs-page/")
    browser.until("!document.querySelector('#trouble').hidden")
    assert browser.texts("#trouble") == [
        "Airflow answered 403: This page needs a role that may read task instances and XComs."
    ]
    browser.cookie("_token", "", server.base_path)
    browser.click("#refresh")
    browser.until("document.querySelector('#trouble').innerText.startsWith('You are not logged in')")
