"""What an Airflow connection says about a Salesforce org, and how to log in to it.

Settings are a pure function of the connection. Existing connections of type ``salesforce`` are read as they
are, their old ``extra__salesforce__…`` fields included.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_jobs.clients.salesforce.names import VERSION, api_version, check_api_host
from airflow_provider_jobs.core.http.messages import check_url, is_loopback
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.hooks.base import extra_of, note_old_name
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from airflow.sdk import Connection

#: Where a whole host name ends; anything shorter is the part before ``.salesforce.com``.
_HOST_ENDINGS = (".com", ".mil", ".cn")
#: The type of the connections of Airflow's own hook:
#: https://airflow.apache.org/docs/apache-airflow-providers-salesforce/stable/connections/salesforce.html
AIRFLOWS_TYPE = "salesforce"
_SHARED_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})
#: ``acme--dev.sandbox.my.salesforce.com``, and ``acme--dev.my.salesforce.com`` as it was before.
_SANDBOX_HOST = re.compile(r"--|\.sandbox\.")


class Flow(StrEnum):
    """The ways to get a token, in the order in which they are looked for."""

    READY = "ready token"
    JWT = "JWT bearer"
    PASSWORD = "username and password"  # noqa: S105 - the flow's name
    SOAP = "SOAP login"
    CLIENT = "client credentials"


@dataclass(frozen=True)
class SalesforceSettings:
    """What a connection says.

    :param login_url: Where tokens are asked for.
    :param instance_url: The org's own address, as far as the connection knows it.
    :param audience: Whom a JWT is for: what a field says, the org's My Domain, or the host of all orgs.
    :param sandbox_org: The org is one of Salesforce's sandboxes, whose host of all orgs is ``test``.
    :param proxies: Scheme and proxy, in pairs.
    :param client_id: What the org's logs call the caller.
    :param api_usage_limit: The share of the org's daily requests from which on no new job is made; waiting
        and downloads go on.
    """

    conn_id: str
    flow: Flow
    login_url: str
    instance_url: str | None = None
    audience: str = "https://login.salesforce.com"
    sandbox_org: bool = False
    version: str = VERSION
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    security_token: str | None = field(default=None, repr=False)
    organization_id: str | None = None
    consumer_key: str | None = field(default=None, repr=False)
    consumer_secret: str | None = field(default=None, repr=False)
    private_key: str | None = field(default=None, repr=False)
    private_key_path: str | None = field(default=None, repr=False)  # some paste the key itself
    access_token: str | None = field(default=None, repr=False)
    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    client_id: str | None = None
    api_usage_limit: float | None = None

    @property
    def key_file(self) -> str | None:
        """The file that the login reads its private key from, if it does."""
        return None if self.flow is not Flow.JWT or self.private_key else self.private_key_path

    @classmethod
    def from_connection(
        cls,
        conn_id: str,
        connection: Connection,
        *,
        session_id: str | None = None,
        version: str | None = None,
    ) -> SalesforceSettings:
        """Read a connection. The first flow whose fields are all there counts; an empty field is missing.

        A connection of Airflow's own type ``salesforce`` logs in as Airflow's own hook does.

        :param session_id: A ready token; goes before everything that the connection holds.
        :param version: Goes before the connection's.
        :raises ConfigurationError: there is no way to log in, or a field is wrong.
        """
        where = f"connection {conn_id}"
        extra, of_airflow = extra_of(conn_id, connection), connection.conn_type == AIRFLOWS_TYPE
        if not of_airflow and extra.get("consumer_key"):
            note_old_name(conn_id, "consumer_key", "consumer_api_key")
        get = _getter(extra)
        given = _given(get, connection, session_id)
        flow = _flow(where, given, of_airflow=of_airflow)
        if of_airflow and given["private_key_path"]:
            given["private_key"] = None  # the file goes first there
        instance_url = get("instance_url") or (get("instance") if flow is Flow.READY else None)
        instance_url = _origin(where, "instance_url", instance_url) if instance_url else None
        domain = get("domain") or "login"
        login_url = instance_url or _origin(where, "domain", domain)
        host = urlsplit(login_url).netloc
        _check_host(where, flow, instance_url, host)
        sandbox_org = domain == "test" or host.startswith("test.") or bool(_SANDBOX_HOST.search(host))
        named = get("audience") or (get("domain") if of_airflow else None)
        audience = (
            _origin(where, "audience", named) if named else _audience(login_url, sandbox_org=sandbox_org)
        )
        return cls(
            conn_id=conn_id,
            flow=flow,
            login_url=login_url,
            instance_url=instance_url,
            audience=audience,
            sandbox_org=sandbox_org,
            version=_version(where, version or get("version") or VERSION),
            proxies=_proxies(where, get("proxies", as_text=False)),
            client_id=_client_id(where, get("client_id")),
            api_usage_limit=_share(where, get("api_usage_limit")),
            **given,
        )


def _getter(extra: Mapping[str, Any]) -> Callable[..., Any]:
    """Return what looks up an extra field by its name, also under the name that it had before."""

    def get(name: str, *, as_text: bool = True) -> Any:
        found = (extra.get(key) for key in (name, f"extra__salesforce__{name}"))
        value = next((each for each in found if _text(each)), None)
        return _text(value) if as_text else value

    return get


def _given(get: Callable[..., Any], connection: Connection, session_id: str | None) -> dict[str, str | None]:
    """Return the fields that logins go by; None for what is missing."""
    return {
        "username": _text(connection.login),
        "password": connection.password or None,
        "security_token": get("security_token"),
        "organization_id": get("organization_id"),
        "consumer_key": get("consumer_api_key") or get("consumer_key"),  # Airflow's own name
        "consumer_secret": get("consumer_secret"),
        "private_key": get("private_key"),
        "private_key_path": get("private_key_file_path"),
        "access_token": _text(session_id) or get("access_token"),
    }


def _text(value: Any) -> str | None:
    return None if value is None else str(value).strip() or None


def _flow(where: str, given: Mapping[str, str | None], *, of_airflow: bool) -> Flow:
    has = {name for name, value in given.items() if value}
    signs = has & {"private_key", "private_key_path"}
    if "access_token" in has:
        return Flow.READY
    if of_airflow and (flow := _airflows_flow(has)):
        return flow
    if {"username", "consumer_key"} <= has and signs:
        return Flow.JWT
    if {"username", "password", "consumer_key", "consumer_secret"} <= has:
        return Flow.PASSWORD
    if {"username", "password"} <= has:
        return Flow.SOAP
    if {"consumer_key", "consumer_secret"} <= has:
        return Flow.CLIENT
    key = "consumer_key" if of_airflow else "consumer_api_key"
    raise ConfigurationError(
        f"{where} holds no way to log in: give {key}, consumer_secret and domain; or login, "
        f"{key} and private_key; or login, password and security_token; or access_token and "
        "instance_url"
    )


def _airflows_flow(has: Collection[str]) -> Flow | None:
    """Return the flow that Airflow's own hook takes with these fields, in its order; None if it has none."""
    user = {"username", "password"} <= set(has)
    if user and {"security_token", "organization_id"} & set(has):
        return Flow.SOAP
    return Flow.PASSWORD if user and {"consumer_key", "consumer_secret"} <= set(has) else None


