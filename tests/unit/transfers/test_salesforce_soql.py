"""A query says what it reads, or by name what cannot be copied; a condition stays one condition."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.transfers.salesforce_soql import check_where, read_query, records_query


@pytest.mark.parametrize(
    ("soql", "object_name", "paths"),
    [
        ("SELECT Id FROM Account", "Account", ("Id",)),
        ("select Id , Owner.Name\nfrom Account where Id != null;", "Account", ("Id", "Owner.Name")),
        ("SELECT Id FROM My__c WHERE Name = 'x) FROM \\' y' ORDER BY Id LIMIT 3", "My__c", ("Id",)),
        ("SELECT Id FROM A WHERE Id IN (SELECT AId FROM B)", "A", ("Id",)),
        ("SELECT Id FROM A WHERE(Name = 'x')", "A", ("Id",)),
        ("SELECT Id, FromDate__c FROM A USING SCOPE mine", "A", ("Id", "FromDate__c")),
    ],
)
def test_queries_that_can_be_copied(soql: str, object_name: str, paths: tuple[str, ...]) -> None:
    query = read_query(soql)
    assert (query.object_name, query.paths) == (object_name, paths)


@pytest.mark.parametrize(
    ("soql", "said"),
    [
        ("", "soql is empty"),
        ("DELETE FROM Account", "is not a query"),
        ("SELECT Id", "is not a query"),
        ("SELECT COUNT() FROM A", "the function COUNT"),
        ("SELECT Id, toLabel(Status) FROM A", "the function toLabel"),
        ("SELECT FIELDS(ALL) FROM A", "the function FIELDS"),
        ("SELECT Id, Name n FROM A", "an alias"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM A", "a query of child records"),
        ("SELECT Id, TYPEOF What WHEN B THEN Name END FROM A", "TYPEOF"),
        ("SELECT Id FROM A GROUP BY Id", "GROUP BY"),
        ("SELECT Id FROM A OFFSET 5", "OFFSET"),
        ("SELECT Id FROM A ALL ROWS", "ALL ROWS"),
        ("SELECT Id FROM A a", "after the object A"),
        ("SELECT Id FROM A, A.Bs b", "not the name of one object"),
        ("SELECT Id, FROM A", "not a field"),
        ("SELECT Id FROM A WHERE Name = 'x", "a quote that does not end"),
    ],
)
def test_others_are_refused_by_name(soql: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_query(soql)
    assert said in str(caught.value)


@pytest.mark.parametrize("where", ["A = 1", "(A = 1) OR B = ')'", "Name = 'ORDER BY \\' LIMIT 1'"])
def test_conditions(where: str) -> None:
    assert check_where(f" {where} ") == where


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("A = 1) OR (B = 2", "brackets that do not match"),
        ("(A = 1", "brackets that do not match"),
        ("WHERE A = 1", "begins with WHERE"),
        ("A = 1 ORDER BY A", "ORDER BY"),
        ("A = 1 limit 5", "LIMIT"),
        ("A = 'x", "a quote that does not end"),
        ("'\\'", "a quote that does not end"),
        (5, "where is a int"),
    ],
)
def test_what_is_not_one_condition_is_refused(where: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_where(where)
    assert said in str(caught.value)


@given(where=st.text("ab=()' \\", max_size=12))
def test_a_condition_never_leaves_its_brackets(where: str) -> None:
    """Read character by character, the bracket around it is the last to close."""
    try:
        condition = check_where(where)
    except ConfigurationError:
        return
    depth, quoted, skip = 1, False, False
    for character in condition or "":
        if skip:
            skip = False
        elif quoted:
            skip, quoted = character == "\\", character != "'"
        else:
            quoted = character == "'"
            depth += {"(": 1, ")": -1}.get(character, 0)
        assert depth > 0
    assert (depth, quoted) == (1, False)


def test_names_are_checked_before_they_become_soql() -> None:
    assert records_query("A", ["Id", "B.C"]) == "SELECT Id, B.C FROM A"
    for names in (("A B", ["Id"]), ("A", ["Id FROM B"]), ("A", ["count()"])):
        with pytest.raises(ConfigurationError):
            records_query(*names)
