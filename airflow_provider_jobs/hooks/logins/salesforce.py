"""The logins of a Salesforce org: what is sent, what the reply gives, what a refusal means.

simple-salesforce writes the requests of the logins that it has; only those import it.
Source: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flows.htm
"""

from __future__ import annotations

import html
import logging
import re
import time
from base64 import b64encode
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from airflow_provider_jobs.clients.salesforce.names import ORG_DOMAINS
from airflow_provider_jobs.clients.salesforce.replies import LATER
from airflow_provider_jobs.core.http.limits import LOGIN_BYTES
from airflow_provider_jobs.core.http.messages import Reply, Request
from airflow_provider_jobs.core.http.origins import Origins, untrusted
from airflow_provider_jobs.core.http.retry import LATER_SECONDS, retry_after_seconds
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    ProtocolError,
    ServiceError,
    TransportError,
)
from airflow_provider_jobs.hooks.base import text_of
from airflow_provider_jobs.hooks.logins.private_keys import private_key_pem
from airflow_provider_jobs.hooks.logins.salesforce_settings import Flow
from airflow_provider_jobs.words import keep_secret, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.core.http.transport import Transport
    from airflow_provider_jobs.hooks.logins.salesforce_settings import SalesforceSettings

log = logging.getLogger(__name__)

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: For so long a claim counts, as Salesforce wants it.
_ASSERTION_SECONDS = 180
#: From version 65 on Salesforce refuses the SOAP login; the version of the jobs is another matter.
SOAP_VERSION = "64.0"


#: What simple-salesforce gets in place of a reply to SOAP: it would parse that with all of its entities.
_SOAP_LOGIN = b"<r><sessionId>-</sessionId><serverUrl>https://-/</serverUrl></r>"


