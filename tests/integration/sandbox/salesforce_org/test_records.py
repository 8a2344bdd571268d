"""The bin, merges, history, long transactions: what becomes of records, their stamps and their children."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.sandbox.salesforce.org import Org, SalesforceRefusal
from tests.integration.sandbox.salesforce_org.org_bench import NOW, OrgBench, read_csv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STAMP = NOW.replace(microsecond=0, tzinfo=None)


def children(bench: OrgBench, name: str, field: str, parent: str) -> list[str]:
    return [row["Id"] for row in bench.rows(name) if row[field] == parent]


def spelled(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def changes(bench: OrgBench, which: str, name: str, **span: Any) -> dict[str, Any]:
    start, end = span.get("start", NOW - timedelta(hours=1)), span.get("end", NOW + timedelta(minutes=1))
    return bench.org.changes(which, name, spelled(start), spelled(end), most=span.get("most", 1000))


def test_a_deleted_parent_takes_children_along_and_brings_them_back(shared: OrgBench) -> None:
    account = shared.rows("Account")[40]["Id"]
    going = {
        "Contact": children(shared, "Contact", "AccountId", account),
        "Opportunity": children(shared, "Opportunity", "AccountId", account),
        "Case": children(shared, "Case", "AccountId", account),
    }
    shipments = children(shared, "Shipment__c", "Account__c", account)
    tasks = [t for c in going["Contact"] for t in children(shared, "Task", "WhoId", c)]
    early = going["Case"].pop()
    shared.org.bin("Case", [early])
    shared.org.bin("Account", [account])
    for name, ids in {**going, "Account": [account], "Task": tasks}.items():
        rows = shared.by_id(name)
        assert {(rows[each]["IsDeleted"], rows[each]["SystemModstamp"]) for each in ids} <= {(True, STAMP)}, (
            name
        )
    rows = shared.by_id("Shipment__c")
    assert shipments
    assert {(rows[i]["Account__c"], rows[i]["SystemModstamp"]) for i in shipments} == {(None, STAMP)}
    assert STAMP not in {rows[i]["LastModifiedDate"] for i in shipments}
    shared.org.undelete("Account", [account])
    for name, ids in {**going, "Account": [account], "Task": tasks}.items():
        rows = shared.by_id(name)
        assert not {each for each in ids if rows[each]["IsDeleted"]}, name
    assert shared.by_id("Case")[early]["IsDeleted"]  # it went by itself


def test_what_goes_along_may_keep_its_stamp(shared: OrgBench) -> None:
    account = shared.rows("Account")[20]["Id"]
    deals = children(shared, "Opportunity", "AccountId", account)
    shared.org.bin("Account", [account], stamps=False)
    rows = shared.by_id("Opportunity")
    assert {rows[each]["IsDeleted"] for each in deals} == {True}
    assert STAMP not in {rows[each]["SystemModstamp"] for each in deals}
    assert set(deals) <= {each["id"] for each in changes(shared, "deleted", "Opportunity")["deletedRecords"]}


def test_merged_records_name_the_winner_which_gets_their_children(shared: OrgBench) -> None:
    winner, loser = (row["Id"] for row in shared.rows("Account")[30:32])
    deals = children(shared, "Opportunity", "AccountId", loser)
    assert deals
    shared.ingest("Account", "update", [["Id", "ParentId"], [winner, loser]])
    shared.org.merge("Account", winner, [loser, loser])
    rows = shared.by_id("Account")
    assert rows[winner]["ParentId"] is None
    logged = [each["id"] for each in changes(shared, "deleted", "Account")["deletedRecords"]]
    assert logged.count(loser) == 1
    assert (rows[loser]["IsDeleted"], rows[loser]["MasterRecordId"]) == (True, winner)
    assert (rows[winner]["IsDeleted"], rows[winner]["MasterRecordId"]) == (False, None)
    moved = shared.by_id("Opportunity")
    assert {(moved[i]["AccountId"], moved[i]["IsDeleted"], moved[i]["SystemModstamp"]) for i in deals} == {
        (winner, False, STAMP)
    }
    first, second = (row["Id"] for row in shared.rows("Case")[:2])
    with pytest.raises(SalesforceRefusal, match="Case does not support merge"):
        shared.org.merge("Case", first, [second])
    with pytest.raises(SalesforceRefusal, match="into itself"):
        shared.org.merge("Account", winner, [winner])


def test_purged_records_are_gone_and_the_log_may_forget_them(shared: OrgBench) -> None:
    live, binned, forgotten = (row["Id"] for row in shared.rows("Contact")[20:23])
    before = {each["id"] for each in changes(shared, "deleted", "Contact")["deletedRecords"]}
    shared.org.bin("Contact", [binned])
    shared.org.purge("Contact", [live, binned])
    shared.org.purge("Contact", [forgotten], trimmed=True)
    assert not {live, binned, forgotten} & shared.by_id("Contact").keys()
    found = changes(shared, "deleted", "Contact")
    assert {each["id"] for each in found["deletedRecords"]} - before == {live, binned}
    assert found["earliestDateAvailable"] == "2024-05-15T12:30:15.000+0000"
    assert changes(shared, "deleted", "Account")["earliestDateAvailable"] == "2016-01-04T08:00:00.000+0000"


def test_what_is_not_there_is_refused_and_nothing_happens(shared: OrgBench) -> None:
    live, other = (row["Id"] for row in shared.rows("Account")[50:52])
    calls: list[Callable[[], None]] = [
        lambda: shared.org.undelete("Account", [live]),
        lambda: shared.org.bin("Account", [live, "001Fk00000zzzzzAAA"]),
        lambda: shared.org.bin("User", [live]),
        lambda: shared.org.bin("Reading__b", [live]),
        lambda: shared.org.merge("Account", live, [other, "x"]),
    ]
    for call in calls:
        with pytest.raises(SalesforceRefusal):
            call()
    assert live in {row["Id"] for row in shared.rows("Account")}


def test_history_is_kept_of_some_fields(shared: OrgBench) -> None:
    account = shared.rows("Account")[3]
    data = [["Id", "Name", "Industry", "AnnualRevenue", "Website"]]
    shared.ingest(
        "Account", "update", [*data, [account["Id"], "New Name", account["Industry"] or "", "80000000", "x"]]
    )
    made = shared.ingest("Account", "insert", [["Name"], ["Newest"]])
    (new,) = read_csv(made.successful.read_bytes())[1:]
    soql = (
        "SELECT AccountId, Field, DataType, OldValue, NewValue, CreatedDate FROM AccountHistory "  # noqa: S608 - SOQL
        f"WHERE AccountId IN ('{account['Id']}', '{new[0]}') ORDER BY Field"
    )
    moment = "2024-05-15T12:30:15.000Z"
    before = shared.query(soql)
    assert [row[:2] + row[4:] for row in before] == [
        [account["Id"], "AnnualRevenue", "8.0E7", moment],
        [new[0], "created", "", moment],
        [account["Id"], "Name", "New Name", moment],
    ]
    assert before[2][3] == account["Name"]
    shared.org.purge("Account", [account["Id"]])
    assert [row[0] for row in shared.query(soql, all_rows=True)] == [new[0]]
    with pytest.raises(SalesforceRefusal, match="AccountHistory does not support insert"):
        shared.org.check_ingest("AccountHistory", "insert")


def test_archived_and_deleted_tasks_only_with_query_all(reading: OrgBench) -> None:
    rows = reading.rows("Task", deleted=True)
    assert reading.column("SELECT Id FROM Task", all_rows=True) == [row["Id"] for row in rows]
    assert reading.column("SELECT Id FROM Task") == [
        row["Id"] for row in rows if not row["IsDeleted"] and not row["IsArchived"]
    ]
    assert any(row["IsArchived"] for row in rows)


def test_polymorphic_references(reading: OrgBench) -> None:
    """The id tells what it refers to, and so does the relationship; each is checked when it is written."""
    people = {row["Id"]: ("Contact", row["Name"]) for row in reading.rows("Contact")}
    people |= {row["Id"]: ("Lead", row["Name"]) for row in reading.rows("Lead")}
    found = reading.query("SELECT WhoId, Who.Type, Who.Name, What.Type FROM Task")
    assert {row[0][:3] for row in found} == {"003", "00Q", ""}
    assert {row[3] for row in found} == {"Account", "Shipment__c", ""}
    for who, kind, name, _ in found:
        assert (kind, name) == people.get(who, ("", ""))
    wanted = {
        row["WhoId"] for row in reading.rows("Task") if row["Priority"] == "High" and not row["IsArchived"]
    }
    soql = "SELECT Id FROM Contact WHERE Id IN (SELECT WhoId FROM Task WHERE Priority = 'High')"
    assert set(reading.column(soql)) == {each for each in wanted if each and each.startswith("003")}


def test_a_polymorphic_reference_leads_to_what_its_objects_have(reading: OrgBench) -> None:
    people = {row["Id"]: row for name in ("Contact", "Lead") for row in reading.rows(name)}
    soql = "SELECT WhoId, Who.FirstName, Who.Email, What.Email FROM Task WHERE Who.LastName != null"
    found = reading.query(soql)
    assert found
    for who, first_name, email, nothing in found:
        assert (first_name, email) == (people[who]["FirstName"] or "", people[who]["Email"] or "")
        assert not nothing


def test_polymorphic_references_are_checked(shared: OrgBench) -> None:
    lead, contact = shared.rows("Lead")[0]["Id"], shared.rows("Contact")[0]["Id"]
    user = shared.rows("User")[0]["Id"]
    data = [
        ["Subject", "Status", "WhoId"],
        *([f"t{n}", "New", who] for n, who in enumerate((lead, contact, user))),
    ]
    good, also_good, wrong = shared.errors("Task", "insert", data)
    assert (good, also_good) == ("", "")
    assert wrong.startswith("MALFORMED_ID:Name ID: id value of incorrect type")


def test_formulas_follow_others_without_a_stamp(shared: OrgBench) -> None:
    contact = next(row for row in shared.rows("Contact") if row["AccountId"])
    fields = "Account_Industry__c, Account.Industry, SystemModstamp"
    soql = f"SELECT {fields} FROM Contact WHERE Id = '{contact['Id']}'"  # noqa: S608 - SOQL
    ((before, same, stamp),) = shared.query(soql)
    assert before == same
    shared.ingest("Account", "update", [["Id", "Industry"], [contact["AccountId"], "Fishery"]])
    assert shared.query(soql) == [["Fishery", "Fishery", stamp]]
    soql = "SELECT Id FROM Contact WHERE Account_Industry__c = 'fishery' ORDER BY Account_Industry__c"
    assert contact["Id"] in shared.column(soql)
    error = shared.errors("Contact", "insert", [["LastName", "Account_Industry__c"], ["a", "b"]])
    assert error[0].startswith("INVALID_FIELD_FOR_INSERT_UPDATE")
    data = [["Name", "Value__c", "Weight__c"], ["f", "1.5", "7"], ["g", "1.5", "0"]]
    shared.ingest("Shipment__c", "insert", data)
    soql = "SELECT Value_Per_Kg__c FROM Shipment__c WHERE Name IN ('f', 'g') ORDER BY Name"
    assert shared.column(soql) == [str(1.5 / 7), ""]


def test_a_formula_leaves_the_order_of_records_alone(reading: OrgBench) -> None:
    """Two runs of a query give the same bytes, whatever its parents' records are joined by."""
    ids = [row["Id"] for row in reading.rows("Contact")]
    assert reading.column("SELECT Id, Account_Industry__c FROM Contact") == ids


