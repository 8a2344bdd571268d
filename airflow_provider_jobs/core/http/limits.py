"""How large a reply may be, and how long it may take: one of a broken, or a hostile, service has no end."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1024 * 1024

#: Bytes of the lines before a body, informational replies included: real ones are a few thousand.
HEAD_BYTES = 256 * 1024
#: Bytes of a refusal that are read, decompressed; of the rest nobody would be told.
ERROR_BYTES = 64 * 1024
#: Bytes of the reply to a login, decompressed: a token is a few thousand.
LOGIN_BYTES = _MIB
#: Pages of a list: of jobs ten million, which no project has in the six months that they are kept.
MOST_PAGES = 10_000
#: Characters of a page token: it has to fit into the address of the next request.
MOST_TOKEN_CHARACTERS = 8192


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection takes of its service at most.

    :param reply_bytes: Of a JSON reply, decompressed. A page of BigQuery's rows has 20 MB, of one row up to
        100 MB: https://cloud.google.com/bigquery/docs/paging-results
    :param page_bytes: Of a page of Salesforce's results, decompressed, before it is refused. Salesforce
        documents no size of a page, but 1 TB of results a day:
        https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_common_limits.htm
    :param call_seconds: From the last byte of a request to the last byte of its reply. Sending is bounded by
        itself: each block of 1 MiB has the seconds of a silence.
    :param page_seconds: The same of a page of results.
    """

    reply_bytes: int = 128 * _MIB
    page_bytes: int = 10 * 1024 * _MIB
    call_seconds: float = 900.0
    page_seconds: float = 6 * 3600.0
