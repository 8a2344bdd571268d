"""Words that stand for secrets, and how to find them again, however they were written down."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: What URLs, JSON, XML and forms write in another way.
_TAIL = "~+/=&%41'\"<"
_AROUND = 60
#: What a task and its supervisor send each other, logged at DEBUG.
_AIRFLOWS_OWN = re.compile(r"\bmsg=(MaskSecret|ConnectionResult)\(")


def word(name: str) -> str:
    """Return the word of a field: letters and digits, which every way of writing leaves alone, and a tail."""
    return f"Kanarie{re.sub(r'[^A-Za-z0-9]', '', name.title())}Q7x{_TAIL}"


@dataclass
class Words:
    """Secrets by name, and the forms in which any of them would be known."""

    kept: dict[str, str] = field(default_factory=dict)
    #: Names of those that are words of fields.
    planted: set[str] = field(default_factory=set)
    #: Names of those that no service which sends things back is sent.
    unsent: set[str] = field(default_factory=set)

    def add(self, name: str, secret: str) -> None:
        """Look for this secret too; of a long one, such as a key, for all its lines."""
        lines = [each for each in re.split(r"\\n|\s+", secret) if len(each) > 11 and "PRIVATE" not in each]
        for number, line in enumerate(lines):
            self.kept[f"{name}, line {number}" if len(lines) > 1 else name] = line

    @cached_property
    def forms(self) -> dict[str, tuple[str, str]]:
        """Return each form, and which secret in which form it is."""
        forms: dict[str, tuple[str, str]] = {}
        for name, secret in self.kept.items():
            for how, form in _forms(secret):
                forms.setdefault(form, (name, how))  # the field, where a request sent it as it is
        return forms

    def found(self, text: str, where: str) -> list[str]:
        """Return a line for each secret that the text holds, with what is around it."""
        lines, seen = [], set[str]()
        # Each form by itself takes a fifth of the time of a pattern of all of them.
        there = [form for form in self.forms if form in text]
        pattern = "|".join(map(re.escape, sorted(there, key=len, reverse=True)))
        for match in re.finditer(pattern, text) if there else ():
            name, how = self.forms[match[0]]
            name = name.partition(", line ")[0]
            if name not in seen:
                around = text[max(0, match.start() - _AROUND) : match.end() + _AROUND]
                lines.append(f"{where}: {name}, {how}: …{around!r}…")
                seen.add(name)
        return lines

    def in_files(self, paths: Iterable[Path]) -> list[str]:
        """Return the same for files."""
        return [line for path in paths for line in self.found(_text(path), path.stem)]


def _text(path: Path) -> str:
    """Return what a file holds, but for what Airflow tells itself; it masks that, where we do not stop it."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(line for line in lines if not _AIRFLOWS_OWN.search(line))


def _forms(secret: str) -> Iterator[tuple[str, str]]:
    """Yield ways to write a secret: quoting, JSON and XML leave its longest run of plain characters alone."""
    plain = max(re.findall(r"[A-Za-z0-9]+", secret), key=len)
    core = plain if len(plain) > 11 else secret
    yield "plain", core
    if core == secret:
        yield "JSON-escaped", json.dumps(secret)[1:-1]
    yield "hexadecimal", core.encode().hex()
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + core.encode()).decode()
        # What the bytes before and behind have a say in is cut.
        inner = text[-(-offset * 4 // 3) + bool(offset) : len(core.encode()) * 4 // 3 - 2]
        yield "base64", inner
        yield "base64", inner.replace("+", "-").replace("/", "_")
