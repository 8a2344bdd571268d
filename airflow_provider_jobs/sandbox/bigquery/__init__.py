"""BigQuery on localhost: jobs that DuckDB really executes.

Here is the HTTP half. ``routes`` puts it together: ``jobs_routes``, ``results_routes``, ``tables_routes``
and ``upload_routes`` stand on ``state`` and answer requests (read by ``request_parameters``,
``query_requests``, ``validation`` and ``reply_fields``; answered by ``job_resources``, ``listing`` and
``rows``); ``jobs`` holds all jobs, and ``runner`` drives each to its end. What executes them is ``engine``.
"""
