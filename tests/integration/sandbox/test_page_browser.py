"""The status page in headless Chromium, in short; ``make browser`` has more of it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from airflow_provider_jobs.sandbox import Sandbox
from tests.integration.sandbox.browser import Browser
from tests.integration.sandbox.conftest import Api, query

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = "<img src=x onerror=document.title='hacked'><script>document.title='hacked'</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    """One without jobs of other files."""
    with Sandbox() as sandbox:
        yield sandbox


def test_an_empty_sandbox_says_what_to_do(browser: Browser, sandbox: Sandbox) -> None:
    """The link's token leaves the address bar, and is not asked for again when the tab is loaded anew."""
    browser.open(sandbox.page)
    browser.until("document.querySelector('#live').innerText === 'live'")
    assert "No job yet." in browser.texts("#no-jobs")[0]
    assert f'"api_endpoint": "{sandbox.url}"' in browser.texts("#no-jobs pre")[0]
    assert "No fault is armed." in browser.texts("#no-faults")[0]
    assert "No request yet." in browser.texts("#more-requests")[0]
    assert browser.run("return location.href") == f"{sandbox.url}/"
    browser.run("location.reload()")
    browser.until("document.querySelector('#live')?.innerText === 'live'")
    assert sandbox.token not in browser.run("return document.documentElement.outerHTML")
    assert browser.complaints() == []


def test_whatever_comes_from_outside_is_text(browser: Browser, sandbox: Sandbox, api: Api) -> None:
    """HTML in SQL, names, errors, faults, paths: nothing of it runs, and the policy has nothing to stop."""
    api.insert("hostile", **query(f"SELECT '{HOSTILE}' FROM `{HOSTILE[:20]}`"))  # noqa: S608 - that is what is tried
    api.insert("load", load={"sourceUris": [f"gs://b/{HOSTILE}"], "destinationTable": {"tableId": HOSTILE}})
    sandbox.faults(operation="never", path=r"<b>.*</b>", action="garbage", body=HOSTILE)
    api.get(f"jobs/{HOSTILE}", hostile=HOSTILE)
    browser.open(sandbox.page)
    browser.until("document.querySelectorAll('#rows tr.failed').length === 2")
    browser.run("document.querySelector('#rows tr:last-child button').click()")
    browser.until("document.querySelector('#job-text').innerText.includes('onerror')")
    assert HOSTILE in browser.texts("#job-text")[0]
    assert f'body="{HOSTILE}"' in browser.texts("#faults")[0]
    assert browser.run("return document.querySelectorAll('main img, main script, main b b').length") == 0
    assert "hacked" not in browser.run("return document.title")
    assert browser.complaints() == []


def test_a_job_is_watched_from_the_keyboard(browser: Browser, sandbox: Sandbox, api: Api) -> None:
    """It changes while one looks; what was chosen stays chosen, and the keyboard stays where it was."""
    sandbox.timing(project=api.project, running_seconds=3600)
    for name in ("first", "second"):
        api.insert(name, **query(f"SELECT '{name}'"))
    browser.open(sandbox.page)
    browser.until("document.querySelectorAll('#rows tr.running').length === 2")
    assert browser.heard("#rows button") == ("button", "SELECT 'second'")
    browser.run("document.querySelector('#find').focus()")
    browser.press("Tab", "ArrowDown", "Enter")
    browser.until("document.querySelector('#job-text').innerText === \"SELECT 'first'\"")
    assert browser.run("return document.activeElement.innerText") == "SELECT 'first'"
    api.insert("third", **query("SELECT 'third'"))
    api.post("jobs/first/cancel")
    browser.until("document.querySelector('#job-state').innerText.includes('cancelled')")
    assert "User requested cancellation" in browser.texts("#job-error")[0]
    browser.until("document.querySelector('#rows button').innerText === \"SELECT 'third'\"")
    assert browser.run("return document.activeElement.innerText") == "SELECT 'first'"
    assert browser.run("return document.activeElement.ariaPressed") == "true"
    assert "query cancelled: SELECT 'first'" in browser.until("document.querySelector('#said').innerText")
    browser.press("Escape")
    browser.until("document.querySelector('#job').hidden")


def test_requests_and_jobs_can_be_searched(browser: Browser, sandbox: Sandbox, api: Api) -> None:
    word = uuid.uuid4().hex
    api.run("searched", **query(f"SELECT '{word}'"))
    sandbox.faults(operation=r"bigquery\.jobs\.get", action="reply", status=503)
    api.get("jobs/searched")
    browser.open(sandbox.page)
    browser.until("document.querySelectorAll('#rows tr').length > 0")
    browser.run("document.querySelector('#find').focus()")
    browser.press(*word[:8])
    browser.until("document.querySelectorAll('#rows tr').length === 1")
    browser.click("#states .failed")
    browser.until("!document.querySelector('#none-match').hidden")
    browser.run("document.querySelector('#only').value = 'faults'; document.querySelector('#log').focus()")
    browser.press(*api.project)
    browser.until("document.querySelectorAll('#entries tr').length === 1")
    assert "503" in browser.texts("#entries")[0]
    assert "met: reply" in browser.texts("#entries")[0]


def test_who_has_no_token_is_told_what_to_open(browser: Browser, sandbox: Sandbox) -> None:
    browser.open(sandbox.url)
    browser.run("sessionStorage.clear()")
    browser.open(sandbox.url)
    browser.until("document.querySelector('#live').innerText === 'locked'")
    assert "Open the whole link page that the sandbox printed" in browser.texts("#login")[0]
    browser.open(f"{sandbox.url}/#token=wrong")
    assert "refused this tab's token" in browser.until("document.querySelector('#refused').innerText")
    assert browser.run("return document.querySelector('main').hidden")


def test_a_sandbox_that_ended(browser: Browser) -> None:
    """What it told last stays on the page, which says so."""
    with Sandbox() as sandbox:
        browser.open(sandbox.page)
        browser.until("document.querySelector('#live').innerText === 'live'")
    browser.until("document.querySelector('#live').innerText.startsWith('The sandbox does not answer')")
    assert "No job yet." in browser.texts("#no-jobs")[0]
