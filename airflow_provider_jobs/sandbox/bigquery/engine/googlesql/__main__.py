"""``python -m …googlesql``: compile GoogleSQL now, so that nothing waits for it later."""

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.service import googlesql

if __name__ == "__main__":
    with googlesql().instance():
        pass
