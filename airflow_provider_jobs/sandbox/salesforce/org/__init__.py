"""A Salesforce org behind one door: the HTTP side imports from here and nothing deeper.

``org`` is the door, ``refusals`` are how it says no. ``model`` describes objects and
fields, ``objects`` lists those of a new org, ``schema`` holds them as they are now, ``describe`` tells of
them. ``sample`` makes their records, ``store`` keeps them in DuckDB, ``ids`` spells record ids. ``soql``
reads and translates queries, ``csv_format`` writes what they find, ``ingest`` executes insert, update,
upsert, delete and hardDelete of CSV files. ``records`` deletes, merges and brings back, ``replication``
tells what was updated and deleted, ``transactions`` are those that are open.
"""

from airflow_provider_jobs.sandbox.salesforce.org.csv_format import DELIMITERS, LINE_ENDINGS, ResultFile
from airflow_provider_jobs.sandbox.salesforce.org.ingest.job import OPERATIONS, IngestOutcome
from airflow_provider_jobs.sandbox.salesforce.org.org import Org
from airflow_provider_jobs.sandbox.salesforce.org.refusals import IngestFailed, SalesforceRefusal
from airflow_provider_jobs.sandbox.salesforce.org.soql.translate import QueryShape

__all__ = [
    "DELIMITERS",
    "LINE_ENDINGS",
    "OPERATIONS",
    "IngestFailed",
    "IngestOutcome",
    "Org",
    "QueryShape",
    "ResultFile",
    "SalesforceRefusal",
]
