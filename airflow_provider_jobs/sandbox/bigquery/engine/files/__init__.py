"""Load and extract jobs: tables from files, and files from tables.

``storage`` is where ``gs://`` objects are. ``load`` runs a load job with its ``load_options``: ``csv_load``
(``csv_rows`` when a row is bad), ``record_load`` with ``record_values`` for JSON and Avro, ``parquet_load``;
``autodetect`` guesses schemas, ``bad_rows`` counts and describes. ``extract`` runs an extract job,
``export_files`` writes its files. ``avro`` knows Avro's types for both.
"""
