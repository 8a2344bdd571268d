"""BigQuery on localhost: jobs that DuckDB really executes.

Here is the HTTP half. ``service`` puts it together: ``jobs_routes``, ``results_routes`` and ``tables_routes``
answer requests (read by ``request_parameters``, ``query_requests``, ``validation`` and ``reply_fields``;
answered by ``job_resources``, ``listing`` and ``rows``); ``jobs`` holds all jobs, and ``runner`` drives each
to its end. What executes them is ``engine``.
"""
