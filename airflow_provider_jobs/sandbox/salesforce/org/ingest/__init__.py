"""Executes ingest jobs: whole files at a time, as statements of DuckDB.

``reading`` brings a CSV file into a table of its texts; ``columns`` finds out what each column is;
``values`` converts texts, ``checks`` finds the records that fail, ``changes`` writes the others; ``job`` runs
these one after the other and writes the results.
"""
