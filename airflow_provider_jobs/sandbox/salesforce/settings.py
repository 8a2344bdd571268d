"""What can be switched, because the real service is not known to do it one way only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from airflow_provider_jobs.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class SalesforceSettings(Switches):
    """The switches, each with the documented or likeliest behaviour first."""

    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "page_sizes": ("even", "uneven"),
        "page_list": ("documented", "chunks"),
        "result_url": ("relative", "full", "short"),
        "next_url_spelling": ("nextRecordsUrl", "nextRecordUrl"),
        "first_page_locator": ("given", "absent"),
        "api_version_type": ("number", "text"),
        "charset": ("absent", "given"),
        "empty_count_header": ("zero", "absent"),
        "gzip": ("asked", "never"),
        "list_url": ("documented", "right"),
        "list_order": ("newest", "oldest", "shuffled"),
        "abort": ("at_once", "later"),
        "cascade_stamps": ("moved", "kept"),
        "host": ("my_domain", "login"),
        "org": ("production", "sandbox"),
        "network": ("untrusted", "trusted"),
        "soap_login": ("enabled", "disabled"),
        "audience": ("any", "my_domain"),
    }

    # Results
    page_rows: int = 50_000  # records of a page, however many are asked for
    page_sizes: str = "even"  # uneven: pages are up to a half shorter, always the same ones
    page_list: str = "documented"  # chunks: resultChunks and resultLink, which clients of real orgs expect
    result_url: str = "relative"  # in resultPages; full: with scheme and host; short: behind the version
    next_url_spelling: str = "nextRecordsUrl"  # in resultPages
    first_page_locator: str = "given"  # in the URL of the first of the resultPages
    charset: str = "absent"  # of text/csv
    empty_count_header: str = "zero"  # Sforce-NumberOfRecords of a result without records
    gzip: str = "asked"  # never: plain, whatever Accept-Encoding says
    bytes_per_second: float = 0.0  # of a connection that gets CSV; 0: no cap
    latency_seconds: float = 0.0  # before every reply

    # Jobs
    queued_polls: int = 0  # looks at a job that say UploadComplete, whatever the time
    running_polls: int = 0  # looks after them that say InProgress
    abort: str = "at_once"  # later: GETs know of it only after the timing's cancel_seconds
    api_version_type: str = "number"  # 59.0 or "59.0"
    ingest_limit: int = 0  # records that an ingest job processes before it fails; 0: all, and it completes
    denied_operations: str = ""  # that the user may not do: "hardDelete,queryAll"
    denied_objects: str = ""  # that the user may not see: "Contact,Account"

    # Objects and records
    replication_ids: int = 600_000  # that were updated or deleted, and are told at once; more are refused
    cascade_stamps: str = "moved"  # of records that are deleted with their parent by a test's control

    # Lists of jobs
    list_page: int = 1000  # jobs
    list_order: str = "newest"
    list_url: str = "documented"  # of nextRecordsUrl; documented: /jobs/ingest, also in lists of queries
    foreign_jobs: int = 0  # of the first Bulk API, in every list that does not exclude them

    # Limits, of 24 hours
    daily_api_requests: int = 100_000
    daily_query_jobs: int = 10_000
    daily_query_file_storage_mb: int = 1_048_576
    daily_batches: int = 15_000
    warning: str = ""  # header of every reply, such as '299 - "This API version is deprecated"'

    # Logins
    host: str = "my_domain"  # login: as login.salesforce.com, which knows no client credentials
    org: str = "production"  # sandbox: the audience of assertions is https://test.salesforce.com
    network: str = "untrusted"  # trusted: passwords need no security token
    soap_login: str = "enabled"
    audience: str = "any"  # of assertions; my_domain: as External Client Apps, which refuse login and test
    blocked_flows: str = ""  # that orgs or apps do not allow: "password,client_credentials,jwt-bearer"
