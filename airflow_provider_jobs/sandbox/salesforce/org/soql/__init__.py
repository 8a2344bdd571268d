"""SOQL, as far as Bulk API 2.0 takes it.

``tokens`` and ``parser`` (with ``conditions``) turn text into a ``tree``; ``names`` finds its objects and
fields; ``filters`` (with ``literals``, ``date_literals``, ``date_functions``) and ``translate`` turn it into
one statement for DuckDB. Text of a query reaches DuckDB as a parameter or not at all.
"""
