"""Real replies, changed as a broken service, a proxy or somebody hostile might change them.

Hypothesis draws a number for each input; what that becomes is up to a ``Random`` of it: drawing each change
takes twenty times as long.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

#: What may stand in place of a value of a JSON document.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 3.5, 10**30, -(10**400), 1e308, "", " ", "0", "-1", "9" * 400, "nan"),
    *([], {}, [[]], [None], [{}], {"": None}, ["x"] * 3, {"v": {"v": {"v": None}}}, list("ab") * 5000),
    *("\ud800", "\0", "a\r\nb: c", "\u202e", "é" * 5000, "true", "null", "../..", "//evil.example/x"),
    *("https://evil.example/a?locator=x", "http://[", "1970-01-01T00:00:00Z", "DONE", "Failed", "failed"),
    *(float("nan"), float("inf"), "[" * 3000),
)
#: What may stand in place of a header.
WORDS = (
    *("", " ", "0", "-1", "1", "bytes=0-", "bytes=0-99999999999999999999", "bytes=5-9", "0-5", "bytes=0-5"),
    *("null", "nan", "inf", "1e400", "-inf", "0x10", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 99 Nov 9999"),
    *("9" * 400, "application/json", "text/html", "text/csv", "gzip", "identity", "é", "api-usage=1/0"),
    *("api-usage=9999999999999/1", "a" * 9000, "http://[", "https://evil.example/", "//x", "\u0661"),
    *("Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359", "1_000", "\u0661\u0662"),
)
#: Pieces that are put into bytes.
PIECES = (
    *(b"", b'"', b'""', b"\n", b"\r", b"\r\n", b",", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"<", b"<html>"),
    *(b"[" * 3000, b'{"a":' * 3000, b"NaN", b"1e999", b"9" * 5000, b"\\ud800", b"&#x110000;", b"<a " * 500),
)
#: Changes of one input, at most.
MOST_CHANGES = 4

Made = "Callable[[Random], Any]"


def document(dice: Random, seeds: Sequence[Any]) -> Any:
    """Return one of some JSON documents with some of its values changed, gone or doubled."""
    made = copy.deepcopy(dice.choice(seeds))
    for _ in range(dice.randint(0, MOST_CHANGES)):
        places = _places(made)
        if not places or dice.random() < 0.02:
            return dice.choice(ODD)
        holder, key = dice.choice(places)
        way = dice.randrange(10)
        if way == 0:
            del holder[key]
        elif way == 1 and isinstance(holder, list):
            holder.extend([holder[key]] * 50)
        elif way <= 2:
            other, its = dice.choice(places)
            holder[key] = copy.deepcopy(other[its])
        else:
            holder[key] = copy.deepcopy(dice.choice(ODD))
    return made


def _places(made: Any) -> list[tuple[Any, Any]]:
    """Return where the values of a document are: what holds each, and by which key."""
    found: list[tuple[Any, Any]] = []
    waiting = [made]
    while waiting:
        holder = waiting.pop()
        for key in list(holder) if isinstance(holder, dict) else range(min(len(holder), 50)):
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
    return found


def spoilt(dice: Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of some bodies that was cut, joined, or had pieces put in, taken out or exchanged."""
    body = dice.choice(seeds)
    for _ in range(dice.randint(0, MOST_CHANGES)):
        at = dice.randint(0, len(body))
        end = min(len(body), at + dice.choice((0, 0, 1, 2, 16, 1000)))
        body = body[:at] + dice.choice((dice.choice(PIECES), dice.randbytes(2))) + body[end:]
        if not dice.randrange(10):
            body = body[:at]
    return body


def body(dice: Random, seeds: Sequence[Any]) -> bytes:
    """Return a JSON body: of a changed document, or one whose bytes were spoilt."""
    if dice.random() < 0.75:
        return json.dumps(document(dice, seeds)).encode()
    written = [json.dumps(each).encode() for each in seeds]
    return spoilt(dice, [*written, b"<html><h1>Bad Gateway</h1>", b""])


def headers(dice: Random, usual: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a reply, some of them gone or changed."""
    made = {}
    for name, value in usual.items():
        way = dice.randrange(6)
        if way:
            made[name] = dice.choice(WORDS) if way == 1 else value
    return made
