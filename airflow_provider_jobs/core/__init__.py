"""The engine: jobs, retry, transport, polling. It knows neither Airflow nor any vendor."""
