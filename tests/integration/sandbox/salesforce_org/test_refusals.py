"""Queries that Salesforce refuses are refused in its words, and none of them reaches DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.sandbox.salesforce.org import SalesforceRefusal

if TYPE_CHECKING:
    from tests.integration.sandbox.salesforce_org.org_bench import OrgBench

CUSTOM_FIELD = (
    "If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. "
    "Please reference your WSDL or the describe call for the appropriate names."
)


def refused(reading: OrgBench, soql: str) -> tuple[str, str]:
    with pytest.raises(SalesforceRefusal) as caught:
        reading.org.check_query(soql)
    with pytest.raises(SalesforceRefusal):
        reading.bytes_of(soql)
    return caught.value.code, caught.value.message


def test_unknown_field_to_the_letter(reading: OrgBench) -> None:
    code, message = refused(reading, "Select Id, Status, Location, Body from Case")
    assert code == "INVALID_FIELD"
    assert message == (
        "\nSelect Id, Status, Location, Body from Case\n"
        "                   ^\n"
        "ERROR at Row:1:Column:20\n"
        f"No such column 'Location' on entity 'Case'. {CUSTOM_FIELD}"
    )


def test_unknown_object_to_the_letter(reading: OrgBench) -> None:
    assert refused(reading, "SELECT Id FROM Invoice__c") == (
        "INVALID_TYPE",
        (
            "\nSELECT Id FROM Invoice__c\n               ^\nERROR at Row:1:Column:16\n"
            "sObject type 'Invoice__c' is not supported. If you are attempting to use a custom object, be "
            "sure to append the '__c' after the entity name. Please reference your WSDL or the describe call "
            "for the appropriate names."
        ),
    )


def test_places_in_long_queries_with_lines(reading: OrgBench) -> None:
    accounts = [each.name for each in reading.org.fields("Account") if not each.compound]
    names = ", ".join(f"Account.{each}" for each in accounts)
    code, message = refused(reading, f"SELECT Id,\n{names}, Nope__c\nFROM Contact")
    assert code == "INVALID_FIELD"
    shown, caret, place = message.split("\n")[1:4]
    assert shown[caret.index("^") :].startswith("Nope__c")
    assert len(shown) < 100
    assert place == f"ERROR at Row:2:Column:{len(names) + 3}"


@pytest.mark.parametrize(
    ("soql", "code", "message"),
    [
        # what Bulk API 2.0 does not support
        ("SELECT COUNT() FROM Contact", "API_ERROR", "Aggregate"),
        ("SELECT COUNT(Id) n FROM Contact", "API_ERROR", "Aggregate"),
        ("SELECT MAX(Score__c) FROM Contact", "API_ERROR", "Aggregate"),
        ("SELECT LastName FROM Contact GROUP BY LastName", "API_ERROR", "Aggregate"),
        ("SELECT Id FROM Contact LIMIT 5 OFFSET 10", "API_ERROR", "OFFSET"),
        ("SELECT TYPEOF Owner WHEN User THEN Id END FROM Contact", "API_ERROR", "TYPEOF"),
        (
            "SELECT Id, (SELECT Id FROM Contacts) FROM Account",
            "API_ERROR",
            "Aggregate Relationships not supported in Bulk V2 Query with CSV content type",
        ),
        (
            "SELECT Id, MailingAddress FROM Contact",
            "API_ERROR",
            "Selecting compound data not supported in Bulk Query",
        ),
        ("SELECT Id, Account.BillingAddress FROM Contact", "API_ERROR", "compound data"),
        ("SELECT Position__c FROM Shipment__c", "API_ERROR", "compound data"),
        ("SELECT FIELDS(ALL) FROM Contact LIMIT 200", "MALFORMED_QUERY", "unbounded set of fields"),
        ("SELECT FIELDS(CUSTOM) FROM Contact LIMIT 200", "MALFORMED_QUERY", "unbounded set of fields"),
        ("SELECT Id FROM Contact FOR VIEW", "MALFORMED_QUERY", "FOR VIEW not allowed in this context"),
        ("SELECT Id FROM Contact ALL ROWS", "MALFORMED_QUERY", "ALL ROWS not allowed in this context"),
        # grammar
        ("", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT FROM Contact", "MALFORMED_QUERY", "unexpected token: 'FROM'"),
        ("SELECT * FROM Contact", "MALFORMED_QUERY", "no viable alternative at character '*'"),
        ("SELECT Id; FROM Contact", "MALFORMED_QUERY", "no viable alternative at character ';'"),
        ("DELETE FROM Contact", "MALFORMED_QUERY", "unexpected token: 'DELETE'"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Contact WHERE Name", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Contact WHERE Name IS NULL", "MALFORMED_QUERY", "unexpected token: 'IS'"),
        ("SELECT Id FROM Contact WHERE Name NOT LIKE 'a'", "MALFORMED_QUERY", "unexpected token: 'NOT'"),
        ("SELECT Id FROM Contact WHERE Name = :name", "MALFORMED_QUERY", "unexpected token: ':'"),
        ("SELECT Id FROM Contact WHERE Name = 'O'Brien'", "MALFORMED_QUERY", "mismatched character '<EOF>'"),
        ("SELECT Id FROM Contact WHERE Name = 'a\\qb'", "MALFORMED_QUERY", "no viable alternative"),
        ("SELECT Id FROM Contact LIMIT x", "MALFORMED_QUERY", "unexpected token: 'x'"),
        ("SELECT Id FROM Contact LIMIT 1.5", "MALFORMED_QUERY", "unexpected token: '1.5'"),
        ("SELECT Id FROM Contact LIMIT 5 LIMIT 6", "MALFORMED_QUERY", "unexpected token: 'LIMIT'"),
        ("SELECT Id x FROM Contact", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
        ("SELECT Id, id FROM Contact", "INVALID_FIELD", "duplicate field selected: Id"),
        (
            "SELECT Id FROM Contact WHERE Name = 'a' AND Title = 'b' OR Title = 'c'",
            "MALFORMED_QUERY",
            "unexpected token: 'OR'",
        ),
        ("SELECT Id FROM Contact WHERE Title = 'b' AND NOT Title = 'c'", "MALFORMED_QUERY", "token: 'NOT'"),
        (f"SELECT Id FROM Contact WHERE {'(' * 300}Name = 'a'{')' * 300}", "MALFORMED_QUERY", "complicated"),  # noqa: S608 - SOQL
        (
            "SELECT Id FROM Contact WHERE Name = '" + "a" * 100_000 + "'",
            "MALFORMED_QUERY",
            "100000 characters",
        ),
        # names
        ("SELECT Accont.Name FROM Contact", "INVALID_FIELD", "Didn't understand relationship 'Accont'"),
        ("SELECT Account__c.Name FROM Shipment__c", "INVALID_FIELD", "append the '__r'"),
        ("SELECT Account.Nope FROM Contact", "INVALID_FIELD", "No such column 'Nope' on entity 'Account'"),
        ("SELECT Id FROM Contact ORDER BY Nope", "INVALID_FIELD", "No such column 'Nope'"),
        (
            "SELECT Owner.Manager.Manager.Manager.Manager.Manager.Name FROM Contact",
            "MALFORMED_QUERY",
            "more than 5 levels",
        ),
        # filters
        ("SELECT Id FROM Contact WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: x"),
        ("SELECT Id FROM Contact WHERE Id LIKE '003%'", "INVALID_QUERY_FILTER_OPERATOR", "on id field"),
        (
            "SELECT Id FROM Contact WHERE Description = 'x'",
            "INVALID_FIELD",
            "field 'Description' can not be filtered in a query call",
        ),
        (
            "SELECT Id FROM Contact ORDER BY Description",
            "MALFORMED_QUERY",
            "field 'Description' can not be sorted in a query call",
        ),
        ("SELECT Id FROM Contact ORDER BY Interests__c", "MALFORMED_QUERY", "can not be sorted"),
        (
            "SELECT Id FROM Contact WHERE CreatedDate > '2020-01-01'",
            "INVALID_FIELD",
            (
                "value of filter criterion for field 'CreatedDate' must be of type dateTime and should not "
                "be enclosed in quotes"
            ),
        ),
        ("SELECT Id FROM Contact WHERE CreatedDate > 2020-01-01", "INVALID_FIELD", "of type dateTime"),
        ("SELECT Id FROM Contact WHERE Birthdate = 2020-01-01T00:00:00Z", "INVALID_FIELD", "of type date "),
        ("SELECT Id FROM Contact WHERE Birthdate = 2020-02-30", "MALFORMED_QUERY", "2020-02-30"),
        ("SELECT Id FROM Contact WHERE Birthdate > NEXT_N_YEARS:99999999", "MALFORMED_QUERY", "Invalid date"),
        ("SELECT Id FROM Contact WHERE LastName = 5", "INVALID_FIELD", "should be enclosed in quotes"),
        ("SELECT Id FROM Contact WHERE LastName = TODAY", "INVALID_FIELD", "should be enclosed in quotes"),
        ("SELECT Id FROM Contact WHERE Score__c = '5'", "INVALID_FIELD", "should not be enclosed in quotes"),
        ("SELECT Id FROM Contact WHERE Score__c = 1e999", "MALFORMED_QUERY", "Invalid number"),
        ("SELECT Id FROM Contact WHERE IsDeleted = 'true'", "INVALID_FIELD", "must be of type boolean"),
        ("SELECT Id FROM Contact WHERE IsDeleted > true", "INVALID_QUERY_FILTER_OPERATOR", "boolean"),
        (
            "SELECT Id FROM Contact WHERE Title INCLUDES ('a')",
            "INVALID_QUERY_FILTER_OPERATOR",
            "multipicklist",
        ),
        ("SELECT Id FROM Contact WHERE NOPE(Birthdate) = 3", "MALFORMED_QUERY", "NOPE"),
        # semi-joins
        (
            "SELECT Id FROM Account WHERE Name IN (SELECT AccountId FROM Contact)",
            "MALFORMED_QUERY",
            "The left operand field in the where expression for outer query should be an id field",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT OwnerId FROM Contact)",
            "MALFORMED_QUERY",
            "should point to the same object type",
        ),
        (
            "SELECT Id FROM Account WHERE Id IN (SELECT ParentId FROM Account)",
            "MALFORMED_QUERY",
            "The inner and outer selects should not be on the same object type",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'a' OR Id IN (SELECT AccountId FROM Contact)",
            "MALFORMED_QUERY",
            "Semi join sub-selects are not allowed with the 'OR' operator",
        ),
        (
            (
                "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Id IN "
                "(SELECT ContactId FROM Case))"
            ),
            "MALFORMED_QUERY",
            "Nesting of semi join",
        ),
        (
            (
                "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact) AND Id IN "
                "(SELECT AccountId FROM Opportunity) AND Id IN (SELECT AccountId FROM Case)"
            ),
            "MALFORMED_QUERY",
            "Maximum 2 semi join",
        ),
        ("SELECT Id FROM Account WHERE Id IN (SELECT Nope FROM Contact)", "INVALID_FIELD", "'Nope'"),
        # what Salesforce takes, and the sandbox does not have
        ("SELECT FORMAT(Score__c) FROM Contact", "MALFORMED_QUERY", "the sandbox has no function FORMAT"),
        ("SELECT convertCurrency(Amount) FROM Opportunity", "MALFORMED_QUERY", "has no function convertCurr"),
        (
            "SELECT Id FROM Case WHERE CALENDAR_YEAR(convertTimezone(CreatedDate)) = 2024",
            "MALFORMED_QUERY",
            "the sandbox has no function convertTimezone",
        ),
        (
            "SELECT Id FROM Shipment__c WHERE DISTANCE(Position__c, GEOLOCATION(1,2), 'mi') < 20",
            "MALFORMED_QUERY",
            "the sandbox has no function DISTANCE",
        ),
        (
            "SELECT Id FROM Contact WITH SECURITY_ENFORCED",
            "MALFORMED_QUERY",
            "the sandbox has no WITH clause",
        ),
        ("SELECT Id FROM Contact USING SCOPE mine", "MALFORMED_QUERY", "the sandbox has no scope mine"),
        ("SELECT c.Id FROM Contact c, c.Account a", "MALFORMED_QUERY", "has no aliases of relationships"),
        # times
        ("SELECT Id FROM Shipment__c WHERE Pickup_Time__c = 25:00:00Z", "MALFORMED_QUERY", "Invalid time"),
        ("SELECT Id FROM Shipment__c WHERE Pickup_Time__c = '10:00:00Z'", "INVALID_FIELD", "of type time"),
        ("SELECT Id FROM Contact WHERE CreatedDate > 10:00:00Z", "INVALID_FIELD", "of type dateTime"),
    ],
)
def test_refusals(reading: OrgBench, soql: str, code: str, message: str) -> None:
    found, said = refused(reading, soql)
    assert found == code
    assert message in said


INJECTIONS = [
    'x\'; DROP TABLE "User"; --',
    "' OR '1'='1",
    "'' OR 1=1 --",
    '"); DELETE FROM "Contact"; --',
    "$1",
    "?",
    "x\\' OR true --",
    "getvariable('first_names')",
    "%' ESCAPE '!' OR '1' LIKE '1",
]


@pytest.mark.parametrize("attempt", INJECTIONS)
def test_values_stay_values(reading: OrgBench, attempt: str) -> None:
    before = len(reading.rows("User"))
    escaped = attempt.replace("\\", "\\\\").replace("'", "\\'")
    for where in (f"LastName = '{escaped}'", f"LastName LIKE '{escaped}'", f"LastName IN ('{escaped}')"):
        assert reading.query(f"SELECT Id FROM User WHERE {where}") == []  # noqa: S608 - SOQL
    assert reading.query(f"SELECT Id FROM Contact WHERE Interests__c INCLUDES ('{escaped}')") == []  # noqa: S608 - SOQL
    assert len(reading.rows("User")) == before


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT Id FROM User; DROP TABLE User",
        'SELECT "Id" FROM User',
        "SELECT Id FROM User WHERE Id IN (SELECT 1)",
        "SELECT Id FROM counters",
        "SELECT Id FROM staged",
        "SELECT rowid FROM User",
        "SELECT Id FROM duckdb_tables",
        "SELECT Id FROM read_csv('/etc/passwd')",
        "SELECT read_text(Id) FROM User",
        "SELECT Id FROM User UNION SELECT Id FROM Contact",
        "SELECT Id FROM User -- comment",
        "SELECT Id FROM User /* comment */",
        "SELECT Id FROM User WHERE Id = '' OR 1=1",
        "SELECT Id FROM User ORDER BY 1",
        "SELECT Id FROM User LIMIT (SELECT 1)",
        "SELECT toLabel(Id) FROM User",
        "SELECT getvariable(LastName) FROM User",
        "SELECT t.Id FROM User",
        "SELECT t_1.Id, Manager.Name FROM User",
    ],
)
def test_sql_is_no_soql(reading: OrgBench, soql: str) -> None:
    code, _ = refused(reading, soql)
    assert code in ("MALFORMED_QUERY", "INVALID_TYPE", "INVALID_FIELD")


CODES = {
    "answered",
    "API_ERROR",
    "INVALID_FIELD",
    "INVALID_QUERY_FILTER_OPERATOR",
    "INVALID_TYPE",
    "MALFORMED_QUERY",
}

words = st.sampled_from(
    ["SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "IN", "LIKE", "LIMIT", "ORDER", "BY", "(", ")", ",", "=",
     "!=", "<", "'a'", "'a\\''", "5", "null", "TODAY", "LAST_N_DAYS:", ":", "7", "2020-01-01", "Id", "Name",
     "Contact", "Account", "Account.Name", "User", "Birthdate", "Score__c", "NULLS", "LAST", "DESC", "FOR",
     "VIEW"]
)  # fmt: skip


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(words, max_size=14).map(" ".join) | st.text(max_size=40))
def test_anything_is_answered_or_refused(reading: OrgBench, soql: str) -> None:
    """No text makes DuckDB or Python complain."""
    for query in (soql, f"SELECT Id FROM User WHERE {soql}"):  # noqa: S608 - SOQL
        assert answer(reading, query) in CODES


def answer(reading: OrgBench, soql: str) -> str:
    try:
        reading.query(soql)
    except SalesforceRefusal as refusal:
        return refusal.code
    return "answered"
