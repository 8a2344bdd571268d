"""Partial responses: the ``fields`` parameter, ``a,b(c,d),e/f``.

See https://cloud.google.com/bigquery/docs/api-performance#partial-response.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

TOKEN = re.compile(r"\s*([A-Za-z0-9_.$*-]+|[,()/])")
MAX_CHARACTERS = 4096  # a mask is short; longer ones are mistakes
MOST_LEVELS = 64  # more than any reply has


class MaskError(ValueError):
    """The mask is not one."""


class Mask:
    """A tree of field names; an empty tree keeps everything below."""

    def __init__(self, tree: dict[str, Mask]) -> None:
        self.tree = tree

    def apply(self, document: Any) -> Any:
        """Give the document with only the named fields; lists are masked item by item."""
        if not self.tree:
            return document
        if isinstance(document, list):
            return [self.apply(item) for item in document]
        if not isinstance(document, dict):
            return document
        every = self.tree.get("*")
        masks = ((name, self.tree.get(name, every)) for name in document)
        return {name: mask.apply(document[name]) for name, mask in masks if mask is not None}


@lru_cache(maxsize=256)
def parse_mask(text: str) -> Mask:
    """Give the mask that the text describes.

    :raises MaskError: the text is not a mask.
    """
    if len(text) > MAX_CHARACTERS:
        raise MaskError("too long")
    tokens = _tokens(text)
    mask = _selection(tokens, MOST_LEVELS)
    if tokens:
        raise MaskError(f"unexpected {tokens[0]!r}")
    return mask


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise MaskError(f"unexpected {text[position]!r}")
        tokens.append(match.group(1))
        position = match.end()
    return tokens


def _selection(tokens: list[str], levels: int) -> Mask:
    mask = Mask({})
    while True:
        _path(tokens, mask, levels)
        if not tokens or tokens[0] != ",":
            return mask
        tokens.pop(0)


def _path(tokens: list[str], parent: Mask, levels: int) -> None:
    if levels == 0:
        raise MaskError("nested too deeply")
    if not tokens or tokens[0] in {",", "(", ")", "/"}:
        raise MaskError(f"a field name is missing{f' before {tokens[0]!r}' if tokens else ' at the end'}")
    child = parent.tree.setdefault(tokens.pop(0), Mask({}))
    if tokens and tokens[0] == "/":
        tokens.pop(0)
        _path(tokens, child, levels - 1)
    elif tokens and tokens[0] == "(":
        tokens.pop(0)
        child.tree.update(_selection(tokens, levels - 1).tree)
        if not tokens or tokens.pop(0) != ")":
            raise MaskError("a closing bracket is missing")
