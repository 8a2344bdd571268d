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
    digits = ""
    while number:
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    short = prefix + "Hn" + digits.rjust(SHORT - len(prefix) - 2, "0")
    return short + suffix_of(short)


def random_id(prefix: str) -> str:
    """Give an id that is not known elsewhere."""
    short = prefix + "".join(secrets.choice(ALPHABET) for _ in range(SHORT - len(prefix)))
    return short + suffix_of(short)


def suffix_of(short: str) -> str:
    """Give the three characters that make a short id a long one."""
    groups = (short[start : start + GROUP] for start in range(0, SHORT, GROUP))
    return "".join(
        SUFFIXES[sum(1 << place for place, letter in enumerate(group) if letter in string.ascii_uppercase)]
        for group in groups
    )


def long_id(given: str) -> str | None:
    """Give the long form of an id in either form; None: it is no id."""
    if not given.isascii() or not given.isalnum() or len(given) not in {SHORT, LONG}:
        return None
    return given[:SHORT] + suffix_of(given[:SHORT])
