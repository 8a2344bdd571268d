"""Records of an org arrive in BigQuery, whatever becomes of them afterwards."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.transfers.route import Route


def test_all_records_of_an_object(route: Route) -> None:
    route.accounts(1, 2, 3, AnnualRevenue="80000000", Description='a "b",\nc')
    result = route.run()
    assert result["record_count"] == result["inserted"] == 3
    rows = route.rows()
    assert sorted(rows) == [1, 2, 3]
    assert rows[1]["AnnualRevenue"] == Decimal(80_000_000)
    assert rows[1]["Description"] == 'a "b",\nc'
    assert rows[1]["IsDeleted"] is False
