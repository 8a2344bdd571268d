"""The parser's trees: messages whose names begin with AST, each with its place in the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def leaf(node: Any) -> Any:
    """Give what stands in a message that may hold one of several kinds of nodes."""
    while len(node.DESCRIPTOR.oneofs) == 1 and node.DESCRIPTOR.name.startswith("Any"):
        chosen = node.WhichOneof(node.DESCRIPTOR.oneofs[0].name)
        if chosen is None:
            return node
        node = getattr(node, chosen)
        if node.DESCRIPTOR.name.startswith("Any") or not node.DESCRIPTOR.oneofs:
            continue
    return node


def kind(node: Any) -> str:
    """Give the name of a node's kind: ``QueryStatement``, ``ResolvedTableScan``."""
    return str(node.DESCRIPTOR.name).removeprefix("AST").removesuffix("Proto")


def part(node: Any, name: str) -> Any:
    """Give a field of a node, also one that it has from a more general kind."""
    while name not in node.DESCRIPTOR.fields_by_name:
        node = node.parent
    return getattr(node, name)


def has(node: Any, name: str) -> bool:
    """Whether a node has a field, and it is set."""
    while name not in node.DESCRIPTOR.fields_by_name:
        if "parent" not in node.DESCRIPTOR.fields_by_name:
            return False
        node = node.parent
    return bool(node.HasField(name))


def span(node: Any) -> tuple[int, int]:
    """Give where a node begins and ends, in bytes of the text."""
    place = part(leaf(node), "parse_location_range")
    return place.start, place.end


def walk(node: Any) -> Iterator[Any]:
    """Give a message and all messages in it, in the order of the text as a rule."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        inner: list[Any] = []
        for field, value in current.ListFields():
            if field.message_type is None:
                continue
            if field.is_repeated:
                inner.extend(value.values() if field.message_type.GetOptions().map_entry else value)
            else:
                inner.append(value)
        stack.extend(reversed(inner))
