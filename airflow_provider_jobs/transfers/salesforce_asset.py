"""Transfers to targets that cannot say how far they are complete: the state of an asset says it.

Source: https://airflow.apache.org/docs/apache-airflow/stable/authoring-and-scheduling/assets.html
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs import compat
from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.transfers.salesforce_source import SalesforceSource
from airflow_provider_jobs.transfers.salesforce_window import FORMULAS, FULL, INCREMENTAL, WINDOW, Mark

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_jobs.jobs import JobStatus
    from airflow_provider_jobs.transfers.salesforce_reading import Described, Reading, Span

_FIRST = "Airflow keeps no mark of {} in the state of the asset {}"


class AssetMarkedTransfer(SalesforceSource):
    """What transfers share whose mark is kept in the state of the task's first asset in ``outlets``.

    The asset stands for the target, and has a mark for each object, under the key
    ``salesforce_synced_to/account``: ``synced_to``, and of which ``org`` and with which ``where`` it is. A
    run of another org or another ``where`` does not go on from it, and reads all. Mode ``incremental`` needs
    such an asset, and Airflow 3.3.
    """

    can_begin_in_trigger = False
    found_without_store = False

    def target_mark(self, context: Context) -> Mark:
        """Return the mark that the run before has left.

        :raises ConfigurationError: it is wanted, and Airflow keeps none.
        """
        kept = self._state(context)
        if kept is None:
            if self.mode == INCREMENTAL:
                raise ConfigurationError(self._why_no_state())
            return Mark(None)
        asset, state = kept
        found = state.get(self._key)
        if not isinstance(found, dict):
            return Mark(None, _FIRST.format(self.object_name, asset))
        for name, value in self.marked_for().items():
            if found.get(name, value) != value:
                return Mark(None, f"the mark in the state of the asset {asset} is of another {name}")
        return Mark(dt.datetime.fromisoformat(str(found["synced_to"])))

    def keep_mark(self, context: Context) -> None:
        """Move the mark to the end of what the run has read.

        It goes back only to where a full run says, if nobody has moved it meanwhile.

        Once this is called all of that is at the target.
        """
        synced, kept = self.reading.span.synced_to, self._state(context)
        if synced is None or kept is None:
            return
        before = self.target_mark(context).at
        alone = self.reading.span.mode == FULL and before == self.reading.span.mark
        at = synced if alone or before is None else max(synced, before)
        kept[1].set(self._key, {"synced_to": at.isoformat(), **self.marked_for()})
        self._carried["marked"] = at.isoformat()

    def still_fits(self, context: Context, span: Span) -> bool:
        """Return False if the mark is before a window, so that nobody would read what is between."""
        if span.mode != INCREMENTAL or span.window is None:
            return True
        mark = self.target_mark(context).at
        return mark is not None and span.window.start <= mark

    def check_target(self, context: Context, described: Described, reading: Reading) -> None:
        """See that the target can take what is read; say what is.

        :raises ConfigurationError: it cannot.
        """
        if reading.span.mode == FORMULAS:
            raise ConfigurationError(f'mode "{FORMULAS}" is for a target whose rows can be updated')
        self.tell_reading(described, reading)

    def nothing_to_take(self, status: JobStatus) -> bool:
        """Note how many records the query has; return True if none has changed, and the target stays."""
        count = status.statistics.get("record_count")
        self._carried["record_count"] = count or 0
        if count != 0 or not self.reading.span.window:
            return False
        self.log.info("no record has changed: the target is as it was")
        return True

    def told(self) -> dict[str, Any]:
        """Return what the result says of the run, whatever the target."""
        reading = self.reading
        return {
            "object": reading.object_name,
            "mode": reading.span.mode,
            "operation": reading.operation,
            **reading.span.told(changed=False),
            **({"mark_after": self._carried["marked"]} if "marked" in self._carried else {}),
            "record_count": self._carried["record_count"],
            "seconds": self._carried["seconds"],
            "job_ids": self._carried["job_ids"],
        }

    @property
    def _key(self) -> str:
        return f"salesforce_synced_to/{str(self.object_name).lower()}"

    def marked_for(self) -> dict[str, str]:
        """Return what a mark is of: another's is of no use."""
        return {"org": self.source_client().scope, "where": self.where or ""}

    def _state(self, context: Context) -> tuple[str, Any] | None:
        """Return the task's first asset, and its state."""
        states: Any = context.get("asset_state_store")
        for asset in self.outlets if states is not None and self.object_name else ():
            try:
                return str(getattr(asset, "name", None) or asset.uri), states[asset]
            except TypeError:  # an alias is not an asset
                continue
        return None

    def _why_no_state(self) -> str:
        if not compat.KEEPS_ASSET_STATE:
            return (
                f'mode "{INCREMENTAL}" needs Airflow 3.3 or newer, which keeps the mark in the state of an '
                f'asset: read by mode "{WINDOW}", or all'
            )
        return (
            f'mode "{INCREMENTAL}" needs an asset that stands for the target, such as '
            'outlets=[Asset("accounts")]: the mark is kept in its state'
        )


def compact(moment: dt.datetime | None) -> str:
    """Return a time as names of files and uploads have it, such as ``20261130T020000Z``."""
    if moment is None:
        raise ConfigurationError("the run has no end that a name could tell")
    moment = moment.astimezone(dt.UTC)
    return f"{moment.year:04}{moment:%m%dT%H%M%SZ}"
