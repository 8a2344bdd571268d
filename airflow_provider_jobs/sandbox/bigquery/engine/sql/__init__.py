"""Query jobs: from GoogleSQL to rows.

``query`` runs a job: one statement, or several through ``script``; ``context`` is what they share. Google's
parser splits (``parsing``, ``legacy``), and its analyzer checks each statement (``analysis``) once its tables
are looked up and written in full (``tables``, ``locations``) and its parameters read (``parameters``): that
is a ``plan``. ``choice`` lets one of two engines run it: Google's evaluator (``evaluation``), or DuckDB with
what ``duck`` and ``exact`` write of its tree. ``statements`` has SELECT, ``dml`` with ``column_rules`` what
changes rows, ``ddl`` with ``ddl_parts`` the rest. ``cache`` remembers results; ``places`` and ``errors`` say
what went wrong in BigQuery's words.
"""
