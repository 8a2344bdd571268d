"""What of GoogleSQL is BigQuery's: features, functions, and how the analyzer is to work.

https://github.com/google/googlesql/blob/master/zetasql/public/options.proto lists the features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.bigquery.engine.googlesql.messages import message, names, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Features that BigQuery does not have, or that change a type or a value there.
_NOT_BIGQUERYS = (
    "AGGREGATE_FILTERING", "ALLOW_SLASH_PATHS", "ARRAY_AGGREGATION_FUNCTIONS", "ARRAY_ELEMENTS_WITH_SET",
    "ARRAY_EQUALITY", "ARRAY_FIND_FUNCTIONS", "ARRAY_GREATEST_LEAST", "ARRAY_ORDERING", "ARRAY_ZIP",
    "BETWEEN_UINT64_INT64", "BRACED_PROTO_CONSTRUCTORS", "DML_RETURNING", "DOT_PRODUCT", "ENABLE_MEASURES",
    "ENUM_VALUE_DESCRIPTOR_PROTO", "EXPERIMENTAL_MODULES", "EXTRACT_FROM_PROTO", "EXTRACT_ONEOF_CASE",
    "FILTER_FIELDS", "FOR_UPDATE", "FROM_AND_TO_PROTO_INTERVAL", "IGNORE_PROTO3_USE_DEFAULTS",
    "INSERT_ON_CONFLICT_CLAUSE", "JSON_CONTAINS_FUNCTION", "JSON_TYPE_COMPARISON", "L1_NORM", "L2_NORM",
    "LATERAL_JOIN", "MANHATTAN_DISTANCE", "MULTILEVEL_AGGREGATION", "MULTILEVEL_AGGREGATION_ON_UDAS",
    "MULTIWAY_UNNEST", "NULLIFZERO_ZEROIFNULL", "PIPE_CALL_INPUT_TABLE", "PIPE_CREATE_TABLE",
    "PIPE_EXPORT_DATA", "PIPE_FORK", "PIPE_IF", "PIPE_INSERT", "PIPE_TEE", "PI_FUNCTIONS",
    "PROTO_DEFAULT_IF_NULL", "PROTO_EXTENSIONS_WITH_NEW", "PROTO_EXTENSIONS_WITH_SET", "PROTO_MAPS",
    "REPLACE_FIELDS", "REPLACE_FIELDS_ALLOW_MULTI_ONEOF", "SQL_GRAPH", "SQL_GRAPH_ADVANCED_QUERY",
    "STRUCT_POSITIONAL_ACCESSOR", "TIMESTAMP_FROM_UNIX_FUNCTIONS_WITH_UINT64", "TIMESTAMP_NANOS",
    "TIMESTAMP_PICOS", "TIMESTAMP_PRECISION", "TOKENIZED_SEARCH", "UUID_TYPE",
)  # fmt: skip
# Features that BigQuery has, and that are not among those of the module's newest language.
_BIGQUERYS = (
    "ALTER_COLUMN_SET_DATA_TYPE", "COLLATION_SUPPORT", "DISABLE_FLOAT32", "LIKE_ANY_SOME_ALL_ARRAY",
    "LIKE_ANY_SOME_ALL_SUBQUERY", "SINGLETON_UNNEST_INFERS_ALIAS",
)  # fmt: skip

# Functions that the evaluator lacks, or the analyzer, written in what it has: name -> (arguments, SQL). An
# argument with a mark before it is one value for all rows of an aggregate.
_ASCII = r"r'^[\x00-\x7F]*$'"
# Elements of times that the evaluator knows as BigQuery does, in formats to write and in formats to read.
_ELSE = r"[%DQTZz]|E(?:[0-9]*S|\*S|4Y|z|[CcXxYy])|O[deHIMmSUVWwy]"
_WRITTEN = rf"r'%(?:[-_]?[aAbBCcdeFGgHhIjMmnpRrSstUuVWwXxYy]|{_ELSE})'"
_READ = rf"r'%(?:[aAbBCcdeFGgHhIJjklMmnPpRrSstUVWwXxYy]|{_ELSE})'"
_SCALARS = {
    "SESSION_USER": ("", "'sandbox@example.com'"),
    "COLLATE": (
        "value name",
        "IF(name = '', value, ERROR('The sandbox cannot compare by a collation, BigQuery can'))",
    ),
    "CONTAINS_SUBSTR": (
        "value text",
        f"""CASE WHEN value IS NULL THEN NULL
        WHEN REGEXP_CONTAINS(CONCAT(CAST(value AS STRING), text), {_ASCII})
        THEN STRPOS(LOWER(CAST(value AS STRING)), LOWER(text)) > 0
        ELSE ERROR('The sandbox cannot run CONTAINS_SUBSTR on more than ASCII, BigQuery can') END""",
    ),
    # The evaluator's C library ends a text at an element that it does not know, and does not read %F and %k.
    "sandbox_written_format": (
        "format",
        f"""IF(STRPOS(REGEXP_REPLACE(format, {_WRITTEN}, ''), '%') = 0, format, ERROR(CONCAT(
        'The sandbox cannot write ', REGEXP_EXTRACT(REGEXP_REPLACE(format, {_WRITTEN}, ''), r'%.?.?'),
        ' in a time, BigQuery can')))""",
    ),
    "sandbox_read_format": (
        "format",
        f"""IF(STRPOS(REGEXP_REPLACE(format, {_READ}, ''), '%') = 0,
        REGEXP_REPLACE(REGEXP_REPLACE(format, r'(^|[^%])((?:%%)*)%F', r'\\1\\2%Y-%m-%d'),
            r'(^|[^%])((?:%%)*)%k', r'\\1\\2%H'), ERROR(CONCAT(
        'The sandbox cannot read ', REGEXP_EXTRACT(REGEXP_REPLACE(format, {_READ}, ''), r'%.?.?'),
        ' in a time, BigQuery can')))""",
    ),
    "sandbox_quantiles": (
        "list number",
        """(SELECT ARRAY(SELECT sorted[SAFE_OFFSET(
            IF(i = 0, 0, CAST(CEIL(i * ARRAY_LENGTH(sorted) / number) AS INT64) - 1))]
        FROM UNNEST(GENERATE_ARRAY(0, number)) AS i ORDER BY i)
        FROM (SELECT ARRAY(SELECT v FROM UNNEST(list) AS v ORDER BY v) AS sorted))""",
    ),
    "sandbox_top": (
        "list number",
        """ARRAY(SELECT AS STRUCT value, count FROM (
            SELECT value, count, ROW_NUMBER() OVER (ORDER BY count DESC, o) AS n FROM (
                SELECT v AS value, COUNT(*) AS count, MIN(o) AS o
                FROM UNNEST(list) AS v WITH OFFSET AS o GROUP BY v))
        WHERE n <= number ORDER BY n)""",
    ),
}
_AGGREGATES = {
    "MAX_BY": ("x y", "ANY_VALUE(x HAVING MAX y)"),
    "MIN_BY": ("x y", "ANY_VALUE(x HAVING MIN y)"),
    "APPROX_COUNT_DISTINCT": ("x", "COUNT(DISTINCT x)"),
    "APPROX_QUANTILES": ("x !number", "sandbox_quantiles(ARRAY_AGG(x IGNORE NULLS), number)"),
    "APPROX_TOP_COUNT": ("x !number", "sandbox_top(ARRAY_AGG(x), number)"),
}

# Functions of GoogleSQL that BigQuery does not have; and those above, which replace them.
_EXCLUDED = (
    "FN_APPROX_COUNT_DISTINCT", "FN_APPROX_QUANTILES", "FN_APPROX_TOP_COUNT", "FN_COLLATE",
    "FN_SESSION_USER",
    "FN_ARRAY_FILTER", "FN_ARRAY_TRANSFORM", "FN_FIRST_N", "FN_LAST_N", "FN_ZSTD_",
)  # fmt: skip

# What BigQuery has, and the module does not know at all; so are all functions of these families.
_MISSING = frozenset({
    "APPENDS", "BAG_OF_WORDS", "CHANGES", "EXTERNAL_QUERY", "GAP_FILL", "RANGE_SESSIONIZE", "SEARCH",
    "TEXT_ANALYZE", "TF_IDF", "VECTOR_SEARCH",
})  # fmt: skip
_MISSING_FAMILIES = ("AI.", "ML.", "OBJ.")


def is_missing(function: str) -> bool:
    """Whether BigQuery has the function, and the module does not know it."""
    return function.upper() in _MISSING or function.upper().startswith(_MISSING_FAMILIES)


class Language:
    """BigQuery's language, as the module's methods want to be told.

    :param call: calls a method of an instance.
    """

    def __init__(self, call: Callable[[str, Any], Any]) -> None:
        asked = message("local_service.LanguageOptionsRequest")(maximum_features=True)
        self.options = call("GetLanguageOptions", asked)
        unwanted = {number("LanguageFeature", f"FEATURE_{name}") for name in _NOT_BIGQUERYS}
        wanted = {number("LanguageFeature", f"FEATURE_{name}") for name in _BIGQUERYS}
        features = (set(self.options.enabled_language_features) | wanted) - unwanted
        self.options.ClearField("enabled_language_features")
        self.options.enabled_language_features.extend(sorted(features))
        self.options.product_mode = number("ProductMode", "PRODUCT_EXTERNAL")
        self.options.ClearField("supported_statement_kinds")  # all of them
        self._analyzer = call("GetAnalyzerOptions", message("local_service.AnalyzerOptionsRequest")())
        self._analyzer.ClearField("allowed_hints_and_options")
        self._analyzer.language_options.CopyFrom(self.options)
        self._analyzer.default_timezone = "UTC"
        self._analyzer.error_message_mode = number("ErrorMessageMode", "ERROR_MESSAGE_ONE_LINE")
        self._analyzer.prune_unused_columns = True
        self._catalog = self._make_catalog()

    def analyzer(self) -> Any:
        """Give a copy of the ``AnalyzerOptionsProto``, for parameters to be added."""
        options = type(self._analyzer)()
        options.CopyFrom(self._analyzer)
        return options

    def catalog(self) -> Any:
        """Give a ``SimpleCatalogProto`` with BigQuery's functions, for tables to be added."""
        catalog = type(self._catalog)()
        catalog.CopyFrom(self._catalog)
        return catalog

    def _make_catalog(self) -> Any:
        catalog = message("SimpleCatalogProto")(name="bigquery")
        catalog.builtin_function_options.language_options.CopyFrom(self.options)
        known = names("FunctionSignatureId")
        excluded = [value for value, name in known.items() if name.startswith(_EXCLUDED)]
        catalog.builtin_function_options.exclude_function_ids.extend(excluded)
        for mode, functions in (("SCALAR", _SCALARS), ("AGGREGATE", _AGGREGATES)):
            for name, (arguments, body) in functions.items():
                catalog.custom_function.append(_function(name, mode, arguments.split(), body))
        return catalog


def _function(name: str, mode: str, arguments: Sequence[str], body: str) -> Any:
    """Describe a function by its SQL; the type of each argument is that of the call."""
    function = message("FunctionProto")(name_path=[name], group="Templated_SQL_Function")
    function.mode = number("FunctionEnums.Mode", mode)
    any_type = number("SignatureArgumentKind", "ARG_TYPE_ARBITRARY")
    signature = function.signature.add()
    for argument in arguments:
        signature.argument.add(kind=any_type, num_occurrences=-1).options.is_not_aggregate = (
            argument[0] == "!"
        )
        function.templated_sql_function_argument_name.append(argument.lstrip("!"))
    signature.return_type.kind = any_type
    function.parse_resume_location.input = body
    function.parse_resume_location.byte_position = 0
    function.parse_resume_location.allow_resume = False
    return function
