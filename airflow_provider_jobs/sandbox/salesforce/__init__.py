"""Bulk API 2.0 of one Salesforce org.

``routes`` puts it together, ``state`` is what all routes stand on. Logins: ``login_routes``, by the names and
keys of ``identity``. Jobs: ``jobs`` keeps them, ``job_fields`` reads and spells them, ``runner`` drives them;
``query_routes``, ``ingest_routes`` and ``listing`` serve them, ``pages`` cuts results. ``sobject_routes`` and
``rest_query_routes`` are REST's. ``limits`` counts, ``replies`` words errors, ``settings`` says how it
behaves, ``faults`` and ``control`` spoil and steer it. ``org`` holds the records and answers SOQL.
"""
