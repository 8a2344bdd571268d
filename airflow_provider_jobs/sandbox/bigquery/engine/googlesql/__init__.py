"""Google's own GoogleSQL, its parser, analyzer and evaluator, as WebAssembly in this process.

``module`` finds the code in the package ``zetasql`` and compiles it once per machine; ``messages`` has the
protobuf messages that it understands, from one file of descriptors; ``service`` keeps instances of it and
calls them. ``language`` says what of the language is BigQuery's, ``trees`` reads what the parser and the
analyzer give, ``values`` translates schemas and values. Nothing here knows tables, jobs or DuckDB.
"""
