"""Query jobs: from GoogleSQL to rows.

``query`` runs a job: one statement, or several through ``script``. A statement is split and parsed
(``parsing``, ``calls``), its tables are looked up (``tables``, ``locations``), and what BigQuery would not
accept is refused (``clause_checks``, ``type_checks`` with ``known_types``) with its place in the text
(``places``). Its parameters are bound (``parameters``), and ``translate`` with ``functions`` and
``time_functions`` makes DuckDB's SQL of it: that is a ``plan``. ``statements`` executes SELECT and DML,
``ddl`` with ``ddl_parts`` the rest. ``cache`` remembers results; ``errors`` says what went wrong in
BigQuery's words.
"""