def test_times_large_numbers_and_integers_with_a_fraction(shared: OrgBench) -> None:
    data = [["Name", "Pickup_Time__c", "Tracking_Number__c"],
            ["t1", "12:30:00.000Z", "16147805824397"], ["t2", "23:59:59.999", "10000000"],
            ["t3", "", "9999999"]]  # fmt: skip
    assert shared.errors("Shipment__c", "insert", [*data, ["t4", "25:00:00Z", "1"]])[3].startswith(
        "INVALID_FIELD:"
    )
    soql = "SELECT Pickup_Time__c, Tracking_Number__c FROM Shipment__c WHERE Name LIKE 't_' ORDER BY Name"
    assert shared.query(soql) == [
        ["12:30:00.000Z", "1.6147805824397E13"], ["23:59:59.999Z", "1.0E7"], ["", "9999999.0"],
    ]  # fmt: skip
    data = [["LastName", "Company", "NumberOfEmployees", "AnnualRevenue"], ["l", "C", "0", "80000000"]]
    shared.ingest("Lead", "insert", data)
    soql = "SELECT NumberOfEmployees, AnnualRevenue, Status FROM Lead WHERE Company = 'C'"
    assert shared.query(soql) == [["0.0", "8.0E7", "Open - Not Contacted"]]


