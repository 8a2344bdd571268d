"""Ids as Salesforce spells them: 15 characters, or 18 with a suffix that tells capitals from small letters.

See https://help.salesforce.com/s/articleView?id=000385585.
"""

from __future__ import annotations

import secrets
import string

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
SUFFIXES = string.ascii_uppercase + "012345"
SHORT, LONG = 15, 18
GROUP = 5  # characters that one of the suffix stands for

JOB, USER, ORGANIZATION, LOCATOR = "750", "005", "00D", "01g"  # what their ids begin with


def make_id(prefix: str, number: int) -> str:
    """Give the id of the ``number``-th thing of a kind."""
    return long_of(prefix + "Hn" + digits_of(number).rjust(SHORT - len(prefix) - 2, "0"))


def random_id(prefix: str) -> str:
    """Give an id that is not known elsewhere."""
    return long_of(prefix + "".join(secrets.choice(ALPHABET) for _ in range(SHORT - len(prefix))))


def digits_of(number: int) -> str:
    """Give a number in the digits of ids."""
    digits = ""
    while number:
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def long_of(short: str) -> str:
    """Give the long form of a short id."""
    groups = (short[start : start + GROUP] for start in range(0, SHORT, GROUP))
    return short + "".join(
        SUFFIXES[sum(1 << place for place, letter in enumerate(group) if letter in string.ascii_uppercase)]
        for group in groups
    )


def long_id(given: str) -> str | None:
    """Give the long form of an id in either form; None: it is not an id, or its suffix is wrong."""
    if not given.isascii() or not given.isalnum() or len(given) not in {SHORT, LONG}:
        return None
    found = long_of(given[:SHORT])
    return found if len(given) == SHORT or given == found else None
