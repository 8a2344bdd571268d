"""Google credentials of an Airflow connection: google-auth makes tokens of them when one is needed.

Source: https://google-auth.readthedocs.io/
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import threading
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.clients.bigquery.api import UNIVERSE_DOMAIN
from airflow_provider_jobs.core.http.messages import check_url
from airflow_provider_jobs.core.http.origins import Origins
from airflow_provider_jobs.core.http.path import path_of
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    ProtocolError,
    TransportError,
)
from airflow_provider_jobs.hooks.base import StaticToken, fingerprint, text_of, transport_of
from airflow_provider_jobs.hooks.logins.google_settings import BigQuerySettings
from airflow_provider_jobs.hooks.logins.private_keys import private_key_pem
from airflow_provider_jobs.words import keep_secret, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.auth.credentials import Credentials

    from airflow_provider_jobs.hooks.logins.google_exchange import Exchange

log = logging.getLogger(__name__)

#: Where service accounts are, below the address of IAM.
_ACCOUNTS = ("v1", "projects", "-", "serviceAccounts")
#: Codes of a service that gives tokens, and is busy.
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
#: What google-auth says of a good reply without a token, and what it breaks with at other nonsense.
_NOTHING_GIVEN = "No access token"
_UNREADABLE = (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError)
#: A key looks otherwise.
_PATH = re.compile(r"[^\s{\"\[][^\n{\"]{0,400}")
#: Keys of former years ask for their tokens here, outside of Google's domain for APIs.
#: Source: https://cloud.google.com/iam/docs/keys-create-delete
_GOOGLES_OWN = "https://accounts.google.com"
#: What names the file of application default credentials; without it, it is gcloud's.
_DEFAULT = "GOOGLE_APPLICATION_CREDENTIALS"


class GoogleToken:
    """Tokens of google-auth credentials: fetched when needed, one for all threads.

    Once one is refused, the file of the credentials is looked at: a key that was rotated counts from then on.

    :param load: Makes the credentials, and names their project.
    :param key_file: What it reads them from; None if they are not in a file.
    :param exchange: Asks for their tokens; None lets Google's own hosts be asked alone.
    """

    def __init__(
        self,
        conn_id: str,
        load: Callable[[], tuple[Credentials, str | None]],
        key_file: str | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self._conn_id = conn_id
        self._load = load
        self._key_file = key_file
        self._exchange = exchange or _exchange(BigQuerySettings(conn_id))
        self._lock = threading.RLock()  # a signal may end the task while this thread refreshes
        self._content = fingerprint(key_file)  # before the file is read: no change is missed
        self._credentials, self.project = load()

    def headers(self) -> dict[str, str]:
        """Return the headers that authorise a request."""
        with self._lock:
            if not self._credentials.valid:
                self._refresh()
            return self._current()

    def renew(self, rejected: Mapping[str, str]) -> bool:
        """Fetch another token unless a thread before this one has done so."""
        with self._lock:
            # Without a token: such a thread has read another key, and got none for it.
            if not self._credentials.token or self._current() == rejected:
                self._reload()
                self._refresh()
        return True

    def account(self) -> str:
        """Return whose tokens these are; empty if the credentials do not say."""
        credentials: Any = self._credentials
        # A metadata server's have a name once they have a token, a user's if gcloud has written it.
        names = (getattr(credentials, name, None) for name in ("service_account_email", "account"))
        return next((shown(name, 200) for name in names if isinstance(name, str) and "@" in name), "")

    def _current(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        self._credentials.apply(headers)
        return {"Authorization": headers.pop("authorization"), **headers}

    def _refresh(self) -> None:
        refused = self._credentials
        try:
            self._fetch()
        except AuthenticationError:
            if not self._reload() and self._credentials is refused:  # else a signal handler has been here
                raise
            self._fetch()

    def _reload(self) -> bool:
        """Load the credentials again if their file has changed; return False if there are no others."""
        content = fingerprint(self._key_file)
        if content in {None, self._content}:
            return False
        try:
            self._credentials, _ = self._load()
        except JobsError as error:  # half written, perhaps: the next refusal has it looked at again
            log.warning("%s; going on with what was read before", error)
            return False
        self._content = content
        log.info("connection %s: %s has changed and was read again", self._conn_id, self._key_file)
        return True

    def _fetch(self) -> None:
        from google.auth import exceptions  # noqa: PLC0415 - as above

        self._exchange.status = None
        try:
            self._credentials.refresh(self._exchange)
        except exceptions.TransportError:
            problem: JobsError = _unreachable(self._conn_id)
        except subprocess.TimeoutExpired as error:
            problem = _late(self._conn_id, error)
        except (exceptions.GoogleAuthError, OSError, *_UNREADABLE) as error:
            problem = self._refused(error)
        else:
            if isinstance(self._credentials.token, str) and self._credentials.token:
                return
            self._credentials.token, problem = None, self._nonsense()
        raise problem  # out here: google-auth's error holds the whole reply, and would stay its context

    def _refused(self, error: Exception) -> JobsError:
        """Return the error of credentials that were not taken, or whose source has nothing to show."""
        from google.auth import exceptions  # noqa: PLC0415 - as above

        status = self._exchange.status
        refused = isinstance(error, exceptions.GoogleAuthError)
        # google-auth takes for granted that a good reply is what it should be.
        if (_NOTHING_GIVEN in _words(error)) if refused else status:
            return self._nonsense()
        if status and isinstance(error, exceptions.InvalidValue):
            return self._nonsense()
        words = _words(error) if refused else f"credential_source: {_reason(error)}"
        return AuthenticationError(
            f"connection {self._conn_id}: Google gives no token: {words}",
            status=401,
            reason="authError",
            retryable=status in _BUSY or _is_busy(error),
        )

    def _nonsense(self) -> ProtocolError:
        with suppress(JobsError):  # of what was read in part nothing stays, in a source neither
            self._credentials, _ = self._load()
        status = self._exchange.status
        return ProtocolError(
            f"connection {self._conn_id}: Google's token service answered {status} with what is not a token; "
            "a proxy may stand in between"
        )


def token_for(settings: BigQuerySettings) -> tuple[StaticToken | GoogleToken, str | None]:
    """Return where tokens come from, and the project that key file or metadata server name.

    :raises ConfigurationError: the credentials cannot be read.
    """
    name, text = _source(settings)
    if name == "access_token" and not settings.impersonation_chain:
        quota = {"x-goog-user-project": settings.quota_project} if settings.quota_project else {}
        return StaticToken(text, quota), None
    exchange = _exchange(settings)
    token = GoogleToken(settings.conn_id, partial(_load, settings, exchange), _path(name, text), exchange)
    return token, token.project


def _exchange(settings: BigQuerySettings) -> Exchange:
    """Return what asks for the tokens of a connection."""
    from airflow_provider_jobs.hooks.logins.google_exchange import (  # noqa: PLC0415 - imports google-auth
        Exchange,
    )

    own = {"iam_endpoint": settings.iam_endpoint, "api_endpoint": settings.api_endpoint}
    endpoints = [check_url(url, name) for name, url in own.items() if url]
    if settings.universe_domain == UNIVERSE_DOMAIN:
        endpoints.append(_GOOGLES_OWN)
    origins = Origins(tuple(endpoints), (settings.universe_domain,))
    return Exchange(settings.conn_id, transport_of(StaticToken("")), origins)  # who asks for one has none yet


def _source(settings: BigQuerySettings) -> tuple[str, str]:
    """Return the name of what holds the credentials, or names their file, and its text."""
    if settings.credential:
        return settings.credential
    if path := os.environ.get(_DEFAULT):
        return _DEFAULT, path
    home = os.path.expanduser("~")  # noqa: PTH111 - Path's raises where there is none
    folder = Path(os.environ.get("CLOUDSDK_CONFIG") or Path(home, ".config/gcloud"))
    return _DEFAULT, str(folder / "application_default_credentials.json")


def _path(name: str, text: str) -> str | None:
    return None if name in {"access_token", "keyfile_dict"} or not _PATH.fullmatch(text) else text


def _load(settings: BigQuerySettings, exchange: Exchange) -> tuple[Any, str | None]:
    """Return the credentials as they are written now, and the project that they name."""
    from google.auth import exceptions  # noqa: PLC0415 - as above

    try:
        credentials, project = _credentials(settings, exchange)
        if settings.impersonation_chain:
            credentials = _impersonated(settings, credentials)
        if settings.quota_project:
            credentials = credentials.with_quota_project(settings.quota_project)
    except exceptions.TransportError:
        problem: JobsError = _unreachable(settings.conn_id)
    except subprocess.TimeoutExpired as error:
        problem = _late(settings.conn_id, error)
    # A document may hold anything in place of what google-auth expects.
    except (exceptions.GoogleAuthError, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        cause = error.__cause__ or error.__context__
        words = _reason(cause if isinstance(cause, ValueError) else error).rstrip(".")
        where = f"connection {settings.conn_id}: the credentials are unusable"
        problem = ConfigurationError(f"{where}: {words}; look at {_source(settings)[0]}")
    else:
        return credentials, project
    raise problem  # out here: google-auth's error may hold a part of the key, and would stay its context


def _credentials(settings: BigQuerySettings, exchange: Exchange) -> tuple[Any, str | None]:
    import google.auth  # noqa: PLC0415 - as above
    from google.auth.credentials import with_scopes_if_required  # noqa: PLC0415
    from google.oauth2.credentials import Credentials  # noqa: PLC0415

    name, text = _source(settings)
    scopes = list(settings.scopes)
    if name == "access_token":
        return Credentials(text), None
    if name == _DEFAULT:
        return _default_credentials(settings, exchange, text)
    document = _document(settings.conn_id, name, text)
    exchange.read(document)
    if name.startswith("key"):
        document = {"type": "service_account", **document}
    # Its warnings are of documents by strangers, which no connection holds, and of users without a quota
    # project, which BigQuery's jobs do not need; where warnings are errors, they would end the task.
    warnings.filterwarnings("ignore", module=r"google\.auth\._default")
    # Given the scopes of an external account, it would ask Google for the project's name, before any need.
    external = document.get("type") == "external_account"
    found, project = google.auth.load_credentials_from_dict(document, scopes=None if external else scopes)
    return with_scopes_if_required(found, scopes), project or document.get("project_id")


def _default_credentials(settings: BigQuerySettings, exchange: Exchange, path: str) -> tuple[Any, str | None]:
    """Return what a file of this machine, or its metadata server, gives."""
    import google.auth  # noqa: PLC0415 - as above
    from google.auth import compute_engine  # noqa: PLC0415

    if not _path(_DEFAULT, path):  # google-auth would show it, and it may be a key
        raise ConfigurationError(f"connection {settings.conn_id}: {_DEFAULT} is not a path")
    if os.environ.get(_DEFAULT) or fingerprint(path):  # what is named has to be there
        exchange.read(_document(settings.conn_id, _DEFAULT, path))
    found, project = google.auth.default(scopes=list(settings.scopes), request=exchange)
    if isinstance(found, compute_engine.Credentials):  # else it asks for the domain, by its own transport
        found = found.with_universe_domain(settings.universe_domain)
    return found, project


def _impersonated(settings: BigQuerySettings, source: Any) -> Any:
    from google.auth import impersonated_credentials  # noqa: PLC0415 - as above

    *delegates, target = settings.impersonation_chain
    for account in settings.impersonation_chain:
        if not re.fullmatch(r"[\w.+-]+@[\w.:-]+", account):
            raise ConfigurationError(f"impersonation_chain: {shown(account, 80)!r} is not a service account")
    endpoint = check_url(settings.iam_endpoint, "iam_endpoint").rstrip("/")
    return impersonated_credentials.Credentials(
        source_credentials=source,
        target_principal=target,
        target_scopes=list(settings.scopes),
        delegates=delegates,
        iam_endpoint_override=f"{endpoint}{path_of(*_ACCOUNTS, target, safe='@:')}:generateAccessToken",
    )


def _document(conn_id: str, name: str, text: str) -> dict[str, Any]:
    """Return the JSON object that a field or its file holds; of a field, messages show a path at most."""
    where = f"connection {conn_id}: {name}"
    if path := _path(name, text):
        where += f" {path}"
        text = text_of(path, where)
    try:
        document = json.loads(text)
    except ValueError:
        raise ConfigurationError(f"{where} is not JSON") from None
    if not isinstance(document, dict):
        raise ConfigurationError(f"{where} is not a JSON object")
    if isinstance(key := document.get("private_key"), str):
        document["private_key"] = private_key_pem(key, where)
        keep_secret(document["private_key"])
    return document


def _unreachable(conn_id: str) -> TransportError:
    return TransportError(f"connection {conn_id}: Google's token service could not be reached", sent=False)


def _late(conn_id: str, error: subprocess.TimeoutExpired) -> TransportError:
    seconds = f"{error.timeout:.0f} s"
    where = f"connection {conn_id}: credential_source"
    return TransportError(f"{where}: its executable gave nothing within {seconds}", sent=False)


def _reason(error: BaseException) -> str:
    """Return what is wrong with what google-auth read, or with the file or the program that it comes from."""
    if isinstance(error, OSError) and error.strerror:
        return shown(f"{error.filename}: {error.strerror}" if error.filename else error.strerror, 300)
    if isinstance(error, json.JSONDecodeError):
        return "it is not JSON"
    if isinstance(error, UnicodeDecodeError):
        return "it is not text"
    if isinstance(error, KeyError):
        return f"it lacks the field {_words(error)}"
    if isinstance(error, TypeError | AttributeError):  # Python's own words
        return "it is not a JSON object of the right form"
    return _words(error)


def _is_busy(error: Any) -> bool:
    """Return True if who gives tokens may do so in a while: google-auth tells that of some issuers only."""
    if getattr(error, "retryable", False):
        return True
    reply = error.args[1] if len(error.args) > 1 else None
    if not isinstance(reply, str):
        return False
    try:
        document = json.loads(reply)
    except ValueError:
        return reply.lstrip().startswith("<")  # the page of a proxy, or of a service that is out
    problem = document.get("error") if isinstance(document, dict) else None
    return isinstance(problem, dict) and problem.get("code") in _BUSY


def _words(error: BaseException) -> str:
    """Return the first argument of an error: the others may hold the whole reply."""
    return shown(error.args[0] if error.args else type(error).__name__, 300)