AT = "2022-05-01T01:00:00Z"


@pytest.mark.parametrize(
    "ending",
    [
        "WHERE Sensor__c = 'S-1'",
        f"WHERE Taken_At__c >= {AT} AND Sensor__c = 'S-1' AND Taken_At__c < 2022-05-02T00:00:00Z",
        f"WHERE Sensor__c IN ('S-1', 'S-2') AND Taken_At__c = {AT}",
        "WHERE Sensor__c > 'S-1' ORDER BY Sensor__c, Taken_At__c LIMIT 5",
    ],
)
def test_a_big_object_is_queried_by_its_index(reading: OrgBench, ending: str) -> None:
    assert reading.query(f"SELECT Sensor__c FROM Reading__b {ending}")  # noqa: S608 - SOQL


@pytest.mark.parametrize(
    "ending",
    [
        f"WHERE Taken_At__c = {AT}",
        "WHERE Celsius__c > 1",
        "WHERE Sensor__c LIKE 'S-%'",
        "WHERE Sensor__c != 'S-1'",
        "WHERE NOT Sensor__c = 'S-1'",
        "WHERE Sensor__c = 'S-1' OR Sensor__c = 'S-2'",
        f"WHERE Sensor__c > 'S-1' AND Taken_At__c = {AT}",
        f"WHERE Sensor__c IN ('S-1', 'S-2') AND Taken_At__c IN ({AT})",
        "WHERE CALENDAR_YEAR(Taken_At__c) = 2022",
        "ORDER BY Taken_At__c",
    ],
)
def test_a_big_object_is_not_queried_past_its_index(reading: OrgBench, ending: str) -> None:
    with pytest.raises(SalesforceRefusal, match="follows its index, Sensor__c, Taken_At__c") as caught:
        reading.org.check_query(f"SELECT Id FROM Reading__b {ending}")  # noqa: S608 - SOQL
    assert caught.value.code == "MALFORMED_QUERY"


