"""BigQuery on localhost: jobs that DuckDB really executes."""
