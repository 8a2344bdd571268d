raise RuntimeError("a file that cannot be imported")  # airflow DAG
