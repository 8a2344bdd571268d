"""Redivis: datasets, their versions and tables, and the uploads that fill them.

``routes`` puts it together: ``datasets_routes``, ``uploads_routes`` and, on the storage host,
``storage_routes``, all of them on ``state``. ``references`` reads names, ``model`` and ``catalog``
hold what exists, ``resources`` spells it, ``processing`` lets uploads pass through their states,
``row_counts`` reads their files. ``settings`` switches what is not known of the real service, ``replies``
are its errors and limits.
"""