@dataclass(frozen=True)
class Grant:
    """A token, and the org that takes it."""

    token: str = field(repr=False)
    instance_url: str

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that authorise a request."""
        return {"Authorization": f"Bearer {self.token}"}


def log_in(settings: SalesforceSettings, transport: Transport) -> Grant:
    """Log in once.

    :raises AuthenticationError: the login is refused.
    :raises ConfigurationError: the private key is unusable.
    :raises TransportError: the login could not be reached.
    """
    sender = _Sender(settings, transport)
    if settings.flow is Flow.CLIENT:
        pair = f"{settings.consumer_key}:{settings.consumer_secret}".encode()
        basic = {"Authorization": f"Basic {b64encode(pair).decode()}"}
        sender.post(TOKEN_PATH, {"grant_type": "client_credentials"}, headers=basic)
    elif settings.flow is Flow.PASSWORD:
        password = f"{settings.password}{settings.security_token or ''}"
        fields = {"client_id": settings.consumer_key, "client_secret": settings.consumer_secret}
        fields |= {"username": settings.username, "password": password}
        sender.post(TOKEN_PATH, {"grant_type": "password", **fields})
    elif settings.flow is Flow.JWT:
        sender.post(TOKEN_PATH, {"grant_type": _JWT_BEARER, "assertion": _assertion(settings)})
    else:
        _log_in_by_soap(settings, sender)
    if sender.grant is None:
        raise ProtocolError(f"connection {settings.conn_id}: the login ended without a token")
    log.info("connection %s: logged in to %s", settings.conn_id, sender.grant.instance_url)
    return sender.grant


def _log_in_by_soap(settings: SalesforceSettings, sender: _Sender) -> None:
    from simple_salesforce.login import SalesforceLogin  # noqa: PLC0415 - half a second, for who needs it

    log.warning(
        "connection %s logs in by SOAP, which Salesforce ends in summer 2027: use client credentials",
        settings.conn_id,
    )
    SalesforceLogin(
        username=settings.username,
        domain="login",  # the host is the sender's
        session=sender,
        password=settings.password,
        security_token=_escaped(settings.security_token),
        organizationId=_escaped(settings.organization_id),
        sf_version=SOAP_VERSION,
        client_id=settings.client_id,
    )


def _assertion(settings: SalesforceSettings) -> str:
    """Return the signed claim that Salesforce takes for a login."""
    import jwt  # noqa: PLC0415 - comes with simple-salesforce, for who needs it

    claims = {
        "iss": settings.consumer_key,
        "sub": settings.username,
        "aud": settings.audience,
        "exp": int(time.time()) + _ASSERTION_SECONDS,
    }
    where = f"connection {settings.conn_id}"
    pem = private_key_pem(_key_text(settings), where)
    keep_secret(pem)
    try:
        return str(jwt.encode(claims, pem, algorithm="RS256"))
    # A public key has no sign(). The texts may show a part of the key.
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        raise ConfigurationError(
            f"{where}: the private key is unusable: give an RSA key in PEM, unencrypted"
        ) from None


def _key_text(settings: SalesforceSettings) -> str:
    if path := settings.key_file:
        return text_of(path, f"connection {settings.conn_id}: private_key_file_path {shown(path, 200)}")
    return settings.private_key or ""


def _escaped(text: str | None) -> str | None:
    return html.escape(text) if text else None


class _Sender:
    """Sends a login; simple-salesforce takes it for its session.

    The path is the caller's, the host the connection's: simple-salesforce knows hosts that end in
    salesforce.com only, and has no timeout.
    """

    def __init__(self, settings: SalesforceSettings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport
        self.grant: Grant | None = None

    def post(
        self,
        url: str,
        data: str | Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        proxies: object = None,
    ) -> SimpleNamespace:
        """Send one login, once, keep what it gives, and return what simple-salesforce has to find."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        request = Request(
            "POST",
            self._settings.login_url + urlsplit(url).path,
            content=data.encode() if isinstance(data, str) else urlencode(data).encode(),
            headers={"Accept": "application/json, text/xml", **form, **(headers or {})},
            authorized=False,
            most_bytes=LOGIN_BYTES,
        )
        try:
            reply = self._transport.once(request)
        except TransportError as error:
            raise TransportError(
                f"connection {self._settings.conn_id}: {error}; is its domain or instance_url right?",
                sent=False,
                retryable=error.retryable,
            ) from None
        self._read(reply)
        return SimpleNamespace(content=_SOAP_LOGIN, json=reply.json, status_code=reply.status)

    def _read(self, reply: Reply) -> None:
        if reply.status != 200:  # noqa: PLR2004 - the HTTP status itself
            raise _refusal(self._settings, reply)
        if self._settings.flow is Flow.SOAP:
            text = reply.body.decode("utf-8", "replace")
            token, url = _element(text, "sessionId"), _element(text, "serverUrl")
            if _element(text, "passwordExpired") == "true":
                raise AuthenticationError(
                    f"connection {self._settings.conn_id}: the user's password has expired",
                    status=reply.status,
                    reason="PASSWORD_EXPIRED",
                )
        else:
            document = reply.json()
            document = document if isinstance(document, dict) else {}
            token, url = document.get("access_token"), document.get("instance_url")
        if not isinstance(token, str) or not isinstance(url, str) or not token:
            raise ProtocolError(f"connection {self._settings.conn_id}: the login's reply holds no token")
        self.grant = Grant(token, self._org(url))

    def _org(self, url: str) -> str:
        """Return the address of the org that a login names, if the token may go there."""
        settings = self._settings
        if not Origins((settings.login_url,), ORG_DOMAINS).take_token(url):
            advice = f"If it is the org's, set instance_url of connection {settings.conn_id} to it"
            raise untrusted(settings.login_url, url, "the org's instance_url", advice)
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}"


def _element(text: str, name: str) -> str | None:
    # Nothing here runs past the next bracket: a reply that begins an element again and again is read once.
    found = re.search(rf"<(?:\w+:)?{name}\b[^<>]*>([^<>]*)<", text)
    return html.unescape(found[1]) if found else None