def _audience(login_url: str, *, sandbox_org: bool) -> str:
    """Return the My Domain that logins go to, or else the host of all orgs: JWTs are for no other."""
    host = urlsplit(login_url).hostname or ""
    if host in _SHARED_HOSTS or ".my." in host or is_loopback(host):
        return login_url
    return f"https://{'test' if sandbox_org else 'login'}.salesforce.com"


def _origin(where: str, name: str, text: str) -> str:
    """Return scheme and host of an address, of a host, or of what stands before ``.salesforce.com``."""
    if "://" not in text:
        host = text.partition("/")[0]
        whole = ":" in host or host == "localhost" or host.lower().endswith(_HOST_ENDINGS)
        text = f"https://{host if whole else host + '.salesforce.com'}"
    check_url(text, f"{where}: {name}")
    parts = urlsplit(text)
    host = parts.netloc.rpartition("@")[2].lower()
    check_api_host(parts.hostname or "", f"{where}: {name}")
    return f"{parts.scheme}://{host}"


def _check_host(where: str, flow: Flow, instance_url: str | None, host: str) -> None:
    if flow is Flow.READY and instance_url is None:
        raise ConfigurationError(
            f"{where}: a ready token needs instance_url, the org's own address, such as "
            "https://acme.my.salesforce.com"
        )
    if flow is Flow.CLIENT and host in _SHARED_HOSTS:
        raise ConfigurationError(
            f"{where}: client credentials need the org's My Domain: set domain, such as acme.my, or "
            f"instance_url; {host} does not take them"
        )


def _version(where: str, value: str) -> str:
    try:
        return api_version(value).removeprefix("v")
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def _proxies(where: str, value: Any) -> tuple[tuple[str, str], ...]:
    """Return the proxies that JSON text, a mapping or one URL for everything names."""
    if value is None:
        return ()
    wrong = f"{where}: proxies is neither a URL nor a JSON object of schemes and URLs"
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            raise ConfigurationError(wrong) from None
    if isinstance(value, str):
        value = {"http": value.strip(), "https": value.strip()}
    if not isinstance(value, dict) or not all(_is_proxy(each) for each in value.values()):
        raise ConfigurationError(wrong)
    return tuple(sorted(value.items()))


def _is_proxy(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"(\w+://)?[^\s/]+/?", value))


def _client_id(where: str, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[\w.:/ -]{1,100}", value, re.ASCII):
        raise ConfigurationError(f"{where}: client_id is more than letters, digits and . : / -")
    return value


def _share(where: str, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        share = float(value)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ConfigurationError(
            f"{where}: api_usage_limit is {shown(value, 20)!r}: give a share of the daily requests, as 0.8"
        )
    return share