def test_an_object_without_stamps_and_one_that_the_bulk_api_refuses(shared: OrgBench) -> None:
    assert len(shared.query("SELECT Id, Sensor__c, Taken_At__c FROM Reading__b")) == 500
    data = [["Sensor__c", "Taken_At__c", "Celsius__c"], ["new", "2024-01-01T00:00:00Z", "1.5"]]
    assert shared.errors("Reading__b", "insert", data) == [""]
    (made,) = shared.column("SELECT Id FROM Reading__b WHERE Sensor__c = 'new'")
    assert shared.errors("Reading__b", "update", [["Id", "Celsius__c"], [made, "2"]]) == [""]
    words = "Entity 'CaseStatus' is not supported by the Bulk API."
    with pytest.raises(SalesforceRefusal, match=words) as caught:
        shared.org.check_query("SELECT Id FROM CaseStatus")
    assert caught.value.code == "INVALIDENTITY"
    with pytest.raises(SalesforceRefusal, match=words):
        shared.org.check_ingest("CaseStatus", "insert")


def test_what_was_updated(shared: OrgBench) -> None:
    first, second, gone = (row["Id"] for row in shared.rows("Account")[3000:3003])  # without child accounts
    before = set(changes(shared, "updated", "Account")["ids"])
    shared.ingest("Account", "update", [["Id", "Phone"], [first, "1"], [second, "2"]])
    shared.org.bin("Account", [gone])
    found = changes(shared, "updated", "Account")
    assert set(found["ids"]) - before == {first, second}
    assert found["latestDateCovered"] == "2024-05-15T12:30:15.000+0000"  # no later than now
    early = changes(shared, "updated", "Account", end=NOW - timedelta(minutes=5))
    assert early == {"ids": [], "latestDateCovered": "2024-05-15T12:25:00.000+0000"}
    # Seconds are cut off: 12:30 is not before 12:30.
    assert changes(shared, "updated", "Account", end=NOW.replace(second=59))["ids"] == []
    with pytest.raises(SalesforceRefusal, match="limit of 1 ids") as caught:
        changes(shared, "updated", "Account", most=1)
    assert caught.value.code == "EXCEEDED_ID_LIMIT"


