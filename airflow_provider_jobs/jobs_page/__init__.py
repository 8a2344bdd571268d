"""A page of Airflow's UI with the jobs that tasks of this deployment ran: plugin, endpoints, files."""
