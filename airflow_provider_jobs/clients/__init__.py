"""One vendor API each; plain Python, usable without Airflow."""
