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


def _read() -> tuple[Any, dict[str, Any]]:
    """Read the descriptors, and make the classes of all messages, by their full names.

    A class that nothing but its own descriptor holds is garbage, and comes back when a message of it is read:
    in the middle of a collection that waits for something it would be used by one thread while another clears
    it, which ends the process. These are held as long as it lives, from its start.
    """
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(gzip.decompress(_DESCRIPTORS.read_bytes()))
    classes: dict[str, Any] = {}
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
        waiting = list(pool.FindFileByName(file.name).message_types_by_name.values())
        while waiting:
            descriptor = waiting.pop()
            classes[descriptor.full_name] = message_factory.GetMessageClass(descriptor)
            waiting += descriptor.nested_types
    return pool, classes


_POOL, _CLASSES = _read()


def message(name: str) -> Any:
    """Give the class of a message, for example ``local_service.ParseRequest`` or ``TypeProto``."""
    return _CLASSES[f"zetasql.{name}"]


@cache
def number(enum: str, name: str) -> int:
    """Give the number of an enum's value, for example of ``TYPE_INT64`` in ``TypeKind``."""
    return int(_POOL.FindEnumTypeByName(f"zetasql.{enum}").values_by_name[name].number)


@cache
def names(enum: str) -> dict[int, str]:
    """Give the names of an enum's values."""
    values = _POOL.FindEnumTypeByName(f"zetasql.{enum}").values
    return {int(value.number): str(value.name) for value in values}
