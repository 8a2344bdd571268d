"""The status page: its files, and the document that it asks for every second.

The files hold no data and need no token. The document is a control endpoint, which the announced token opens:
a browser has it from the fragment of the announced link, which is not sent to anybody. So a page of another
origin, even if its name was made to lead here, has nothing to ask with.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_jobs.sandbox.replies import Reply
from airflow_provider_jobs.sandbox.request_log import SECRET_PARAMETERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from airflow_provider_jobs.sandbox.call import Call, Handler
    from airflow_provider_jobs.sandbox.page.jobs import Jobs
    from airflow_provider_jobs.sandbox.platform import Platform
    from airflow_provider_jobs.sandbox.request_log import Entry

MOST_JOBS = 500  # shown, the newest ones
MOST_REQUESTS = 200
FIRST_ERROR = 400  # of the statuses
FILES = {
    "/": ("page.html", "text/html"),
    "/sandbox/page.css": ("page.css", "text/css"),
    "/sandbox/page.js": ("page.js", "text/javascript"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# Which requests are shown.
KINDS: dict[str, Callable[[Entry], object]] = {
    "errors": lambda entry: entry.status is None or entry.status >= FIRST_ERROR,
    "faults": lambda entry: entry.faults,
    "changes": lambda entry: entry.method not in {"GET", "HEAD"},
}
# The value of a URL's parameter that is a permission, and tokens that the sandbox has issued.
SECRETS = re.compile(
    rf"(?<=[?&])({'|'.join(SECRET_PARAMETERS)})=[^&\"'\\\s]+|sandbox\.[\w-]{{40,}}|00D\w{{12}}![\w-]{{40,}}"
)
LEAST_SECRET = 12  # characters: a shorter announced token was chosen, and may be any word


class StatusPage:
    """The page, as a service of the sandbox's own."""

    def __init__(self, platform: Platform, jobs: Jobs, token: str) -> None:
        self._platform = platform
        self._jobs = jobs
        self._token = token

    def routes(self) -> list[Route]:
        """Give the routes of the files."""
        return [Route(path, _sending(*file)) for path, file in FILES.items()]

    def control(self) -> list[tuple[str, str, Handler]]:
        """Give the control endpoint."""
        return [("GET", "/sandbox/status", self.status)]

    async def start(self) -> None:
        """Begin nothing."""

    async def stop(self) -> None:
        """End nothing."""

    async def status(self, call: Call) -> Reply:
        """Give jobs, faults, requests: all of the one ``job``, and what ``log`` and ``only`` ask for."""
        given, platform = call.request.query_params, self._platform
        kind, words = KINDS.get(given.get("only", "")), given.get("log", "").lower().split()

        def wanted(entry: Entry) -> bool:
            text = " ".join(map(str, vars(entry).values())).lower() if words else ""
            return (kind is None or bool(kind(entry))) and all(word in text for word in words)

        status = {
            "now": platform.clock.now(),
            "ahead": platform.clock.now() - time.time(),
            "root": str(platform.root),
            "timing": platform.timing.overview()["default"],
            "jobs": self._jobs.newest(MOST_JOBS),
            "job": self._jobs.whole(given.get("job", "")),
            "faults": platform.faults.overview(),
            "requests": platform.log.newest(MOST_REQUESTS, wanted),
        }
        text = SECRETS.sub(lambda found: f"{found[1]}=***" if found[1] else "***", json.dumps(status))
        text = text.replace(self._token, "***") if len(self._token) >= LEAST_SECRET else text
        return Reply(content=text.encode(), headers=HEADERS)


def _sending(name: str, media_type: str) -> Callable[[Request], Response]:
    content = Path(__file__).with_name(name).read_bytes()
    return lambda _request: Response(content, headers=HEADERS, media_type=media_type)
