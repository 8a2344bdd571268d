"""### A file becomes a table that everybody can read

```
write_file -> send -> release
```

`send` opens the dataset's next version and creates what is missing; run again with the same file it sends
nothing.
It needs the connection `redivis_default`, and an organization `acme` that its token may edit.
"""

from __future__ import annotations

from pathlib import Path

import pendulum
from airflow.sdk import DAG, task

from airflow_provider_jobs.operators.redivis import RedivisReleaseOperator, RedivisUploadOperator

STATIONS = """station,docks,opened
Harbour,24,2019-04-01
Market,18,2020-09-15
University,30,2018-10-01
"""

with DAG(
    "redivis_upload",
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    default_args={"deferrable": True, "retries": 2},
    params={"folder": "/tmp"},  # noqa: S108 - an example
    doc_md=__doc__,
    tags=["redivis"],
):

    @task
    def write_file(folder: str) -> str:
        """Write the file that is sent."""
        path = Path(folder, "stations.csv")
        path.write_text(STATIONS, encoding="utf-8")
        return str(path)

    path = write_file("{{ params.folder }}")

    # A version is opened only if none is; an upload of that name with other bytes is replaced, once the new
    # ones have arrived.
    send = RedivisUploadOperator(
        task_id="send",
        source=path,
        table="acme.bikes:next.stations",
        create_missing=True,
        on_conflict="replace",
        merge_strategy="replace",
        expected_row_count=3,
    )

    # Released once, whatever is retried; nothing happens if there is no next version.
    release = RedivisReleaseOperator(
        task_id="release", dataset="acme.bikes", release_notes="Stations of {{ ds }}"
    )

    send >> release
