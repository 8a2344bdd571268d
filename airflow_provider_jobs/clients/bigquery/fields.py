"""The types of a job configuration's fields: templates make text of truth values, and numbers of names.

Names and types are those of revision 20261009 of
https://bigquery.googleapis.com/discovery/v1/apis/bigquery/v2/rest, everything below JobConfiguration. No name
has two types, but ``skipLeadingRows`` has two sizes; BigQuery's 64-bit numbers are text.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from airflow_provider_jobs.core.work import truth


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TRUTHS = _names(
    """
    allowJaggedRows allowLargeResults allowQuotedNewlines asynchronous autodetect continuous copyFilesOnly
    createSession dryRun enableListInference enumAsString flattenResults ignoreUnknownValues
    ignoreUnspecifiedColumnFamilies nativeGeographyExportEnabled onlyReadLatest outputColumnFamiliesAsJson
    preserveAsciiControlCharacters preserveNulls printHeader readRowkeyAsString requirePartitionFilter
    stored useAvroLogicalTypes useLegacySql useQueryCache writeIncrementalResults
    """
)
_NUMBERS = _names(
    """
    maxBadRecords maxSlots maximumBillingTier skipLeadingRows timestampTargetPrecision
    """
)
_TEXTS = _names(
    """
    collation columnNameCharacterMap compression connectionId createDisposition dataGovernanceTags datasetId
    dateFormat datetimeFormat decimalTargetTypes defaultValueExpression description
    destinationExpirationTime destinationFormat destinationUri destinationUris encoding end expirationMs
    expirationTime familyId field fieldDelimiter fieldName fields fileSetSpecType foreignTypeDefinition
    friendlyName generatedMode generationExpression inlineCode interval jobTimeoutMs jobType jsonExtension
    key keyResultStatement kmsKeyName labels mapTargetType maxLength maximumBytesBilled metadataCacheMode
    mode modelId name names nullMarker nullMarkers objectMetadata operationType parameterMode precision
    priority projectId projectionFields protoMessageName qualifierEncoded qualifierString query quote range
    referenceFileSchemaUri reservation resourceUri roundingMode scale schemaBundleId schemaInline
    schemaInlineFormat schemaUpdateOptions sourceColumnMatch sourceFormat sourceUriPrefix sourceUris start
    statementByteBudget statementTimeoutMs tableId timeFormat timeZone timestampFormat timestampPrecision
    trialId type typeKind typeSystem value writeDisposition
    """
)
#: Mappings whose names are their author's, and are no fields.
_OWN_NAMES = frozenset({"labels", "dataGovernanceTags", "structValues", "tableDefinitions", "types"})
#: Those whose values may be anything.
_ANYTHING = frozenset({"secureParameterEntries", "values"})


def typed(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration, each value in the type that BigQuery has for its field; other fields stay.

    :raises ConfigurationError: a truth value is neither true nor false.
    """
    return {name: _typed(value, name, name) for name, value in configuration.items()}


def _typed(value: Any, name: str, path: str) -> Any:
    if isinstance(value, Mapping):
        return value if name in _ANYTHING else _fields(value, name, path)
    if isinstance(value, list | tuple):
        return [_typed(each, name, path) for each in value]
    if name in _TRUTHS:
        return truth(value, f"configuration.{path}")
    if name in _NUMBERS and isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,10}", value):
        return int(value)
    if name in _TEXTS and isinstance(value, int | float | Decimal | dt.date | dt.time):
        return str(value)
    return value


def _fields(values: Mapping[str, Any], name: str, path: str) -> dict[str, Any]:
    if name not in _OWN_NAMES:
        return {below: _typed(each, below, f"{path}.{below}") for below, each in values.items()}
    # What is named is a value, or a message of its own, whose name is not that of a field.
    return {
        own: _typed(each, "" if isinstance(each, Mapping) else name, f"{path}.{own}")
        for own, each in values.items()
    }
