"""Docstrings in reST's field lists, as this package writes them, become Markdown."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: ``:param name: text`` and its siblings; the text may go on in lines that are indented.
_FIELD = re.compile(r"^:(?:param (?P<name>\w+)|(?P<kind>\w+)(?: (?P<what>[\w.]+))?):[ \n]*")
_ROLE = re.compile(r":\w+:`[.~]*([^`]+)`")
_LITERAL = re.compile(r"``([^`]+)``")


@dataclass
class Docstring:
    """What a docstring says: the text, and what each field adds."""

    text: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    raises: list[tuple[str, str]] = field(default_factory=list)


def read(thing: Any) -> Docstring:
    """Return the docstring of a class, function or module: its own, not one that it inherits."""
    text = (
        inspect.cleandoc(vars(thing).get("__doc__") or "")
        if isinstance(thing, type)
        else inspect.getdoc(thing)
    )
    return parse(text or "")


def parse(text: str) -> Docstring:
    """Return a docstring's parts."""
    head, *fields = re.split(r"^(?=:\w+[^:`]*:(?!`))", text, flags=re.MULTILINE)
    found = Docstring(head.strip())
    for each in fields:
        said = _FIELD.match(each)
        if said is None:
            found.text += f"\n{each.strip()}"
            continue
        body = " ".join(each[said.end() :].split())
        if name := said["name"]:
            found.parameters[name] = body
        elif said["kind"] in {"raises", "raise"}:
            found.raises.append((said["what"] or "", body))
        else:
            found.text += f"\n\n{said['kind'].capitalize()}: {body}"
    return found


def markdown(text: str, links: Mapping[str, str]) -> str:
    """Return reST's roles and literals as Markdown.

    :param links: Where names of things lead to, by the name's last part.
    """

    def linked(role: re.Match[str]) -> str:
        name = role[1]
        target = links.get(name) or links.get(name.rpartition(".")[2])
        return f"[`{name}`]({target})" if target else f"`{name}`"

    def indented(block: re.Match[str]) -> str:
        return f"\n\n```\n{inspect.cleandoc(block[1])}\n```\n\n"

    text = re.sub(r"::\n\n((?:    [^\n]*\n?|\n)+)", lambda block: ":" + indented(block), text)
    return _LITERAL.sub(r"`\1`", _ROLE.sub(linked, text))