_LOOK_AT_USER = "look at login, password with security token, and domain: a sandbox org's is test"
#: What Salesforce says -> what to look at: of this flow, or of each; the code; some of the message.
_HINTS: tuple[tuple[Flow | None, str, str, str], ...] = (
    (
        None,
        "invalid_grant",
        "user hasn't approved",
        "let an administrator pre-authorize the user for the app",
    ),
    (None, "invalid_app_access", "", "let an administrator pre-authorize the user for the app"),
    (None, "OAUTH_APP_BLOCKED", "", "an administrator of the org blocks the app"),
    (None, "OAUTH_EC_APP_NOT_FOUND", "", "the org has no such External Client App: install it there"),
    (None, "inactive_user", "", "the user is not active"),
    (None, "inactive_org", "", "the org is locked or closed"),
    (
        Flow.JWT,
        "invalid_grant",
        "audience",
        (
            "this org takes no JWT for that audience: set the connection's audience to the org's My Domain, "
            "or to https://login.salesforce.com, or for a sandbox org https://test.salesforce.com"
        ),
    ),
    (
        Flow.JWT,
        "invalid_grant",
        "expired",
        "the clock of this machine may be wrong, or the app's certificate too old",
    ),
    (
        Flow.JWT,
        "invalid_grant",
        "",
        "look at login, the consumer key, domain, and the app's certificate: it has to be of the private key",
    ),
    (
        Flow.PASSWORD,
        "invalid_grant",
        "",
        (
            "this org blocks the username-password flow unless its setup allows it, under OAuth and OpenID "
            f"Connect Settings: use client credentials or JWT bearer. If it is allowed, {_LOOK_AT_USER}"
        ),
    ),
    (
        Flow.CLIENT,
        "invalid_grant",
        "no client credentials user",
        "this org blocks the client credentials flow of the app: enable it there, with a user to run as",
    ),
    (
        Flow.CLIENT,
        "invalid_grant",
        "",
        "look whether the app allows the client credentials flow, and at domain, the org's My Domain",
    ),
    (None, "invalid_client", "", "look at the consumer key and consumer_secret"),
    (
        Flow.PASSWORD,
        "unsupported_grant_type",
        "",
        "the org or the app blocks the username-password flow: client credentials are for new apps",
    ),
    (
        Flow.CLIENT,
        "unsupported_grant_type",
        "",
        "the org or the app blocks the client credentials flow: enable it in the app's settings",
    ),
    (
        Flow.JWT,
        "unsupported_grant_type",
        "",
        "the org or the app blocks the JWT bearer flow: enable it in the app's settings",
    ),
    (Flow.SOAP, "LOGIN_MUST_USE_SECURITY_TOKEN", "", "set security_token"),
    (Flow.SOAP, "INVALID_LOGIN", "", _LOOK_AT_USER),
    (Flow.SOAP, "", "SOAP API login", "this org blocks the SOAP login: use client credentials or JWT bearer"),
    (
        Flow.SOAP,
        "UNSUPPORTED_API_VERSION",
        "",
        "the SOAP login is gone: use client credentials or JWT bearer",
    ),
    (
        Flow.SOAP,
        "INVALID_SSO_GATEWAY_URL",
        "",
        "this org has its users log in by single sign-on: use JWT bearer",
    ),
)
_TRANSIENT_STATUSES = frozenset({408, 420, 429, *range(500, 600)})
#: What OAuth says where SOAP has a code: 3,600 logins of a user in an hour, or an org that is busy.
_LATER_LOGIN = re.compile(r"login rate exceeded|retry your request|temporarily unavailable", re.IGNORECASE)


def _refusal(settings: SalesforceSettings, reply: Reply) -> ServiceError:
    """Return the error of a reply that gives no token: Salesforce's words, and what to look at."""
    reason, message = _words(settings, reply)
    hints = (
        advice
        for flow, code, words, advice in _HINTS
        if flow in {None, settings.flow} and code in reason and words in message
    )
    hint = next(hints, None)
    host = urlsplit(settings.login_url).netloc
    text = f"connection {settings.conn_id}: {host} refused the login ({settings.flow}): {reason}"
    text += (f": {message}" if message else "") + (f" ({hint})" if hint else "")
    # A SOAP fault is a 500 too, whatever is wrong, but names it.
    named = settings.flow is Flow.SOAP and not reason.startswith(("HTTP ", "SERVER_UNAVAILABLE"))
    later = bool(LATER.search(reason) or _LATER_LOGIN.search(message))
    transient = later or (reply.status in _TRANSIENT_STATUSES and not named)
    kind = ServiceError if transient else AuthenticationError
    pause = retry_after_seconds(reply.headers)
    return kind(
        text,
        status=reply.status,
        reason=reason,
        retryable=transient,
        retry_after=LATER_SECONDS if later and pause is None else pause,
    )


def _words(settings: SalesforceSettings, reply: Reply) -> tuple[str, str]:
    """Return code and text of a refusal; of a page that is not Salesforce's the status and its words."""
    reason: Any = None
    message: Any = None
    if settings.flow is Flow.SOAP:
        text = reply.body.decode("utf-8", "replace")
        reason = _element(text, "exceptionCode") or _element(text, "faultcode")
        message = _element(text, "exceptionMessage") or _element(text, "faultstring")
    else:
        try:
            document = reply.json()
        except ProtocolError:
            document = None
        if isinstance(document, dict):
            reason, message = document.get("error"), document.get("error_description")
    return shown(reason or f"HTTP {reply.status}", 100), shown(message or reply.page_words, 300)
