"""Orgs, API versions, job ids, objects: checked before they become an address. Operators may import it."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_jobs.core.http.messages import check_url
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from airflow_provider_jobs.jobs import JobRef

#: The two kinds of jobs, as their paths name them.
QUERY, INGEST = "query", "ingest"
#: What a list of jobs calls those of this API.
JOB_TYPES = {QUERY: "V2Query", INGEST: "V2Ingest"}
#: The version of new jobs where nobody asks for another.
VERSION = "59.0"
#: Raw bytes that one ingest job takes: base64 makes 150 MB of them, which is Salesforce's own limit.
MOST_DATA_BYTES = 100_000_000
#: Longer than the header of 5,000 fields can be, which is Salesforce's limit.
MOST_HEADER_BYTES = 4 * 1024 * 1024
#: How a job names what is between the fields of its CSV.
DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
#: Hosts that serve pages and answer the API with INVALID_SESSION_ID, and the API's host of the same org.
_PAGE_HOSTS = {
    ".lightning.force.com": ".my.salesforce.com",
    ".my.salesforce-setup.com": ".my.salesforce.com",
    ".lightning.force.mil": ".my.salesforce.mil",
}
#: Where orgs are, in the clouds of all countries: a login may name any host in them.
#: Sources: https://help.salesforce.com/s/articleView?id=xcloud.domain_name_overview.htm,
#: https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_endpoints.htm and
#: https://www.alibabacloud.com/help/en/sfoa/user-guide/enable-organization-on-salesforce-on-alibaba-cloud-crm
ORG_DOMAINS = ("salesforce.com", "force.com", "salesforce.mil", "sfcrmproducts.cn")
#: The first version that lists a query's result pages.
_PAGES_SINCE = 58
_VERSION = re.compile(r"v?(\d{2,3})(?:\.(\d))?", re.ASCII)
_LOCATION = re.compile(r"v(\d{2,3})\.\d/jobs/(query|ingest)", re.ASCII)
_OBJECT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}")
_JOB_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


def check_instance_url(url: str) -> str:
    """Return the address of an org without what follows the host.

    :raises ConfigurationError: it is not an address, or it is one of Salesforce's pages.
    """
    parts = urlsplit(check_url(url.strip(), "instance_url"))
    check_api_host(parts.hostname or "", "instance_url")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigurationError("instance_url is the org's address alone: https://acme.my.salesforce.com")
    return f"{parts.scheme}://{parts.netloc}".lower()


def check_api_host(host: str, what: str) -> None:
    """See that a host takes requests.

    :param what: What the message calls it.
    :raises ConfigurationError: it serves pages; the message names the host to use.
    """
    for ending, other in _PAGE_HOSTS.items():
        if host.endswith(ending):
            raise ConfigurationError(
                f"{what} is {host}, which serves pages only (the API's answer there is INVALID_SESSION_ID): "
                f"use https://{host.removesuffix(ending)}{other}"
            )


def api_version(version: str | float) -> str:
    """Return an API version as paths have it: ``v59.0``.

    :raises ConfigurationError: it is not one.
    """
    match = _VERSION.fullmatch(str(version).strip())
    if not match:
        raise ConfigurationError(f"version is {shown(version, 20)!r}: give one such as {VERSION}")
    return f"v{match[1]}.{match[2] or 0}"


def check_job_id(job_id: Any) -> str:
    """Return a job id if it is one.

    :raises ConfigurationError: it is not one.
    """
    if not isinstance(job_id, str) or not _JOB_ID.fullmatch(job_id):
        raise ConfigurationError(
            f"{job_id!r} is not a job id: one has 15 or 18 letters and digits, 750 first"
        )
    return job_id


def object_path(name: str, version: str) -> str:
    """Return the path of an object below ``/services/data/``.

    :raises ConfigurationError: it is not the API name of one.
    """
    if not isinstance(name, str) or not _OBJECT.fullmatch(name):
        raise ConfigurationError(
            f"{shown(name, 50)!r} is not an object's API name: letters, digits and underscores, such as "
            "Account or Shipment__c"
        )
    return f"{version}/sobjects/{name}"


def span(start: dt.datetime, end: dt.datetime, *, most_days: int, now: float) -> dict[str, str]:
    """Return a span of time as parameters, in UTC; the API cuts seconds off, and so does this.

    :param most_days: How far back the API looks.
    :param now: The org's clock, as seconds since 1970.
    :raises ConfigurationError: the API would refuse it.
    """
    for name, moment in (("start", start), ("end", end)):
        if not isinstance(moment, dt.datetime) or moment.tzinfo is None:
            raise ConfigurationError(f"{name} is {moment!r}: it is a datetime with a time zone")
    first, last = (each.astimezone(dt.UTC).replace(second=0, microsecond=0) for each in (start, end))
    if first >= last:
        raise ConfigurationError(
            f"start is {start.isoformat()}, end {end.isoformat()}: without their seconds, which Salesforce "
            "cuts off, start has to be before end"
        )
    earliest = dt.datetime.fromtimestamp(now, dt.UTC) - dt.timedelta(days=most_days)
    if first < earliest.replace(second=0, microsecond=0):
        raise ConfigurationError(
            f"start is {start.isoformat()}: Salesforce tells of the last {most_days} days, which begin at "
            f"{earliest:%Y-%m-%dT%H:%MZ}; read the whole object instead"
        )
    return {"start": f"{first:%Y-%m-%dT%H:%M:00Z}", "end": f"{last:%Y-%m-%dT%H:%M:00Z}"}


def job_location(kind: str, version: str) -> str:
    """Return what a reference says of a job's place besides the org: version and kind.

    :raises ConfigurationError: there is no such kind.
    """
    if kind not in {QUERY, INGEST}:
        raise ConfigurationError(f"kind is {kind!r}: jobs are of kind query or ingest")
    return f"{version}/jobs/{kind}"


def kind_of(ref: JobRef) -> str:
    """Return ``query`` or ``ingest``."""
    return _located(ref)[2]


def version_of(ref: JobRef) -> str:
    """Return the API version that a job keeps for life, as paths have it."""
    return (ref.location or "").partition("/")[0]


def lists_pages(ref: JobRef) -> bool:
    """Return True if the job's version lists the pages of its results."""
    return int(_located(ref)[1]) >= _PAGES_SINCE


def job_path(ref: JobRef) -> str:
    """Return the path of a job below ``/services/data/``.

    :raises ConfigurationError: the reference is not one of a Salesforce job.
    """
    return f"{_located(ref)[0]}/{check_job_id(ref.id)}"


def _located(ref: JobRef) -> re.Match[str]:
    match = _LOCATION.fullmatch(ref.location or "")
    if ref.service != "salesforce" or not match:
        raise ConfigurationError(
            f"{ref} is not a reference of a Salesforce job: its location is {ref.location!r}"
        )
    return match
