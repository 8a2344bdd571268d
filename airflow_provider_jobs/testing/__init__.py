"""For tests of your own DAGs: pytest's fixture ``jobs_sandbox``, which comes with the extra ``sandbox``.

``plugin`` is what pytest loads, and imports nothing else until a test asks for the fixture. ``jobs_sandbox``
is what the fixture gives, ``seeds`` brings data in, ``effects`` tells what happened, ``dag_runs`` runs a DAG.
"""
