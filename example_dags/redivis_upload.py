"""### From a file of this machine to a table that everybody can read

```
bring_rides ──> count_rides ──> hand_over ──> publish ──> release
 (BigQuery:      (query)         (extract)    (Redivis)   (Redivis)
  upload)
```

The file, named by Airflow's variable `rides_file`, goes to BigQuery; what a query makes of it goes to
Redivis, and is released. The variable `bike_rides` says where a worker finds the bucket: `gs://bike-rides`.

It needs a dataset `bikes`, a bucket `bike-rides`, the connections `google_cloud_default` and
`redivis_default`, and an organization `acme` that Redivis's token may edit. `make demo` brings all of them,
on this machine.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import (
    BigQueryExtractOperator,
    BigQueryQueryOperator,
    BigQueryUploadOperator,
)
from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator, RedivisUploadOperator

STATION_DAYS = """
SELECT from_station AS station, DATE(started_at) AS day, COUNT(*) AS rides, SUM(minutes) AS minutes
FROM bikes.brought_rides
GROUP BY station, day
"""

with DAG(
    "redivis_upload",
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"deferrable": True, "retries": 2},
    doc_md=__doc__,
    tags=["bigquery", "redivis"],
):
    bring_rides = BigQueryUploadOperator(
        task_id="bring_rides",
        source="{{ var.value.rides_file }}",
        destination_table="bikes.brought_rides",
        autodetect=True,
        write_disposition="WRITE_TRUNCATE",
    )

    count_rides = BigQueryQueryOperator(
        task_id="count_rides",
        sql=STATION_DAYS,
        destination_table="bikes.station_days",
        write_disposition="WRITE_TRUNCATE",
    )

    hand_over = BigQueryExtractOperator(
        task_id="hand_over",
        source_table="bikes.station_days",
        destination_uris="gs://bike-rides/published/station_days.csv",
    )

    # Dataset, version and table are created where they are missing. The new rows replace those of the version
    # before, and an upload of that name that was not released, once they have arrived.
    publish = RedivisUploadOperator(
        task_id="publish",
        source="{{ var.value.bike_rides }}/published/station_days.csv",
        table="acme.bikes:next.station_days",
        create_missing=True,
        on_conflict="replace",
        merge_strategy="replace",
        expected_row_count="{{ ti.xcom_pull('count_rides')['row_count'] }}",
    )

    # Released once, whatever is retried; nothing happens if there is no next version.
    release = RedivisReleaseOperator(
        task_id="release",
        dataset="acme.bikes",
        release_notes="Rides of each station and day, as of {{ dag_run.run_after.date() }}",
    )

    bring_rides >> count_rides >> hand_over >> publish >> release
