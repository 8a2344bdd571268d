"""### Bike rides: load, sum up, snapshot, hand out

Four BigQuery jobs. While one runs, its task waits in the triggerer and holds no worker.

```
load_rides ──> busy_stations            (query)
          └──> snapshot ──> hand_out    (copy, extract)
```

It needs a dataset `bikes`, a bucket `bike-rides` with gzipped CSV files below `rides/`, and the connection
`google_cloud_default`. `make demo` brings all three, on this machine.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from airflow_provider_jobs.operators.bigquery import (
    BigQueryCopyOperator,
    BigQueryExtractOperator,
    BigQueryLoadOperator,
    BigQueryQueryOperator,
)

BUCKET = "gs://bike-rides"

RIDES = [
    {"name": "ride_id", "type": "INT64", "mode": "REQUIRED"},
    {"name": "bike", "type": "STRING"},
    {"name": "started_at", "type": "TIMESTAMP", "mode": "REQUIRED"},
    {"name": "minutes", "type": "INT64"},
    {"name": "from_station", "type": "STRING"},
    {"name": "to_station", "type": "STRING"},
    {"name": "kilometres", "type": "NUMERIC"},
    {"name": "member", "type": "BOOL"},
    {"name": "note", "type": "STRING"},
]

BUSY_STATIONS = """
SELECT from_station, COUNT(*) AS rides, SUM(minutes) AS minutes, ROUND(AVG(kilometres), 2) AS mean_kilometres
FROM bikes.rides
WHERE member = @member AND minutes IS NOT NULL
GROUP BY from_station
HAVING COUNT(*) >= @at_least
ORDER BY rides DESC
"""

with DAG(
    "bigquery_jobs",
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"deferrable": True, "retries": 2},
    doc_md=__doc__,
    tags=["bigquery"],
):
    # All files that match into one table; what it held before is replaced at once.
    load_rides = BigQueryLoadOperator(
        task_id="load_rides",
        source_uris=f"{BUCKET}/rides/*.csv.gz",
        destination_table="bikes.rides",
        schema=RIDES,
        skip_leading_rows=1,
        write_disposition="WRITE_TRUNCATE",
    )

    # Values travel as query parameters, never inside the SQL.
    busy_stations = BigQueryQueryOperator(
        task_id="busy_stations",
        sql=BUSY_STATIONS,
        parameters={"member": True, "at_least": 5000},
        destination_table="bikes.busy_stations",
        write_disposition="WRITE_TRUNCATE",
    )

    snapshot = BigQueryCopyOperator(
        task_id="snapshot",
        source_tables="bikes.rides",
        destination_table="bikes.rides_snapshot",
        write_disposition="WRITE_TRUNCATE",
    )

    # The * becomes a number: BigQuery writes as many files as it likes.
    hand_out = BigQueryExtractOperator(
        task_id="hand_out",
        source_table="bikes.rides_snapshot",
        destination_uris=f"{BUCKET}/hand_out/rides-*.csv.gz",
        compression="GZIP",
    )

    load_rides >> [busy_stations, snapshot]
    snapshot >> hand_out
