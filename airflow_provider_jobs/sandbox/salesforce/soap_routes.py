"""login() of the SOAP API: https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_login.htm."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from starlette.routing import Route

from airflow_provider_jobs.sandbox.operations import Operation
from airflow_provider_jobs.sandbox.replies import Refusal, Reply
from airflow_provider_jobs.sandbox.salesforce.state import NEWEST, OLDEST, version_number

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.call import Call
    from airflow_provider_jobs.sandbox.salesforce.state import SalesforceState

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
    handler = SoapLogin(service).login
    operation = Operation(
        "salesforce.login.soap", handler, platform=service.platform, scopes=None, errors=soap_fault
    )
    return [Route(path, operation, methods=["POST"], name="salesforce.soap") for path in PATHS]


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
