"""The command line: jobs of Airflow's connections are listed, shown, waited for and cancelled."""