def test_spans_that_are_refused(shared: OrgBench) -> None:
    day = timedelta(days=1)
    for which, days in (("updated", 30), ("deleted", 15)):
        changes(shared, which, "Account", start=NOW - days * day)
        for start, end in ((NOW - days * day - timedelta(minutes=1), NOW), (NOW, NOW), (NOW, NOW - day)):
            with pytest.raises(SalesforceRefusal) as caught:
                changes(shared, which, "Account", start=start, end=end)
            assert caught.value.code == "INVALID_REPLICATION_DATE"
        with pytest.raises(SalesforceRefusal, match="AccountShare is not replicable"):
            changes(shared, which, "AccountShare")
        with pytest.raises(SalesforceRefusal, match="not a valid dateTime"):
            shared.org.changes(which, "Account", "yesterday", "2024-05-15T12:00:00Z", most=1)


class Moving:
    """An org whose clock a test sets."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.bench = OrgBench(folder, contacts=50)
        self.bench.org._now = lambda: self.now
        self.org: Org = self.bench.org

    def later(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now.astimezone(UTC).replace(tzinfo=None, microsecond=0)


@pytest.fixture
def moving(tmp_path: Path) -> Any:
    moving = Moving(tmp_path)
    yield moving
    moving.bench.org.close()


def test_a_long_transaction_is_seen_late_with_early_stamps(moving: Moving) -> None:
    """And what was updated is covered up to its beginning only, however old that is."""
    bench, org = moving.bench, moving.org
    account, other = (row["Id"] for row in bench.rows("Account")[20:22])
    began = moving.later(minutes=0)
    transaction = org.begin()
    stamped = moving.later(minutes=2)
    org.write(transaction, "Account", "update", None, f"Id,Phone\n{account},late\n".encode())
    org.write(transaction, "account", "insert", None, b"Name\nLate\n")
    moving.later(minutes=20)
    bench.ingest("Account", "update", [["Id", "Phone"], [other, "soon"]])
    moving.later(minutes=5)
    between = {"start": moving.now - timedelta(hours=1), "end": moving.now}
    found = changes(bench, "updated", "Account", **between)
    assert found == {"ids": [other], "latestDateCovered": f"{began:%Y-%m-%dT%H:%M:%S}.000+0000"}
    assert bench.query("SELECT Id FROM Account WHERE Phone = 'late' OR Name = 'Late'") == []
    assert org.commit(transaction) == []
    rows = bench.by_id("Account")
    assert (rows[account]["Phone"], rows[account]["SystemModstamp"]) == ("late", stamped)
    soql = "SELECT SystemModstamp, CreatedDate FROM Account WHERE Name = 'Late'"
    assert bench.query(soql) == [[f"{stamped:%Y-%m-%dT%H:%M:%S}.000Z"] * 2]
    found = changes(bench, "updated", "Account", **between)
    assert len(found["ids"]) == 3
    assert found["latestDateCovered"] == f"{moving.now:%Y-%m-%dT%H:%M}:00.000+0000"


def test_transactions_that_end_otherwise(moving: Moving) -> None:
    bench, org = moving.bench, moving.org
    dropped, wrong = org.begin(), org.begin()
    org.write(dropped, "Account", "insert", None, b"Name\nDropped\n")
    org.roll_back(dropped)
    org.write(wrong, "Account", "insert", None, b"Name,Type\nKept,a\n,b\n")
    assert org.commit(wrong) == ["REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"]
    assert bench.column("SELECT Name FROM Account WHERE Name IN ('Dropped', 'Kept')") == ["Kept"]
    for call in (org.commit, org.roll_back):
        with pytest.raises(SalesforceRefusal, match="there is no open transaction"):
            call(wrong)
