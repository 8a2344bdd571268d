"""BigQuery's jobs API."""
