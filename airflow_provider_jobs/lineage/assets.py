"""Assets that stand for datasets: which URIs they have, and what hooks tell of the data that they touch.

Google's provider has the same URIs of ``bigquery`` and ``gs``; where both are installed, its functions count.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs import compat
from airflow_provider_jobs.lineage.datasets import bigquery_table, of_uri, redivis_data, salesforce_object
from airflow_provider_jobs.lineage.openlineage import plain_dataset
from airflow_provider_jobs.words import masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from urllib.parse import SplitResult

    from airflow.sdk import Asset

    from airflow_provider_jobs.lineage.datasets import Dataset

log = logging.getLogger(__name__)


def check_bigquery(uri: SplitResult) -> SplitResult:
    """Return the URI of a table, ``bigquery://project/dataset/table``.

    :raises ValueError: it is another.
    """
    return _checked(uri, "a project", (2,), "bigquery://project/dataset/table")


def check_gs(uri: SplitResult) -> SplitResult:
    """Return the URI of objects in Cloud Storage, ``gs://bucket/key``.

    :raises ValueError: it is another.
    """
    return _checked(uri, "a bucket", None, "gs://bucket/key")


def check_salesforce(uri: SplitResult) -> SplitResult:
    """Return the URI of an object's records, ``salesforce://acme.my.salesforce.com/Account``.

    :raises ValueError: it is another.
    """
    return _checked(uri, "the org's host", (1,), "salesforce://acme.my.salesforce.com/Account")


def check_redivis(uri: SplitResult) -> SplitResult:
    """Return the URI of a table, or of a dataset, ``redivis://redivis.com/owner/dataset/table``.

    :raises ValueError: it is another.
    """
    return _checked(uri, "Redivis's host", (2, 3), "redivis://redivis.com/owner/dataset/table")


def _checked(uri: SplitResult, host: str, parts: tuple[int, ...] | None, form: str) -> SplitResult:
    names = [] if uri.path in {"", "/"} else uri.path.strip("/").split("/")
    if not uri.netloc:
        raise ValueError(f"the URI of the asset lacks {host}: write {form}")
    if parts is not None and (len(names) not in parts or not all(names)):
        raise ValueError(f"the URI of the asset names something else: write {form}")
    return uri


def to_openlineage(asset: Asset, lineage_context: Any) -> Any:  # noqa: ARG001 - as Airflow calls it
    """Return the dataset of OpenLineage that an asset stands for."""
    return plain_dataset(of_uri(asset.uri))


def create_bigquery(
    *, project_id: str, dataset_id: str, table_id: str, extra: dict[str, Any] | None = None
) -> Asset:
    """Return the asset of a table."""
    return _asset(bigquery_table(f"{project_id}.{dataset_id}.{table_id}").uri, extra)


def create_gs(*, bucket: str, key: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset of an object in Cloud Storage."""
    return _asset(f"gs://{bucket}/{key}", extra)


def create_salesforce(*, host: str, object_name: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset of an object's records.

    :param host: The org's own: ``acme.my.salesforce.com``.
    """
    return _asset(salesforce_object(host, object_name).uri, extra)


def create_redivis(
    *, reference: str, host: str = "redivis.com", extra: dict[str, Any] | None = None
) -> Asset:
    """Return the asset of ``owner.dataset`` or ``owner.dataset.table``, whatever the version."""
    return _asset(redivis_data(host, reference).uri, extra)


def _asset(uri: str, extra: dict[str, Any] | None) -> Asset:
    from airflow.sdk import Asset  # noqa: PLC0415 - every component loads this module, few make an asset

    return Asset(uri=uri, extra=extra or {})


def collect(
    hook: Any,
    touched: Callable[[], tuple[Iterable[Dataset], Iterable[Dataset]]],
    query: Callable[[], tuple[Any, Any, Any]] | None = None,
) -> None:
    """Tell Airflow which data a hook has touched, if a plugin such as OpenLineage's wants to know.

    :param touched: Returns what was read and what was written; asked only then.
    :param query: Returns SQL that the hook has run, its job, and the project of tables that are named
        without one: OpenLineage makes an event of it.

    Source: https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/lineage.html
    """
    if not compat.reads_hook_lineage():
        return
    from airflow.providers.common.compat.lineage.hook import (  # noqa: PLC0415 - only where somebody reads it
        get_hook_lineage_collector,
    )

    try:
        if query:
            _collect_sql(hook, *query())
        collector, (inputs, outputs) = get_hook_lineage_collector(), touched()
        for each in inputs:
            collector.add_input_asset(context=hook, uri=each.uri)
        for each in outputs:
            collector.add_output_asset(context=hook, uri=each.uri)
    except Exception as error:  # noqa: BLE001 - whatever it is: the call has done its work
        log.warning("lineage: what the hook has touched is left out: %s", error)


def _collect_sql(hook: Any, sql: Any, job_id: Any, project: Any) -> None:
    if not isinstance(sql, str):
        return
    try:
        from airflow.providers.common.sql.hooks.lineage import (  # noqa: PLC0415 - as above
            send_sql_hook_lineage,
        )
    except ImportError:  # Airflow's provider of SQL is missing, or older than 1.32
        return
    send_sql_hook_lineage(context=hook, sql=masked(sql), job_id=job_id, default_db=project)
