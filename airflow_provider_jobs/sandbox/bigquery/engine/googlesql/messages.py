"""The messages that the module understands, read from its descriptors: no generated code, no version of it.

``messages.binpb.gz`` is a ``FileDescriptorSet`` of the service ``zetasql.local_service`` and what it needs,
from the package zetasql 0.1.5. https://github.com/google/googlesql/tree/master/zetasql/local_service
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_DESCRIPTORS = Path(__file__).with_name("messages.binpb.gz")


@cache
def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(gzip.decompress(_DESCRIPTORS.read_bytes()))
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


@cache
def message(name: str) -> Any:
    """Give the class of a message, for example ``local_service.ParseRequest`` or ``TypeProto``."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"zetasql.{name}"))


@cache
def number(enum: str, name: str) -> int:
    """Give the number of an enum's value, for example of ``TYPE_INT64`` in ``TypeKind``."""
    return int(_pool().FindEnumTypeByName(f"zetasql.{enum}").values_by_name[name].number)


@cache
def names(enum: str) -> dict[int, str]:
    """Give the names of an enum's values."""
    values = _pool().FindEnumTypeByName(f"zetasql.{enum}").values
    return {int(value.number): str(value.name) for value in values}
