"""Queries find what Python finds in the same records."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.sandbox.salesforce_org.org_bench import spelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.sandbox.salesforce_org.org_bench import OrgBench

Row = dict[str, Any]


def low(value: str | None) -> str:
    return (value or "").lower()


FILTERS: list[tuple[str, str, Callable[[Row], bool]]] = [
    ("Contact", "LastName = 'MÜLLER'", lambda r: low(r["LastName"]) == "müller"),
    ("Contact", "LastName LIKE 'Παπ%ουλος'", lambda r: r["LastName"] == "Παπαδόπουλος"),
    ("Contact", "MailingCity = 'İstanbul'", lambda r: r["MailingCity"] == "İstanbul"),
    ("Contact", "LastName = 'Ре\\u0301ПИН'", lambda r: r["LastName"] == "Ре\u0301пин"),  # noqa: RUF001
    ("Contact", "FirstName = null", lambda r: r["FirstName"] is None),
    ("Contact", "FirstName != NULL", lambda r: r["FirstName"] is not None),
    ("Contact", "FirstName = ''", lambda r: r["FirstName"] is None),
    ("Contact", "FirstName != 'Ada'", lambda r: r["FirstName"] != "Ada"),
    ("Contact", "FirstName <> 'ada'", lambda r: r["FirstName"] != "Ada"),
    ("Contact", "NOT FirstName = 'Ada'", lambda r: r["FirstName"] != "Ada"),
    ("Contact", "NOT (FirstName > 'n')", lambda r: not (r["FirstName"] and low(r["FirstName"]) > "n")),
    ("Contact", "LastName IN ('O\\'Brien', 'smith')", lambda r: low(r["LastName"]) in ("o'brien", "smith")),
    ("Contact", "LastName = 'O\\u0027Brien'", lambda r: r["LastName"] == "O'Brien"),
    ("Contact", "FirstName NOT IN ('Ada', 'José')", lambda r: low(r["FirstName"]) not in ("ada", "josé")),
    ("Contact", "FirstName IN ('Ada', null)", lambda r: r["FirstName"] in ("Ada", None)),
    ("Contact", "LastName LIKE 'm%'", lambda r: low(r["LastName"]).startswith("m")),
    ("Contact", "(NOT FirstName LIKE 'a%')", lambda r: not low(r["FirstName"]).startswith("a")),
    ("Contact", "FirstName LIKE '_ia'", lambda r: re.fullmatch(".ia", low(r["FirstName"])) is not None),
    ("Account", "Name LIKE '100\\%%'", lambda r: r["Name"].startswith("100%")),
    ("Account", "Name LIKE 'under\\_%'", lambda r: low(r["Name"]).startswith("under_")),
    ("Contact", "Title = 'Engineer\\tIII'", lambda r: r["Title"] == "Engineer\tIII"),
    ("Contact", "Score__c >= -1000.5", lambda r: r["Score__c"] is not None and r["Score__c"] >= -1000.5),
    ("Contact", "Score__c < 1e3", lambda r: r["Score__c"] is not None and r["Score__c"] < 1000),
    ("Account", "NumberOfEmployees = 37", lambda r: r["NumberOfEmployees"] == 37),
    ("Contact", "HasOptedOutOfEmail = true", lambda r: r["HasOptedOutOfEmail"]),
    ("Contact", "HasOptedOutOfEmail != TRUE", lambda r: not r["HasOptedOutOfEmail"]),
    ("Contact", "Birthdate < 1950-06-15", lambda r: r["Birthdate"] and r["Birthdate"] < date(1950, 6, 15)),
    (
        "Contact",
        "CreatedDate >= 2016-02-01T02:00:00+02:00 AND CreatedDate < 2016-02-10T00:00:00.500Z",
        lambda r: datetime(2016, 2, 1) <= r["CreatedDate"] < datetime(2016, 2, 10, 0, 0, 0, 500_000),  # noqa: DTZ001
    ),
    (
        "Contact",
        "Interests__c INCLUDES ('chess;Astronomy', 'Sailing')",
        lambda r: (
            "Sailing" in (i := (r["Interests__c"] or "").split(";")) or {"Chess", "Astronomy"} <= set(i)
        ),
    ),
    (
        "Contact",
        "Interests__c EXCLUDES ('Chess', 'Opera')",
        lambda r: not {"Chess", "Opera"} & set((r["Interests__c"] or "").split(";")),
    ),
    ("Contact", "Interests__c = 'opera;COOKING'", lambda r: r["Interests__c"] == "Opera;Cooking"),
    (
        "Contact",
        "LastName = 'Smith' AND (FirstName = 'Ada' OR Title = null) AND (NOT Phone = null)",
        lambda r: (
            r["LastName"] == "Smith"
            and (r["FirstName"] == "Ada" or r["Title"] is None)
            and r["Phone"] is not None
        ),
    ),
    ("Contact", "CALENDAR_MONTH(Birthdate) = 2", lambda r: r["Birthdate"] and r["Birthdate"].month == 2),
    ("Contact", "DAY_IN_WEEK(CreatedDate) = 1", lambda r: r["CreatedDate"].isoweekday() == 7),
    ("Contact", "DAY_ONLY(CreatedDate) = 2016-01-05", lambda r: r["CreatedDate"].date() == date(2016, 1, 5)),
    ("Contact", "toLabel(Salutation) = 'dr.'", lambda r: r["Salutation"] == "Dr."),
    ("Shipment__c", "External_Id__c = 'ext-000042'", lambda r: r["External_Id__c"] == "EXT-000042"),
    (
        "Shipment__c",
        "Pickup_Time__c >= 17:00:00.25Z AND Pickup_Time__c < 17:10:00Z",
        lambda r: r["Pickup_Time__c"] and time(17, 0, 0, 250_000) <= r["Pickup_Time__c"] < time(17, 10),
    ),
    ("User", "Email != null AND IsActive = false", lambda r: not r["IsActive"]),
]


@pytest.mark.parametrize(("name", "where", "wanted"), FILTERS, ids=[where for _, where, _ in FILTERS])
def test_filters(reading: OrgBench, name: str, where: str, wanted: Callable[[Row], bool]) -> None:
    expected = [row["Id"] for row in reading.rows(name) if wanted(row)]
    assert reading.column(f"SELECT Id FROM {name} WHERE {where}") == expected  # noqa: S608 - SOQL
    assert expected or where == "FirstName LIKE '_ia'"


def test_parents_up_to_five_levels(reading: OrgBench) -> None:
    accounts, users = reading.by_id("Account"), reading.by_id("User")
    expected = []
    for row in reading.rows("Contact"):
        account = accounts.get(row["AccountId"], {})
        parent = accounts.get(account.get("ParentId", ""), {})
        manager = users.get(users.get(parent.get("OwnerId", ""), {}).get("ManagerId", ""), {})
        above = users.get(manager.get("ManagerId", ""), {})
        expected.append(
            [row["Id"], *map(spelled, (account.get("Name"), parent.get("CreatedDate"), above.get("Name")))]
        )
    soql = (
        "SELECT Id, Account.Name, Account.Parent.CreatedDate, Account.Parent.Owner.Manager.Manager.Name "
        "FROM Contact"
    )
    assert reading.query(soql) == expected
    assert any(row[3] for row in expected)
    assert any(not row[1] for row in expected)


def test_filters_on_parents_also_find_records_without_one(reading: OrgBench) -> None:
    accounts = reading.by_id("Account")
    rows = reading.rows("Contact")
    names = {row["Id"]: accounts.get(row["AccountId"], {}).get("Industry") for row in rows}
    found = reading.column("SELECT Id FROM Contact WHERE Account.Industry = 'banking'")
    assert found == [each for each, industry in names.items() if industry == "Banking"]
    rest = reading.column("SELECT Id FROM Contact WHERE Account.Industry != 'Banking'")
    assert rest == [each for each, industry in names.items() if industry != "Banking"]
    assert len(found) + len(rest) == len(rows)


def test_custom_relationships_and_spelling(reading: OrgBench) -> None:
    """The header has Salesforce's spelling whatever the query's is; values belong to the right records."""
    contacts = reading.by_id("Contact")
    data = reading.bytes_of(
        "select ID, contact__R.lastname, Shipment__c.Name from shipment__C s where s.Express__c = true"
    )
    assert data.splitlines()[0] == b'"Id","Contact__r.LastName","Name"'
    expected = [
        [row["Id"], spelled(contacts.get(row["Contact__c"], {}).get("LastName")), row["Name"]]
        for row in reading.rows("Shipment__c")
        if row["Express__c"]
    ]
    assert reading.query("SELECT Id, Contact__r.LastName, Name FROM Shipment__c WHERE Express__c = true") == (
        expected
    )


def test_semi_joins(reading: OrgBench) -> None:
    wanted = {row["AccountId"] for row in reading.rows("Contact") if low(row["LastName"]).startswith("m")}
    ids = [row["Id"] for row in reading.rows("Account")]
    inner = "(SELECT AccountId FROM Contact WHERE LastName LIKE 'M%')"
    assert reading.column(f"SELECT Id FROM Account WHERE Id IN {inner}") == [i for i in ids if i in wanted]  # noqa: S608 - SOQL
    outside = reading.column(f"SELECT Id FROM Account WHERE Id NOT IN {inner} AND Active__c = true")  # noqa: S608 - SOQL
    active = {row["Id"] for row in reading.rows("Account") if row["Active__c"]}
    assert outside == [i for i in ids if i not in wanted and i in active]


def test_ids_of_15_and_18_characters(reading: OrgBench) -> None:
    whole = reading.rows("Account")[7]["Id"]
    assert reading.column(f"SELECT Id FROM Account WHERE Id = '{whole}'") == [whole]  # noqa: S608 - SOQL
    assert reading.column(f"SELECT Id FROM Account WHERE Id IN ('{whole[:15]}')") == [whole]  # noqa: S608 - SOQL
    assert reading.column(f"SELECT Id FROM Account WHERE Id > '{whole}' LIMIT 1") > [whole]  # noqa: S608 - SOQL


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("nulls", ["", "NULLS FIRST", "NULLS LAST"])
def test_order(reading: OrgBench, direction: str, nulls: str) -> None:
    """Nulls come first unless asked otherwise; equal records keep the order of their ids."""
    rows = sorted(reading.rows("Contact"), key=lambda r: r["Id"])
    present = [row for row in rows if row["Title"] is not None]
    present.sort(key=lambda r: low(r["Title"]), reverse=direction == "DESC")
    if direction == "DESC":  # Python reverses equal ones neither
        assert [r["Id"] for r in present if r["Title"] == "CEO"] == sorted(
            r["Id"] for r in present if r["Title"] == "CEO"
        )
    absent = [row for row in rows if row["Title"] is None]
    expected = present + absent if nulls == "NULLS LAST" else absent + present
    found = reading.column(f"SELECT Id FROM Contact ORDER BY Title {direction} {nulls}")  # noqa: S608 - SOQL
    assert found == [row["Id"] for row in expected]


@pytest.mark.parametrize(("name", "field"), [("Opportunity", "StageName"), ("Shipment__c", "Status__c")])
def test_picklists_are_in_the_order_in_which_they_were_set_up(
    reading: OrgBench, name: str, field: str
) -> None:
    values = next(each.values for each in reading.org.fields(name) if each.name == field)
    assert list(values) != sorted(values)
    found = reading.column(f"SELECT {field} FROM {name} ORDER BY {field}")  # noqa: S608 - SOQL
    assert found == sorted(found, key=values.index)
    assert reading.column(f"SELECT {field} FROM {name} ORDER BY {field} DESC") == found[::-1]  # noqa: S608 - SOQL


def test_order_and_limit(reading: OrgBench) -> None:
    rows = [row for row in reading.rows("Contact") if row["Score__c"] is not None]
    rows.sort(key=lambda r: (-r["Score__c"], r["LastName"].lower(), r["Id"]))
    soql = "SELECT Id FROM Contact ORDER BY Score__c DESC NULLS LAST, LastName ASC LIMIT 25"
    assert reading.column(soql) == [row["Id"] for row in rows[:25]]


def test_deleted_records_only_with_query_all(reading: OrgBench) -> None:
    deleted = [row["Id"] for row in reading.rows("Contact", deleted=True) if row["IsDeleted"]]
    assert deleted
    soql = "SELECT Id, IsDeleted FROM Contact"
    assert not {row[1] for row in reading.query(soql)} - {"false"}
    assert [i for i, gone in reading.query(soql, all_rows=True) if gone == "true"] == deleted
    assert reading.column("SELECT Id FROM Contact WHERE IsDeleted = true") == []
    assert reading.column("SELECT Id FROM Contact WHERE IsDeleted = true", all_rows=True) == deleted


def test_shape(reading: OrgBench) -> None:
    shape = reading.org.check_query(
        "select id, account.owner.name, toLabel(Salutation) greeting from contact"
    )
    assert shape.object_name == "Contact"
    assert shape.columns == ("Id", "Account.Owner.Name", "greeting")
    assert shape.chunkable
    assert not reading.org.check_query("SELECT Id FROM Contact LIMIT 5").chunkable
    assert not reading.org.check_query("SELECT Id FROM Contact ORDER BY Id").chunkable


def test_standard_fields_at_once(reading: OrgBench) -> None:
    columns = reading.org.check_query("SELECT FIELDS(STANDARD) FROM Account USING SCOPE Everything").columns
    assert "AnnualRevenue" in columns
    assert not any(each.endswith("__c") or each == "BillingAddress" for each in columns)
