"""Headless Chromium, driven by the W3C's WebDriver protocol over HTTP: Debian's packages are all it takes.

Source: https://www.w3.org/TR/webdriver2/#endpoints.
"""

from __future__ import annotations

import base64
import os
import re
import select
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Self

import pytest
import requests

from tests.integration.sandbox.conftest import wait_until

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

MISSING = "Chromium or its driver is missing: apt-get install chromium chromium-driver"
START_SECONDS = 60
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # what the protocol calls a reference to an element
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "ArrowDown": "\ue015", "End": "\ue010"}
ARGUMENTS = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]


class Browser:
    """One window, from entering to leaving."""

    def __enter__(self) -> Self:
        driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
        if driver is None or chromium is None:
            pytest.skip(MISSING)
        self._process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True)
        self._session = requests.Session()
        try:
            self._url = f"http://127.0.0.1:{self._port()}/session"
            # Chromium's own sandbox needs rights that root in a container has not.
            arguments = ARGUMENTS + ["--no-sandbox"] * (os.geteuid() == 0)
            wanted = {
                "browserName": "chrome",
                "goog:loggingPrefs": {"browser": "ALL"},
                "goog:chromeOptions": {"binary": chromium, "args": arguments},
            }
            opened = self._ask("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        except BaseException:
            self._end()
            raise
        self._url += f"/{opened['sessionId']}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._ask("DELETE", "")
        finally:
            self._end()

    def _port(self) -> str:
        assert self._process.stdout is not None
        while select.select([self._process.stdout], [], [], START_SECONDS)[0]:
            line = self._process.stdout.readline()
            assert line, "the driver ended"
            if found := re.search(r"started successfully on port (\d+)", line):
                return found[1]
        raise AssertionError("the driver did not start in time")

    def _end(self) -> None:
        self._session.close()
        self._process.terminate()
        self._process.communicate(timeout=START_SECONDS)

    def _ask(self, method: str, path: str, document: Any = None) -> Any:
        body = {} if document is None and method == "POST" else document
        reply = self._session.request(method, self._url + path, json=body, timeout=START_SECONDS)
        assert reply.status_code == 200, reply.text
        return reply.json()["value"]

    def open(self, url: str) -> None:
        """Go to an address, as from an empty window; complaints of what was there before are dropped."""
        self._ask("POST", "/url", {"url": "about:blank"})
        self.complaints()
        self._ask("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a function's body in the page; elements come as references."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": arguments})

    def until(self, expression: str, *arguments: Any) -> Any:
        """Wait until an expression is true of the page; give its value."""
        return wait_until(lambda: self.run(f"return {expression}", *arguments))

    def texts(self, selector: str) -> list[str]:
        """Give what can be read in elements, as a person sees it."""
        return list(
            self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector)
        )

    def press(self, *names: str) -> None:
        """Press keys, one after the other: names of keys, or characters."""
        keys = [KEYS.get(name, name) for name in names]
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def click(self, selector: str) -> None:
        """Click on an element, which has to be in sight."""
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"/element/{found[ELEMENT]}/click")

    def heard(self, selector: str) -> tuple[str, str]:
        """Give role and name of an element, as a screen reader has them."""
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        role, name = (
            self._ask("GET", f"/element/{found[ELEMENT]}/computed{what}") for what in ("role", "label")
        )
        return str(role), str(name)

    def look(self, width: int, height: int, scheme: str = "light") -> None:
        """Set the window's inner size and the colours that its owner prefers."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        for command, given in (("setDeviceMetricsOverride", size), ("setEmulatedMedia", media)):
            self._ask("POST", "/goog/cdp/execute", {"cmd": f"Emulation.{command}", "params": given})

    def cookie(self, name: str, value: str, path: str) -> None:
        """Give a cookie to the site that is open."""
        self._ask(
            "POST", "/cookie", {"cookie": {"name": name, "value": value, "path": path, "httpOnly": True}}
        )

    def enter(self, selector: str) -> None:
        """Go on in a frame, once it is there."""
        frame = self.until("document.querySelector(arguments[0])", selector)
        self._ask("POST", "/frame", {"id": frame})

    def leave(self) -> None:
        """Go on in the whole window."""
        self._ask("POST", "/frame", {"id": None})

    def others(self) -> list[str]:
        """Close the windows that the page has opened; give their addresses."""
        own, found = self._ask("GET", "/window"), []
        for each in set(self._ask("GET", "/window/handles")) - {own}:
            self._ask("POST", "/window", {"handle": each})
            found.append(self._ask("GET", "/url"))
            self._ask("DELETE", "/window")
        self._ask("POST", "/window", {"handle": own})
        return found

    def complaints(self) -> list[str]:
        """Give what is in the console since it was last asked for: violations of the policy, errors."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def picture(self, path: Path, selector: str = "") -> None:
        """Write what the window shows, or an element, as PNG."""
        place = ""
        if selector:
            found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
            place = f"/element/{found[ELEMENT]}"
        path.write_bytes(base64.b64decode(self._ask("GET", f"{place}/screenshot")))
