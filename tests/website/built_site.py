"""The built site, as a reader has it who opens it from a folder: ``make docs`` runs this."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

from tests.integration.sandbox.browser import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator

SITE = Path(__file__).parents[2] / "site"
#: 404.html is for servers, which have an address; the site has none.
PAGES = sorted(path for path in SITE.rglob("*.html") if path.name != "404.html")
#: Pages of each kind: text, wide tables, long code, long names.
KINDS = (
    "index.html",
    "first-steps.html",
    "operators.html",
    "errors.html",
    "messages.html",
    "logins/google.html",
    "proof.html",
    "reference/transfers.html",
    "reference/bigquery.html",
    "examples/salesforce_to_bigquery.html",
    "project/benchmarks.html",
)
PHONE, DESK = (390, 844), (1280, 900)
#: What a browser fetches by itself, beside what a reader clicks on.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data", "link": "href"}


class Page(HTMLParser):
    """The anchors and the links of a page.

    :param path: The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors = set[str]()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.images_without_words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names, and where it leads."""
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if given.get(FETCHED.get(tag, "")) and given.get("rel") != "canonical":
            self.fetched.append(given[FETCHED[tag]])
        if tag == "img" and not given.get("alt"):
            self.images_without_words.append(given.get("src", ""))


@cache
def read(path: Path) -> Page:
    return Page(path)


def missing(page: Path, link: str) -> str:
    """Return what a link does not find, empty if it leads somewhere."""
    address = urlsplit(link)
    if address.scheme:
        return "" if address.scheme in {"http", "https", "mailto"} else f"{link} has a strange scheme"
    target = (page.parent / unquote(address.path)).resolve() if address.path else page
    if not target.is_file():
        return f"{link} is missing"
    if target.suffix == ".html" and address.fragment and not address.fragment.startswith("__"):
        known = unquote(address.fragment) in read(target).anchors
        return "" if known else f"{link} has no such heading"
    return ""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One that has only files: whatever a page asks of a host is refused, and stands in the console."""
    with Browser() as browser:
        for command, given in (("enable", {}), ("setBlockedURLs", {"urls": ["http://*", "https://*"]})):
            browser._ask("POST", "/goog/cdp/execute", {"cmd": f"Network.{command}", "params": given})
        yield browser


def test_every_link_leads_somewhere() -> None:
    assert len(PAGES) > 40, "the site is not built: run make docs"
    wrong = [
        f"{page.relative_to(SITE)}: {said}"
        for page in PAGES
        for link in [*read(page).links, *read(page).fetched]
        if (said := missing(page, link))
    ]
    assert wrong == []


def test_no_page_fetches_from_another_host() -> None:
    fetched = [link for page in PAGES for link in read(page).fetched]
    assert [link for link in fetched if urlsplit(link).netloc] == []
    styles = [path.read_text(encoding="utf-8") for path in SITE.rglob("*.css")]
    assert [
        found
        for style in styles
        for found in re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)]*", style)
    ] == []


def test_every_picture_has_words() -> None:
    assert [name for page in PAGES for name in read(page).images_without_words] == []


@pytest.mark.parametrize("name", KINDS)
def test_a_page_can_be_read_on_a_phone(browser: Browser, name: str) -> None:
    """Nothing is wider than the screen but tables and code, which scroll; letters are not tiny."""
    browser.look(*PHONE)
    browser.open((SITE / name).as_uri())
    browser.until("document.readyState === 'complete'")
    wide = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    size = "parseFloat(getComputedStyle(document.querySelector('.md-content p, .md-content td')).fontSize)"
    assert browser.run(f"return {size}") >= 12
    assert browser.texts("article h1")[0]
    assert browser.complaints() == []


#: Code that a reader of a desk has to move sideways, and tables that do not fit there.
CUT = (
    "return [...document.querySelectorAll('article pre > code, article .md-typeset__table')]"
    ".filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.innerText.slice(0, 60))"
)


@pytest.mark.parametrize(
    "name",
    [
        *("index.html", "first-steps.html", "messages.html", "errors.html", "examples/salesforce_sales.html"),
        *(f"logins/{path.name}" for path in sorted((SITE / "logins").glob("*.html"))),
        *(f"how-to/{path.name}" for path in sorted((SITE / "how-to").glob("*.html"))),
    ],
)
def test_nothing_is_cut_on_a_desk(browser: Browser, name: str) -> None:
    browser.look(*DESK)
    browser.open((SITE / name).as_uri())
    browser.until("document.readyState === 'complete'")
    assert browser.run(CUT) == []


@pytest.mark.parametrize(
    ("word", "page"),
    [("impersonation", ""), ("INVALID_SESSION_ID", "messages.html"), ("accessDenied", "messages.html")],
)
def test_the_search_finds_pages_that_are_opened_from_a_folder(browser: Browser, word: str, page: str) -> None:
    browser.look(*PHONE)
    browser.open((SITE / "index.html").as_uri())
    browser.until("document.querySelector('[data-md-component=search-query]')")
    browser.click("label.md-header__button[for=__search]")
    browser.until(
        "document.querySelector('[data-md-component=search-query]').getBoundingClientRect().left >= 0"
    )
    browser.run("document.querySelector('[data-md-component=search-query]').focus()")
    browser.press(*word)
    first = browser.until("document.querySelector('.md-search-result__link')?.href")
    assert first.startswith("file:")
    found = browser.until(
        "[...document.querySelectorAll('.md-search-result__link')].map((each) => each.href).join(' ')"
    )
    assert page in found
    assert word.lower() in " ".join(browser.texts(".md-search-result__item")).lower()
    assert browser.complaints() == []


def test_dark_colours_are_those_that_the_reader_prefers(browser: Browser) -> None:
    browser.look(1280, 900, "dark")
    browser.open((SITE / "index.html").as_uri())
    browser.until("document.body.dataset.mdColorScheme === 'slate'")


def test_the_menu_reaches_the_main_pages_on_a_phone(browser: Browser) -> None:
    """From the first page, with taps alone."""
    browser.look(*PHONE)
    browser.open((SITE / "index.html").as_uri())
    browser.until("document.querySelector('label.md-header__button[for=__drawer]')")
    browser.click("label.md-header__button[for=__drawer]")
    titles = browser.until(
        "[...document.querySelectorAll('.md-nav--primary .md-nav__link')].map(e => e.textContent.trim())"
    )
    assert {"How to", "Logins", "Reference"} <= set(titles)
