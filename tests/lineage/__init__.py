"""Events of OpenLineage: of tasks in a real Airflow, ours beside those of Google's provider."""
