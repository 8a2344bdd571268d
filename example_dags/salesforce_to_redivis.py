"""### Contacts of Salesforce, changed ones only, in a released table of Redivis

```
contacts ──> release
```

The first run reads all contacts; each later one those that changed since, deleted ones among them, and
appends them to the table: of each Id the row with the latest SystemModstamp counts. Up to when the table is
complete is kept in the state of the asset, so it needs Airflow 3.3. While Salesforce and Redivis work, the
task waits in the triggerer.

It needs the connections `salesforce_default` and `redivis_default`, and an organization `acme` that
Redivis's token may edit.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, Asset

from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator
from airflow_provider_jobs.transfers.salesforce_to_redivis import SalesforceToRedivisOperator

with DAG(
    "salesforce_to_redivis",
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"deferrable": True, "retries": 2},
    doc_md=__doc__,
    tags=["redivis", "salesforce"],
):
    # Dataset, version and table are created where they are missing; nothing is where nothing has changed.
    contacts = SalesforceToRedivisOperator(
        task_id="contacts",
        object_name="Contact",
        exclude_fields=["Description"],
        mode="incremental",
        table="acme.crm:next.contacts",
        create_missing=True,
        outlets=[Asset("redivis-contacts")],
    )

    # Nothing happens if there is no next version.
    release = RedivisReleaseOperator(
        task_id="release",
        dataset="acme.crm",
        release_notes="Contacts until {{ ti.xcom_pull('contacts')['mark_after'] }}",
    )

    contacts >> release
