"""How programs get a token: by OAuth, or by login() of the SOAP API.

See https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flows.htm and
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_login.htm.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from starlette.routing import Route

from airflow_provider_jobs.sandbox.auth import API
from airflow_provider_jobs.sandbox.keys import BadAssertion, verified_claims
from airflow_provider_jobs.sandbox.oauth import JWT_BEARER, read_form
from airflow_provider_jobs.sandbox.operations import Operation
from airflow_provider_jobs.sandbox.replies import Refusal, Reply, oauth_error
from airflow_provider_jobs.sandbox.salesforce.state import NEWEST, OLDEST, version_number

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

PATH = "/services/oauth2/token"
LONGEST_ASSERTION_SECONDS = 300  # three minutes are documented, and clocks differ
AUDIENCES = {"production": "https://login.salesforce.com", "sandbox": "https://test.salesforce.com"}
# The first is what a wrong password gets, too.
BLOCKED = {
    "password": "authentication failure",
    "client_credentials": "no client credentials user enabled",
    "jwt-bearer": "user hasn't approved this consumer",
}
LOGIN_HOSTS = ("login.", "test.")
PATHS = ("/services/Soap/u/{version}", "/services/Soap/c/{version}")
FIRST_WITHOUT_LOGIN = 65
FAULT = 500  # the status of every fault of SOAP 1.1
MEDIA_TYPE = "text/xml; charset=UTF-8"
ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns="urn:partner.soap.sforce.com" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{}</soapenv:Body></soapenv:Envelope>'
)


def routes(service: SalesforceState) -> list[Route]:
    """Give the routes."""
    platform, token, soap = service.platform, TokenEndpoint(service).token, SoapLogin(service).login
    by_oauth = Operation("salesforce.login.token", token, platform=platform, scopes=None, errors=oauth_error)
    by_soap = Operation("salesforce.login.soap", soap, platform=platform, scopes=None, errors=soap_fault)
    return [
        Route(PATH, by_oauth, methods=["POST"], name="salesforce.token"),
        *(Route(path, by_soap, methods=["POST"], name="salesforce.soap") for path in PATHS),
    ]


class TokenEndpoint:
    """The flows that need no browser."""

    def __init__(self, service: SalesforceState) -> None:
        self._service = service
        self._identity = service.identity
        self._account = service.identity.account

    async def token(self, call: Call) -> Reply:
        """Give a token; it does not say when it ends."""
        form = await read_form(call)
        flows = {
            JWT_BEARER: self._by_assertion,
            "password": self._by_password,
            "client_credentials": self._by_client,
        }
        grant_type = form.get("grant_type", "")
        flow = flows.get(grant_type)
        if flow is None:
            raise Refusal(400, "unsupported_grant_type", "grant type not supported")
        self._check_allowed(grant_type.rpartition(":")[2])
        flow(form, call)
        call.request.scope["sandbox.entry"].account = self._account.username
        return Reply(self._reply(self._service.issue_token(grant_type.rpartition(":")[2])))

    def _check_allowed(self, flow: str) -> None:
        """Refuse what the org or the app blocks, in the words that are reported of Salesforce."""
        if flow in self._service.settings.blocked_flows.split(","):
            raise _invalid_grant(BLOCKED[flow])

    def _takes(self, audience: Any) -> bool:
        shared = AUDIENCES[self._service.settings.org]
        own = self._service.platform.url
        return audience == own or (audience == shared and self._service.settings.audience == "any")

    def _by_assertion(self, form: dict[str, str], _call: Call) -> None:
        try:
            claims = verified_claims(form.get("assertion", ""), self._identity)
        except BadAssertion as error:
            raise _invalid_grant(f"invalid assertion: {error}") from error
        if claims.get("iss") != self._account.consumer_key:
            raise Refusal(400, "invalid_client_id", "client identifier invalid")
        if claims.get("sub") != self._account.username:
            raise _invalid_grant("user hasn't approved this consumer")
        if not self._takes(claims.get("aud")):
            raise _invalid_grant("audience is invalid")
        ahead = _number(claims.get("exp")) - time.time()
        if not 0 < ahead <= LONGEST_ASSERTION_SECONDS:
            raise _invalid_grant("invalid assertion: exp is over, or too far ahead")

    def _by_password(self, form: dict[str, str], _call: Call) -> None:
        self._check_client(form.get("client_id", ""), form.get("client_secret", ""))
        username, password = form.get("username", ""), form.get("password", "")
        if self._service.password_problem(username, password):
            raise _invalid_grant("authentication failure")

    def _by_client(self, form: dict[str, str], call: Call) -> None:
        host = call.request.headers.get("host", "").lower()
        if self._service.settings.host == "login" or host.startswith(LOGIN_HOSTS):
            raise _invalid_grant("request not supported on this domain")
        header = call.request.headers.get("authorization", "")
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        if header:
            client_id, secret = _basic(header)
        self._check_client(client_id, secret)

    def _check_client(self, client_id: str, secret: str) -> None:
        if client_id != self._account.consumer_key:
            raise Refusal(400, "invalid_client_id", "client identifier invalid")
        if not secrets.compare_digest(secret.encode(), self._account.consumer_secret.encode()):
            raise Refusal(400, "invalid_client", "invalid client credentials")

    def _reply(self, token: str) -> dict[str, Any]:
        url, account = self._service.platform.url, self._account
        user_url = f"{url}/id/{account.organization_id}/{account.user_id}"
        issued_at = str(int(time.time() * 1000))
        digest = hmac.digest(
            account.consumer_secret.encode(), (user_url + issued_at).encode(), hashlib.sha256
        )
        return {
            "access_token": token,
            "signature": base64.b64encode(digest).decode(),
            "scope": API,
            "instance_url": url,
            "id": user_url,
            "token_type": "Bearer",
            "issued_at": issued_at,
        }


def _invalid_grant(message: str) -> Refusal:
    return Refusal(400, "invalid_grant", message)


def _number(value: Any) -> float:
    """Give a time that may be spelled as text, as some clients do; 0 for what is not one."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _basic(header: str) -> tuple[str, str]:
    """Give user and password of an ``Authorization: Basic`` header."""
    scheme, _, text = header.partition(" ")
    try:
        client_id, _, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except ValueError as error:
        raise Refusal(400, "invalid_client", "invalid client credentials") from error
    return (client_id, secret) if scheme.lower() == "basic" else ("", "")


