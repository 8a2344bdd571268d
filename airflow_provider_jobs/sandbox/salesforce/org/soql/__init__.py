"""SOQL, as far as Bulk API 2.0 takes it.

``tokens`` and ``parser`` turn text into a ``tree``; ``names`` finds its objects and fields; ``filters`` (with
``dates``) and ``translate`` turn it into one statement for DuckDB. Text of a query reaches DuckDB as a
parameter or not at all.
"""
