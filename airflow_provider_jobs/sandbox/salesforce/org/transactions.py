"""Long transactions: what runs in one has stamps of that moment, and can be seen once it is committed.

Nothing of it is locked meanwhile, and what is wrong with a record shows at the commit.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class Change:
    """Records of one object that are written, as CSV.

    :param at: the moment of their stamps.
    """

    object_name: str
    operation: str
    key: str | None
    csv: bytes
    at: datetime


@dataclass
class Transaction:
    """One that is open."""

    since: datetime
    changes: list[Change] = field(default_factory=list)


class Transactions:
    """Those that are open; they end with the process, as with a server's."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._open: dict[str, Transaction] = {}

    def begin(self, now: datetime) -> str:
        """Open one; give its id."""
        name = f"transaction-{next(self._numbers)}"
        self._open[name] = Transaction(now)
        return name

    def find(self, name: str) -> Transaction | None:
        """Find an open one."""
        return self._open.get(name)

    def end(self, name: str) -> None:
        """Forget one."""
        self._open.pop(name, None)

    def open_since(self) -> datetime | None:
        """Tell when the oldest began, without what is finer than a second."""
        return min((each.since for each in list(self._open.values())), default=None)
