"""An import of several names becomes two: each name keeps the comments above and beside it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

import libcst as cst

if TYPE_CHECKING:
    from collections.abc import Sequence


def dotted(name: str) -> cst.Attribute | cst.Name:
    """Return a dotted name as libcst has it."""
    return cast("cst.Attribute | cst.Name", cst.parse_expression(name))


def split(
    node: cst.ImportFrom, moves: Sequence[bool], target: str
) -> cst.ImportFrom | cst.FlattenSentinel[cst.ImportFrom]:
    """Return an import with another module; or two, if some of its names stay."""
    moved = _with_names(node, moves).with_changes(module=dotted(target))
    if all(moves):
        return moved
    return cst.FlattenSentinel([_with_names(node, [not each for each in moves]), moved])


def _with_names(node: cst.ImportFrom, kept: Sequence[bool]) -> cst.ImportFrom:
    """Return an import of some of its names, with the comments above and beside them; it ends as it did."""
    names = cast("Sequence[cst.ImportAlias]", node.names)
    some = [each for each, keep in zip(names, kept, strict=True) if keep]
    spaces, chosen = _spaces(node, names), [at for at, keep in enumerate(kept) if keep]
    if node.lpar:
        space = _between(spaces[0], spaces[chosen[0]])
        node = node.with_changes(lpar=node.lpar.with_changes(whitespace_after=space))
    for number, (one, following) in enumerate(pairwise(chosen)):
        space = _between(spaces[one + 1], spaces[following])
        comma = cast("cst.Comma", some[number].comma).with_changes(whitespace_after=space)
        some[number] = some[number].with_changes(comma=comma)
    if some[-1] is names[-1]:
        return node.with_changes(names=some)
    own, last, end = some[-1].comma, names[-1].comma, node.rpar
    some[-1] = some[-1].with_changes(comma=_last_comma(own, last))
    if end and isinstance(own, cst.Comma) and not isinstance(last, cst.Comma):
        # No comma was there, and so the bracket had the comment of the last name.
        before = _with_comment(end.whitespace_before, own.whitespace_after)
        node = node.with_changes(rpar=end.with_changes(whitespace_before=before))
    return node.with_changes(names=some)


def _spaces(
    node: cst.ImportFrom, names: Sequence[cst.ImportAlias]
) -> list[cst.BaseParenthesizableWhitespace]:
    """Return what is before each name: the comment beside what comes before it, and those above it."""
    first = node.lpar.whitespace_after if node.lpar else cst.SimpleWhitespace("")
    return [first, *(cast("cst.Comma", each.comma).whitespace_after for each in names[:-1])]


def _between(
    beside: cst.BaseParenthesizableWhitespace, above: cst.BaseParenthesizableWhitespace
) -> cst.BaseParenthesizableWhitespace:
    """Return a space with the comment beside what is before it, and those above what is after it."""
    own = isinstance(beside, cst.ParenthesizedWhitespace)
    if not isinstance(above, cst.ParenthesizedWhitespace):
        return beside.with_changes(empty_lines=()) if own else beside
    first = beside.first_line if own else above.first_line.with_changes(comment=None)  # type: ignore[attr-defined]
    return above.with_changes(first_line=first)


def _last_comma(
    own: cst.Comma | cst.MaybeSentinel, last: cst.Comma | cst.MaybeSentinel
) -> cst.Comma | cst.MaybeSentinel:
    """Return what follows the last name: as it was there, but the comment is that of the name."""
    if not isinstance(own, cst.Comma) or not isinstance(last, cst.Comma):
        return last
    return last.with_changes(whitespace_after=_with_comment(last.whitespace_after, own.whitespace_after))


def _with_comment(
    space: cst.BaseParenthesizableWhitespace, said: cst.BaseParenthesizableWhitespace
) -> cst.BaseParenthesizableWhitespace:
    """Return the space after a name with the comment of another one."""
    both = isinstance(space, cst.ParenthesizedWhitespace) and isinstance(said, cst.ParenthesizedWhitespace)
    return space.with_changes(first_line=said.first_line) if both else space  # type: ignore[attr-defined]
