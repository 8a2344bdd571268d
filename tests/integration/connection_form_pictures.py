"""The connections' forms in Airflow's own UI, in headless Chromium: ``make browser`` runs this.

``make pictures`` keeps what it shows: a form of each login, filled in as docs/logins says.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_jobs.connection_forms import BIGQUERY, REDIVIS, SALESFORCE
from tests.integration.jobs_page.server import ApiServer
from tests.integration.sandbox.browser import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURES = os.environ.get("PICTURES", "")
#: Bytes of a picture that a page of the documentation loads.
MOST_BYTES = 120_000
FORMS = {form["connection-type"]: form for form in (BIGQUERY, REDIVIS, SALESFORCE)}
#: What is no field of Extra.
STANDARD = {"host", "login", "password"}
#: By the picture's name: the connection's id and form, and what is filled in.
LOGINS: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "google_machine": ("google_cloud_default", BIGQUERY, {"project": "my-project"}),
    "google_federation": (
        "google_cloud_default",
        BIGQUERY,
        {"credential_config_secret": "/keys/federation.json"},
    ),
    "google_key_file": ("google_cloud_default", BIGQUERY, {"key_path": "/keys/robot.json"}),
    "google_impersonation": (
        "google_cloud_default",
        BIGQUERY,
        {"impersonation_chain": "team@my-project.iam.gserviceaccount.com"},
    ),
    "google_token": ("google_cloud_default", BIGQUERY, {"access_token": "ya29.a0ARW5m7"}),
    "salesforce_app": (
        "salesforce_default",
        SALESFORCE,
        {"consumer_api_key": "3MVG9pRzvMkjMb6l", "consumer_secret": "1D8F6A0C"},
    ),
    "salesforce_jwt": (
        "salesforce_default",
        SALESFORCE,
        {"private_key_file_path": "/keys/salesforce.key"},
    ),
    "salesforce_password": (
        "salesforce_default",
        SALESFORCE,
        {"login": "robot@acme.example", "password": "of a robot"},
    ),
    "salesforce_token": ("salesforce_default", SALESFORCE, {"access_token": "00D5g000004"}),
    "redivis": ("redivis_default", REDIVIS, {"password": "AAAAAbbbbbCCCCC"}),
}
FIELD = "[role=dialog] [name=element_{}], [role=dialog] [name={}]"
SECTIONS = "[...document.querySelectorAll('[role=dialog] [data-part=item-trigger]')]"
OPEN = "[role=dialog] [data-scope=accordion][data-part=item][data-state=open]"
#: What a section of the form tells of each of its fields: name, kind, label, help, examples that it offers.
TOLD = (
    f"return {SECTIONS}.map((head) => [head.innerText, [...document.getElementById("
    "head.getAttribute('aria-controls')).querySelectorAll('input[name^=element_]')].map((field) => ["
    "field.name.slice(8), field.type, "
    "field.closest('[data-scope=field][data-part=root]').querySelector('label').innerText.trim(), "
    "document.getElementById(field.getAttribute('aria-describedby'))?.textContent ?? '', "
    "[...(field.list?.options ?? [])].map((each) => each.value)])])"
)


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with ApiServer("/air/flow/") as server:
        yield server


@pytest.fixture(scope="module")
def browser(server: ApiServer) -> Iterator[Browser]:
    with Browser() as browser:
        browser.look(700, 1400)
        browser.open(f"{server.url}jobs-page/")
        browser.cookie("_token", server.token("admin"), server.base_path)
        yield browser


def add(browser: Browser, server: ApiServer, conn_id: str, form: dict[str, Any]) -> None:
    """Open the form of a new connection of a type."""
    button = "[...document.querySelectorAll('button')].find((each) => each.innerText === 'Add Connection')"
    browser.open(f"{server.url}connections")
    browser.until(f"{button} && !{button}.disabled")
    browser.run(f"{button}.click()")
    fill(browser, "connection_id", conn_id)
    browser.until("document.querySelector('[role=dialog] [role=combobox]')")
    browser.run("document.querySelector('[role=dialog] [role=combobox]').focus()")
    browser.press(*form["hook-name"])
    browser.until("document.querySelector('[role=option]')?.innerText === arguments[0]", form["hook-name"])
    browser.press("Enter")
    last = list(form["conn-fields"])[-1]
    browser.until("document.querySelector(arguments[0])", FIELD.format(last, last))


def fill(browser: Browser, name: str, value: str) -> None:
    """Type into a field."""
    selector = FIELD.format(name, name)
    browser.until("document.querySelector(arguments[0])", selector)
    browser.run("document.querySelector(arguments[0]).focus()", selector)
    browser.press(*value)
    browser.until("document.querySelector(arguments[0]).value === arguments[1]", selector, value)


def unfold(browser: Browser, section: str) -> None:
    """Open a section of the form, if it is not."""
    head = f"{SECTIONS}.find((each) => each.innerText === arguments[0])"
    if not browser.run(f"return {head}.ariaExpanded === 'true'", section):
        browser.run(f"{head}.focus(); {head}.click()", section)  # one that has no focus takes no click
    browser.until(f"{head}.ariaExpanded === 'true'", section)
    body = f"document.getElementById({head}.getAttribute('aria-controls'))"
    browser.until(f"{body}.getAnimations().every((each) => each.playState === 'finished')", section)


@pytest.mark.parametrize("kind", FORMS)
def test_a_form_says_what_its_fields_are_for(browser: Browser, server: ApiServer, kind: str) -> None:
    """In sections by login, with examples; what is secret is typed unseen."""
    form = FORMS[kind]
    add(browser, server, "a_connection", form)
    told = browser.run(TOLD)
    assert [head for head, fields in told if fields] == list(
        dict.fromkeys(field["schema"]["section"] for field in form["conn-fields"].values())
    )
    found = {name: (section, *rest) for section, fields in told for name, *rest in fields}
    for name, field in form["conn-fields"].items():
        schema = field["schema"]
        section, input_kind, label, text, examples = found[name]
        assert (section, label, text) == (schema["section"], field["label"], field["description"])
        assert examples == schema.get("examples", [])
        assert (input_kind == "password") == (schema.get("format") == "password")
    standard = browser.run(
        "return [...document.querySelectorAll('[role=dialog] label')].map(e => e.innerText)"
    )
    for label in form["ui-field-behaviour"]["relabeling"].values():
        assert label in standard


@pytest.mark.parametrize("name", LOGINS)
def test_each_login_has_its_fields(browser: Browser, server: ApiServer, tmp_path: Path, name: str) -> None:
    conn_id, form, fields = LOGINS[name]
    add(browser, server, conn_id, form)
    for field, value in fields.items():
        known = form["conn-fields"].get(field)
        unfold(browser, known["schema"]["section"] if known else "Standard Fields")
        fill(browser, field, value)
    browser.run("document.activeElement.blur()")
    folder = Path(PICTURES) if PICTURES else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"login_{name}.png"
    whole = name in {"google_machine", "salesforce_app", "redivis"}  # the others show what differs
    browser.picture(picture, "[role=dialog]" if whole else OPEN)
    assert picture.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("kind", FORMS)
def test_what_is_secret_is_masked_once_it_is_saved(browser: Browser, server: ApiServer, kind: str) -> None:
    """By Airflow's API and in the form, which shows of a saved connection only what is filled in."""
    form, headers = FORMS[kind], {"Authorization": f"Bearer {server.token('admin')}"}
    texts = {
        name: f"value of {name}"
        for name, each in form["conn-fields"].items()
        if "string" in each["schema"]["type"]
    }
    secret = {name for name in texts if "format" in form["conn-fields"][name]["schema"]}
    first = next(iter(texts))
    document = {
        "connection_id": kind,
        "conn_type": kind,
        "password": "of somebody",
        "extra": json.dumps(texts),
    }
    few = document | {"connection_id": f"few_{kind}", "extra": json.dumps({first: texts[first]})}
    for each in (document, few):
        requests.post(
            f"{server.url}api/v2/connections", headers=headers, json=each, timeout=60
        ).raise_for_status()
    shown = requests.get(f"{server.url}api/v2/connections/{kind}", headers=headers, timeout=60).json()
    masked = {name for name, value in json.loads(shown["extra"]).items() if value == "***"}
    assert secret <= masked <= secret | {"private_key_file_path"}
    assert shown["password"] == "***"
    for conn_id, expected in ((kind, set(texts)), (f"few_{kind}", {first})):
        browser.open(f"{server.url}connections?search={conn_id}")
        row = (
            "[...document.querySelectorAll('[data-testid=table-cell-connection_id]')].find("
            "(each) => each.innerText === arguments[0])?.closest('tr')"
        )
        browser.until(row, conn_id)
        browser.run(f"{row}.querySelector('[aria-label=\"Edit Connection\"]').click()", conn_id)
        browser.until("document.querySelectorAll('[name^=element_]').length === arguments[0]", len(expected))
        values = "[...document.querySelectorAll('[name^=element_]')].map((e) => [e.name.slice(8), e.value])"
        found = dict(browser.run(f"return {values}"))
        assert found == {name: "***" if name in masked else texts[name] for name in expected}
