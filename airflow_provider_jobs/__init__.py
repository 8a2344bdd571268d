"""BigQuery, Salesforce Bulk API 2.0 and Redivis jobs for Apache Airflow."""

__version__ = "0.1.0"