def soap_fault(refusal: Refusal) -> Reply:
    """Give the envelope of an error; its status is always the same."""
    code, message = escape(refusal.reason), escape(refusal.message)
    fault = (
        f"<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring>"
        f'<detail><sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>{code}</sf:exceptionCode>'
        f"<sf:exceptionMessage>{message}</sf:exceptionMessage><sf:row>-1</sf:row><sf:column>-1</sf:column>"
        "</sf:LoginFault></detail></soapenv:Fault>"
    )
    status = max(FAULT, refusal.status)
    content = ENVELOPE.format(fault).encode()
    return Reply(status=status, headers=refusal.headers, content=content, media_type=MEDIA_TYPE)


class SoapLogin:
    """The one method that is served."""

    def __init__(self, service: SalesforceState) -> None:
        self._service = service
        self._account = service.identity.account

    async def login(self, call: Call) -> Reply:
        """Give a session, whose id is a token."""
        version = call.path("version")
        self._check_version(version)
        given = _parameters(await call.body())
        username, password = given.get("username", ""), given.get("password", "")
        problem = self._service.password_problem(username, password, given.get("organizationId", ""))
        if problem:
            raise Refusal(FAULT, *problem)
        call.request.scope["sandbox.entry"].account = self._account.username
        content = ENVELOPE.format(self._result(version, self._service.issue_token("soap"))).encode()
        return Reply(content=content, media_type=MEDIA_TYPE)

    def _check_version(self, version: str) -> None:
        number = version_number(version)
        if not OLDEST <= number <= NEWEST:
            raise Refusal(FAULT, "UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")
        if number >= FIRST_WITHOUT_LOGIN:
            message = (
                f"The SOAP Login operation is not available in the API version specified ({version}). "
                "Refer to the documentation for supported versions."
            )
            raise Refusal(FAULT, "INVALID_OPERATION", message)
        if self._service.settings.soap_login == "disabled":
            message = (
                "SOAP API login() is disabled by default in this org. "
                "Contact the org administrator to enable SOAP API login()."
            )
            raise Refusal(FAULT, "INVALID_OPERATION", message)

    def _result(self, version: str, token: str) -> str:
        base = f"{self._service.platform.url}/services/Soap"
        account = self._account
        values = {
            "metadataServerUrl": f"{base}/m/{version}/{account.organization_id}",
            "passwordExpired": "false",
            "sandbox": "true" if self._service.settings.org == "sandbox" else "false",
            "serverUrl": f"{base}/u/{version}/{account.organization_id}",
            "sessionId": token,
            "userId": account.user_id,
        }
        elements = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
        user = (
            f"<userInfo><organizationId>{account.organization_id}</organizationId>"
            f"<userId>{account.user_id}</userId><userName>{escape(account.username)}</userName></userInfo>"
        )
        return f"<loginResponse><result>{elements}{user}</result></loginResponse>"


def _parameters(body: bytes) -> dict[str, str]:
    """Give the texts of the elements that the envelope holds, by their names without namespaces."""
    if b"<!DOCTYPE" in body:
        raise Refusal(FAULT, "INVALID_SOAP", "A document type is not allowed.")
    try:
        root = ET.fromstring(body)  # noqa: S314 - without a document type there are no entities
    except ET.ParseError as error:
        raise Refusal(FAULT, "INVALID_SOAP", f"The envelope is not well-formed: {error}.") from error
    if not any(element.tag.rpartition("}")[2] == "login" for element in root.iter()):
        raise Refusal(FAULT, "INVALID_SOAP", "Only login is served.")
    return {element.tag.rpartition("}")[2]: element.text or "" for element in root.iter()}
