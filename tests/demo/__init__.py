"""The demo: ``python -m tests.demo example_dags``.

``__main__`` runs it. ``sandbox_process`` and ``airflow`` are what it starts (``processes``: how programs
start and end; ``airflow_rest``: what Airflow is asked), ``rides`` the data, ``checks`` what must be true in
the end, ``salesforce`` the same of that service, ``report`` what is printed.
"""
