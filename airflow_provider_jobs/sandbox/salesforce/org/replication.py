"""Which records were updated, and which deleted, in a span of time.

Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_getupdated.htm and
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_getdeleted.htm.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.sandbox.salesforce.org.refusals import SalesforceRefusal

if TYPE_CHECKING:
    from airflow_provider_jobs.sandbox.salesforce.org.model import SObject
    from airflow_provider_jobs.sandbox.salesforce.org.store import Store

_UPDATED_DAYS, _DELETED_DAYS = 30, 15
_MINUTE = timedelta(minutes=1)
# Since when the org keeps what was deleted.
_BEGIN = datetime(2016, 1, 4, 8)  # noqa: DTZ001 - UTC, as the tables have it


def updated(
    store: Store, of: SObject, start: str, end: str, *, now: datetime, open_since: datetime | None, most: int
) -> dict[str, Any]:
    """Give the ids of live records whose stamp is from ``start`` on, and before ``end``.

    :param now: the org's clock: UTC without a time zone, as all moments here.
    :param open_since: when the oldest transaction began that is still open.
    :raises SalesforceRefusal: the object cannot be asked, the span is wrong, or there are more than ``most``.
    """
    first, last = _span(of, start, end, now - timedelta(days=_UPDATED_DAYS))
    live = 'NOT "IsDeleted"' if "IsDeleted" in of.columns else "true"
    with store.reading([of]) as cursor:
        cursor.execute(
            f'SELECT "Id" FROM {of.table} WHERE "{of.stamp}" >= ? AND "{of.stamp}" < ? AND {live} LIMIT ?',  # noqa: S608 - our names
            [first, last, most + 1],
        )
        ids = [found for (found,) in cursor.fetchall()]
    _check_count(ids, most)
    return {"ids": ids, "latestDateCovered": _moment(min(last, now, open_since or now))}


def deleted(
    store: Store, of: SObject, start: str, end: str, *, now: datetime, open_since: datetime | None, most: int
) -> dict[str, Any]:
    """Give what was deleted from ``start`` on, and before ``end``, and is not undeleted; as ``updated``."""
    first, last = _span(of, start, end, now - timedelta(days=_DELETED_DAYS))
    with store.reading([of]) as cursor:
        # Sample records, and what was deleted before there was a log, have a stamp alone.
        unlogged = (
            f'SELECT "Id", "{of.stamp}" FROM {of.table} WHERE "IsDeleted" '  # noqa: S608 - our names
            'AND "Id" NOT IN (SELECT id FROM deletions WHERE object = $1)'
        )
        cursor.execute(
            "SELECT id, gone_at FROM (SELECT id, gone_at FROM deletions WHERE object = $1 "  # noqa: S608 - our names
            f"UNION ALL {unlogged}) "
            "WHERE gone_at >= $2 AND gone_at < $3 ORDER BY gone_at, id LIMIT $4",
            [of.name, first, last, most + 1],
        )
        found = cursor.fetchall()
        cursor.execute("SELECT max(trimmed_at) FROM trimmed WHERE object = ?", [of.name])
        ((trimmed,),) = cursor.fetchall()
    _check_count(found, most)
    return {
        "deletedRecords": [{"id": each, "deletedDate": _moment(at)} for each, at in found],
        "earliestDateAvailable": _moment(trimmed or _BEGIN),
        "latestDateCovered": _moment(min(last, now, open_since or now)),
    }


def _span(of: SObject, start: str, end: str, earliest: datetime) -> tuple[datetime, datetime]:
    """Read a span; its seconds are cut off."""
    if not of.replicateable:
        raise SalesforceRefusal("INVALID_TYPE", f"sObject type {of.name} is not replicable")
    first, last = _read("start", start), _read("end", end)
    if last - first < _MINUTE:
        # These are Salesforce's words, the wrong way round.
        message = "startDate must be at least one minute greater than endDate"
        raise SalesforceRefusal("INVALID_REPLICATION_DATE", message)
    if first < earliest.replace(second=0, microsecond=0):
        raise SalesforceRefusal("INVALID_REPLICATION_DATE", "startDate before org replication enabled date")
    return first, last


def _read(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        utc = moment.astimezone(UTC).replace(tzinfo=None, second=0, microsecond=0)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise SalesforceRefusal("INVALID_FIELD", f"{name}: '{text[:100]}' is not a valid dateTime")
    return utc


def _check_count(found: list[Any], most: int) -> None:
    if len(found) > most:
        raise SalesforceRefusal("EXCEEDED_ID_LIMIT", f"exceeded the limit of {most} ids: ask for less time")


def _moment(moment: datetime) -> str:
    """Spell a moment as the REST API does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}+0000"
