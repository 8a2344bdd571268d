"""What can be switched, because the real service is not known to do it one way only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider_jobs.sandbox.switches import Switches


@dataclass
class SalesforceSettings(Switches):
    """The switches, each with the documented or likeliest behaviour first."""

    # Results
    page_rows: int = 50_000  # records of a page, however many are asked for
    page_sizes: Literal["even", "uneven"] = "even"  # uneven: always the same are up to a half shorter
    # chunks: resultChunks and resultLink, which clients of real orgs expect.
    page_list: Literal["documented", "chunks"] = "documented"
    # In resultPages. full: with scheme and host; short: behind the version.
    result_url: Literal["relative", "full", "short"] = "relative"
    next_url_spelling: Literal["nextRecordsUrl", "nextRecordUrl"] = "nextRecordsUrl"  # in resultPages
    first_page_locator: Literal["given", "absent"] = "given"  # in the URL of the first of the resultPages
    charset: Literal["absent", "given"] = "absent"  # of text/csv
    empty_count_header: Literal["zero", "absent"] = "zero"  # Sforce-NumberOfRecords where there are none
    gzip: Literal["asked", "never"] = "asked"  # never: plain, whatever Accept-Encoding says
    bytes_per_second: float = 0.0  # of a connection that gets CSV; 0: no cap
    latency_seconds: float = 0.0  # before every reply

    # Jobs
    queued_polls: int = 0  # looks at a job that say UploadComplete, whatever the time
    running_polls: int = 0  # looks after them that say InProgress
    abort: Literal["at_once", "later"] = "at_once"  # later: GETs know after the timing's cancel_seconds
    api_version_type: Literal["number", "text"] = "number"  # 59.0 or "59.0"
    ingest_limit: int = 0  # records that an ingest job processes before it fails; 0: all, and it completes
    denied_operations: str = ""  # that the user may not do: "hardDelete,queryAll"
    denied_objects: str = ""  # that the user may not see: "Contact,Account"

    # Objects and records
    replication_ids: int = 600_000  # that were updated or deleted, and are told at once; more are refused
    # Of records that are deleted with their parent by a test's control.
    cascade_stamps: Literal["moved", "kept"] = "moved"

    # Lists of jobs
    list_page: int = 1000  # jobs
    list_order: Literal["newest", "oldest", "shuffled"] = "newest"
    # Of nextRecordsUrl. documented: /jobs/ingest, also in lists of queries.
    list_url: Literal["documented", "right"] = "documented"
    foreign_jobs: int = 0  # of the first Bulk API, in every list that does not exclude them

    # Limits, of 24 hours
    daily_api_requests: int = 100_000
    daily_query_jobs: int = 10_000
    daily_query_file_storage_mb: int = 1_048_576
    daily_batches: int = 15_000
    warning: str = ""  # header of every reply, such as '299 - "This API version is deprecated"'

    # Logins
    # login: as login.salesforce.com, which knows no client credentials.
    host: Literal["my_domain", "login"] = "my_domain"
    # sandbox: the audience of assertions is https://test.salesforce.com.
    org: Literal["production", "sandbox"] = "production"
    network: Literal["untrusted", "trusted"] = "untrusted"  # trusted: passwords need no security token
    soap_login: Literal["enabled", "disabled"] = "enabled"
    # Of assertions. my_domain: as External Client Apps, which refuse login and test.
    audience: Literal["any", "my_domain"] = "any"
    blocked_flows: str = ""  # that orgs or apps do not allow: "password,client_credentials,jwt-bearer"
