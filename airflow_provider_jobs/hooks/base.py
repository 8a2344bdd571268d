"""What the hooks of all services share. Reading a DAG imports this module, and so no HTTP library."""

from __future__ import annotations

import hashlib
import json
import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_jobs import __version__
from airflow_provider_jobs.core.http.limits import Limits
from airflow_provider_jobs.core.http.retry import RetryPolicy
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    ServiceError,
    TransportError,
)
from airflow_provider_jobs.words import keep_secret, secret_values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow.sdk import Connection

    from airflow_provider_jobs.core.http.messages import Token
    from airflow_provider_jobs.core.http.transport import Transport

Client = TypeVar("Client")
log = logging.getLogger(__name__)
_ONCE = RetryPolicy(attempts=1)
_MEGABYTE = 1024 * 1024
#: Extra fields that limit what is taken of a service: the :class:`.Limits`, and what the number counts.
_LIMITS = {
    "max_reply_mb": ("reply_bytes", _MEGABYTE),
    "max_page_mb": ("page_bytes", _MEGABYTE),
    "max_call_seconds": ("call_seconds", 1),
    "max_page_seconds": ("page_seconds", 1),
}
#: A refusal that may mean that the project, or the org, is another one.
_NOT_THERE = frozenset({403, 404})
#: What no limit can be: a thousand terabytes, or thirty years.
_MOST = 1e9


class JobsHook(BaseHook, Generic[Client]):
    """The client of one connection, and nothing besides."""

    conn_name_attr: ClassVar[str]
    #: Fields of a connection that say where requests go, as whom, and to what; for who looks what is wrong.
    address_fields: ClassVar[tuple[str, ...]] = ()
    login_fields: ClassVar[tuple[str, ...]] = ()
    scope_fields: ClassVar[tuple[str, ...]] = ()

    def get_conn(self) -> Client:
        """Return the client; hooks of equal settings share it, its HTTP session and its token.

        :raises ConfigurationError: the connection cannot be used.
        :raises AuthenticationError: the service refuses the login.
        """
        return self.client_of(self.looked_up())

    def client_of(self, connection: Connection, retry: RetryPolicy | None = None) -> Client:
        """Return the client of a connection that has been looked up already."""
        raise NotImplementedError

    def probe(self, client: Client) -> str:
        """Send one small request, and return what its reply tells about the connection."""
        raise NotImplementedError

    def test_connection(self) -> tuple[bool, str]:
        """Ask the service once, and return whether that worked and what to tell the user.

        What the service or the network refuses names the fields to look at; what is wrong in itself, its own.
        """
        connection = self.looked_up()
        try:
            return True, self.probe(self.client_of(connection, _ONCE))
        except JobsError as error:
            names = self._fields_to_check(error, connection)
            return False, f"{error}; look at {names}" if names else str(error)

    def _fields_to_check(self, error: JobsError, connection: Connection) -> str:
        """Return the fields that an error may come from, as far as they are filled in."""
        names: tuple[str, ...] = ()
        if isinstance(error, TransportError):
            names = self.address_fields
        elif isinstance(error, AuthenticationError):
            names = self.login_fields
        elif isinstance(error, ServiceError) and error.status in _NOT_THERE:
            names = self.scope_fields
        extra = connection.extra_dejson
        return ", ".join(each for each in names if extra.get(each) or getattr(connection, each, None))

    def looked_up(self) -> Connection:
        """Return the connection, as it is now."""
        return self.get_connection(getattr(self, self.conn_name_attr))


class StaticToken:
    """A ready token, which cannot be renewed, and the headers that go with it."""

    def __init__(self, token: str, more: Mapping[str, str] | None = None) -> None:
        self._headers = {"Authorization": f"Bearer {token}", **(more or {})}

    def headers(self) -> dict[str, str]:
        """Return the headers that authorise a request."""
        return dict(self._headers)

    def account(self) -> str:
        """Return an empty text: whose token it is nobody says."""
        return ""

    def renew(self, rejected: Mapping[str, str]) -> bool:
        """Return False: there is no other token."""
        return False


def transport_of(
    token: Token,
    *,
    retry: RetryPolicy | None = None,
    proxies: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    account: Callable[[], str] = str,
) -> Transport:
    """Return what sends the requests of a connection."""
    from airflow_provider_jobs.core.http.transport import Transport  # noqa: PLC0415 - imports requests

    agent = f"airflow-provider-jobs/{__version__}"
    return Transport(token, user_agent=agent, retry=retry, proxies=proxies, limits=limits, account=account)


def form_widgets(form: dict[str, Any]) -> dict[str, Any]:
    """Return a form's fields as Airflow 3.1 wants them; later ones read them of the provider's metadata."""
    from wtforms import BooleanField, PasswordField, StringField  # noqa: PLC0415 - the API server alone has it

    widgets = {}
    for name, field in form["conn-fields"].items():
        schema = field["schema"]
        kind = PasswordField if "format" in schema else StringField
        kind = BooleanField if "boolean" in schema["type"] else kind
        example = f" Example: {schema['examples'][0]}" if "examples" in schema else ""
        widgets[name] = kind(field["label"], description=field["description"] + example)
    return widgets


@lru_cache(maxsize=256)  # once for each process
def note_old_name(conn_id: str, old: str, new: str) -> None:
    """Say that a field has a name by which Airflow does not know that it is to be masked."""
    log.info(
        "connection %s: %s is read, but shown to whoever may look at connections: rename it to %s",
        *(conn_id, old, new),
    )


def limits_of(conn_id: str, connection: Connection) -> Limits:
    """Return what a connection takes of its service at most; an empty field leaves it as usual.

    :raises ConfigurationError: a field is not a number above 0.
    """
    extra, found = extra_of(conn_id, connection), {}
    for name, (limit, unit) in _LIMITS.items():
        given = extra.get(name)
        if given is None or given == "":
            continue
        try:
            value = float(given)
        except (TypeError, ValueError):
            value = 0.0
        if isinstance(given, bool) or not 0 < value < _MOST:
            raise ConfigurationError(f"connection {conn_id}: {name} is not a number above 0")
        found[limit] = value if unit == 1 else max(1, int(value * unit))
    return Limits(**found)  # type: ignore[arg-type]  # the units tell bytes and seconds apart


def extra_of(conn_id: str, connection: Connection) -> dict[str, Any]:
    """Return the extra fields; Airflow takes broken ones for none, and so would go on as somebody else.

    From now on no message shows what is secret in the connection.

    :raises ConfigurationError: they are not a JSON object.
    """
    keep_secret(*secret_values({"password": connection.password, "host": connection.host}))
    try:
        extra = json.loads(connection.extra or "{}")
    except ValueError:
        extra = None
    if not isinstance(extra, dict):
        raise ConfigurationError(f"connection {conn_id}: the extra field is not a JSON object")
    keep_secret(*secret_values(extra))
    return extra


def text_of(path: str, what: str) -> str:
    """Return what a text file holds; no message shows what is secret in it.

    :raises ConfigurationError: it cannot be read; ``what`` is what the message calls it.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
    else:
        keep_secret(*secret_values({"private_key_file": text}))
        return text
    # Out here: the system's error holds the path, where some paste the key, and would stay its context.
    raise ConfigurationError(f"{what} cannot be read: {reason}")


def fingerprint(path: str | None) -> bytes | None:
    """Return what tells a file's contents apart; None if there is no file, or it cannot be read."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest() if path else None
    except (OSError, ValueError):
        return None
