"""An Airflow connection becomes credentials, and those a client."""
