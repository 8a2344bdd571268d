"""The tests from the built wheel, on each release of Airflow and each Python: ``make matrix``."""
