"""Sample records, made by DuckDB from their number alone: the same in every org.

A statement inserts all records of one object; ``n`` is a record's number, beginning with 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_jobs.sandbox.salesforce.org import sample_words as words

if TYPE_CHECKING:
    import duckdb

COUNTS = {
    "User": 200, "Account": 5_000, "Contact": 200_000, "Opportunity": 20_000, "Case": 15_000,
    "Shipment__c": 10_000, "Lead": 2_000, "Task": 3_000, "AccountShare": 1_000, "Reading__b": 500,
}  # fmt: skip

# One in so many lies in the bin.
_DELETED = {
    "User": 1_000_000,
    "Account": 499,
    "Contact": 997,
    "Opportunity": 499,
    "Case": 499,
    "Shipment__c": 333,
    "Lead": 499,
    "Task": 499,
}

# Numbers of records are referred to, but for those in the bin.
SAMPLE_MACROS = "CREATE OR REPLACE MACRO sf_sample_live(k, deleted) AS k - (k % deleted = 0)::INTEGER;"

# Text longer than what fits into one packet of anything.
_VERY_LONG = "repeat('A long story, told in \"one\" line. ', 800)"

_VARIABLES = {
    "first_names": words.FIRST_NAMES,
    "last_names": words.LAST_NAMES,
    "companies": words.COMPANIES,
    "cities": words.CITIES,
    "countries": words.COUNTRIES,
    "industries": words.INDUSTRIES,
    "titles": words.TITLES,
    "interests": words.INTERESTS,
    "awkward_texts": words.AWKWARD_TEXTS,
}


def _pick(words_name: str, number: str) -> str:
    """Take one of the words."""
    return f"getvariable('{words_name}')[1 + ({number}) % {len(_VARIABLES[words_name])}]"


def _user(number: str) -> str:
    """Refer to a user."""
    return f"sf_id('005', 1 + ({number}) % {COUNTS['User']})"


def _account(number: str) -> str:
    """Refer to an account that is not in the bin."""
    return f"sf_id('001', sf_sample_live(1 + ({number}) % {COUNTS['Account']}, {_DELETED['Account']}))"


def _contact(number: str) -> str:
    """Refer to a contact that is not in the bin."""
    return f"sf_id('003', sf_sample_live(1 + ({number}) % getvariable('contacts'), {_DELETED['Contact']}))"


def _some(condition: str, value: str) -> str:
    """Leave the rest null."""
    return f"CASE WHEN {condition} THEN {value} END"


def _system(name: str, minutes_apart: int) -> dict[str, str]:
    """Created one after the other from 2016 on; some changed later; one in so many is in the bin."""
    created = (
        f"TIMESTAMP '2016-01-04 08:00:00' + to_milliseconds(n * {minutes_apart * 60_000} + (n * 389) % 1000)"
    )
    changed = f"{created} + to_hours(((n * 37) % 400)::INTEGER)"
    return {
        "IsDeleted": f"n % {_DELETED[name]} = 0",
        "CreatedDate": created,
        "CreatedById": _user("n * 3"),
        "LastModifiedDate": changed,
        "LastModifiedById": _user("n * 7"),
        "SystemModstamp": changed,
    }


def _address(prefix: str) -> dict[str, str]:
    street = (
        f"{_pick('last_names', 'n * 3')} || ' St. ' || (n % 300)::VARCHAR || E'\\nFloor ' || (n % 9)::VARCHAR"
    )
    return {
        f"{prefix}Street": _some("n % 4 <> 0", street),
        f"{prefix}City": _pick("cities", "n * 5"),
        f"{prefix}State": "NULL",
        f"{prefix}PostalCode": "lpad(((n * 7919) % 100000)::VARCHAR, 5, '0')",
        f"{prefix}Country": _pick("countries", "n * 11"),
    }


def _long_text(subject: str, very_long_every: int) -> str:
    return (
        f"CASE WHEN n % 20 = 0 THEN {_pick('awkward_texts', 'n // 20')} "
        f"WHEN n % {very_long_every} = 1 THEN {_VERY_LONG} "
        f"WHEN n % 3 = 0 THEN NULL ELSE '{subject} number ' || n::VARCHAR END"
    )


_OWNER = _user("n * 13")
_LEAD = f"sf_id('00Q', sf_sample_live(1 + (n * 7) % {COUNTS['Lead']}, {_DELETED['Lead']}))"
_SHIPMENT = f"sf_id('a01', sf_sample_live(1 + (n * 3) % {COUNTS['Shipment__c']}, {_DELETED['Shipment__c']}))"

_FULL_NAME = 'concat_ws(\' \', "FirstName", "LastName")'

_RECORDS: dict[str, dict[str, str]] = {
    "User": {
        "Id": "sf_id('005', n)",
        "Username": "'user' || n::VARCHAR || '@acme.example'",
        "LastName": _pick("last_names", "n * 7"),
        "FirstName": _some("n % 40 <> 3", _pick("first_names", "n * 5")),
        "Name": _FULL_NAME,
        "Email": "'user' || n::VARCHAR || '@acme.example'",
        "Alias": "'u' || n::VARCHAR",
        "Title": _pick("titles", "n"),
        "IsActive": "n % 10 <> 9",
        "LastLoginDate": _some("n % 10 <> 9", "TIMESTAMP '2025-06-01 00:00:00' + to_hours(n::INTEGER)"),
        "ManagerId": _some("n > 1", "sf_id('005', n // 2)"),
        **_system("User", 60),
    },
    "Account": {
        "Id": "sf_id('001', n)",
        "Name": f"{_pick('companies', 'n')} || ' ' || n::VARCHAR",
        "Type": "['Prospect', 'Customer - Direct', 'Partner', NULL][1 + n % 4]",
        "Industry": _pick("industries", "n * 3"),
        "ParentId": _some(
            "n % 5 = 4 AND n > 5", f"sf_id('001', sf_sample_live(n // 5, {_DELETED['Account']}))"
        ),
        "OwnerId": _OWNER,
        **_address("Billing"),
        "Phone": "'+1 555 ' || lpad((n % 10000)::VARCHAR, 4, '0')",
        "Website": _some("n % 3 <> 0", "'https://company' || n::VARCHAR || '.example'"),
        "AnnualRevenue": _some("n % 6 <> 5", "(n * 7919 * 613) % 900000000"),
        "NumberOfEmployees": _some("n % 7 <> 6", "(n * 37) % 20000"),
        "Description": _long_text("Account", 500),
        "Active__c": "n % 3 <> 1",
        "External_Id__c": "'ACC-' || lpad(n::VARCHAR, 6, '0')",
        **_system("Account", 600),
    },
    "Contact": {
        "Id": "sf_id('003', n)",
        "AccountId": _some("n % 50 <> 7", _account("n * 17")),
        "LastName": _pick("last_names", "n * 7 + n // 40"),
        "FirstName": _some("n % 40 <> 3", _pick("first_names", "n * 5 + n // 32")),
        "Name": _FULL_NAME,
        "Salutation": "['Ms.', 'Mr.', 'Dr.', NULL][1 + n % 4]",
        **_address("Mailing"),
        "Phone": _some("n % 3 <> 1", "'+49 30 ' || lpad((n * 31 % 1000000)::VARCHAR, 6, '0')"),
        "Email": _some("n % 9 <> 8", "'contact' || n::VARCHAR || '@example.com'"),
        "Title": _some("n % 3 <> 2", _pick("titles", "n")),
        "Department": "['Sales', 'R&D', 'Finance, Tax', NULL][1 + n // 3 % 4]",
        "Birthdate": _some("n % 4 <> 1", "DATE '1940-01-01' + ((n * 97) % 24000)::INTEGER"),
        "Description": _long_text("Contact", 5_000),
        "HasOptedOutOfEmail": "n % 8 = 5",
        "ReportsToId": _some(
            "n % 10 = 3 AND n > 10", f"sf_id('003', sf_sample_live(n // 10, {_DELETED['Contact']}))"
        ),
        "OwnerId": _OWNER,
        "Score__c": _some("n % 11 <> 10", "((n * 7919) % 99999999 - 20000000) / 100.0"),
        "Interests__c": (
            f"CASE WHEN n % 3 = 0 THEN NULL WHEN n % 3 = 1 THEN {_pick('interests', 'n')} "
            f"ELSE {_pick('interests', 'n')} || ';' || {_pick('interests', 'n + 2')} END"
        ),
        "External_Id__c": "'CON-' || lpad(n::VARCHAR, 7, '0')",
        **_system("Contact", 25),
    },
    "Opportunity": {
        "Id": "sf_id('006', n)",
        "AccountId": _some("n % 30 <> 8", _account("n * 3")),
        "Name": f"{_pick('companies', 'n * 3')} || ' \u2013 deal ' || n::VARCHAR",
        "StageName": (
            "['Prospecting', 'Qualification', 'Negotiation/Review', 'Closed Won', 'Closed Lost'][1 + n % 5]"
        ),
        "Amount": _some("n % 13 <> 0", "((n * 7919 * 31) % 2500000000) / 100.0"),
        "Probability": "[10, 25, 60, 100, 0][1 + n % 5]",
        "CloseDate": "DATE '2018-01-01' + ((n * 7) % 3650)::INTEGER",
        "IsClosed": "n % 5 >= 3",
        "IsWon": "n % 5 = 3",
        "NextStep": _some("n % 5 < 3", "'Call back, \"soon\"'"),
        "Description": _long_text("Opportunity", 1_000),
        "OwnerId": _OWNER,
        "External_Id__c": "'OPP-' || lpad(n::VARCHAR, 6, '0')",
        **_system("Opportunity", 240),
    },
    "Case": {
        "Id": "sf_id('500', n)",
        "CaseNumber": "lpad((n + 1000)::VARCHAR, 8, '0')",
        "ContactId": _some("n % 12 <> 5", _contact("n * 13")),
        "AccountId": _some("n % 12 <> 5", _account("n * 13 * 17")),
        "Status": "['New', 'Working', 'Escalated', 'Closed'][1 + n % 4]",
        "Priority": "['Low', 'Medium', 'High'][1 + n % 3]",
        "Origin": "['Phone', 'Email', 'Web', NULL][1 + n // 4 % 4]",
        "Subject": f"'Question about ' || {_pick('titles', 'n')}",
        "Description": _long_text("Case", 700),
        "IsClosed": "n % 4 = 3",
        "ClosedDate": _some(
            "n % 4 = 3", "TIMESTAMP '2016-03-01 10:00:00.5' + to_minutes((n * 300)::INTEGER)"
        ),
        "OwnerId": _OWNER,
        **_system("Case", 300),
    },
    "Shipment__c": {
        "Id": "sf_id('a01', n)",
        "Name": "'S-' || lpad(n::VARCHAR, 6, '0')",
        "OwnerId": _OWNER,
        "Account__c": _some("n % 9 <> 4", _account("n * 7")),
        "Contact__c": _some("n % 9 <> 5", _contact("n * 19")),
        "External_Id__c": _some("n % 100 <> 99", "'EXT-' || lpad(n::VARCHAR, 6, '0')"),
        "Status__c": "['Planned', 'In Transit', 'Delivered', 'Lost'][1 + n % 4]",
        "Value__c": "((n * 7919 * 17) % 99999999999) / 100.0",
        "Weight__c": _some("n % 17 <> 16", "((n * 7919) % 50000000) / 1000.0"),
        "Discount__c": "[NULL, 0, 2.5, 10][1 + n % 4]",
        "Pieces__c": "1 + n % 40",
        "Shipped_On__c": _some("n % 4 > 0", "DATE '2020-02-29' + (n % 2000)::INTEGER"),
        "Delivered_At__c": _some(
            "n % 4 = 2", "TIMESTAMP '2020-03-01 12:30:15.123' + to_hours((n * 5)::INTEGER)"
        ),
        "Express__c": "n % 6 = 1",
        "Handling__c": "[NULL, 'Fragile', 'Fragile;Insured', 'Refrigerated;Hazardous;Oversized'][1 + n % 4]",
        "Notes__c": _long_text("Shipment", 400),
        "Position__Latitude__s": _some("n % 5 <> 0", "((n * 7919) % 180000000) / 1000000.0 - 90"),
        "Position__Longitude__s": _some("n % 5 <> 0", "((n * 104729) % 360000000) / 1000000.0 - 180"),
        "Pickup_Time__c": _some("n % 7 <> 0", "TIME '06:30:00' + to_milliseconds((n * 7919) % 40000000)"),
        "Tracking_Number__c": "16147805824397 + n * 7919",
        **_system("Shipment__c", 420),
    },
    "Lead": {
        "Id": "sf_id('00Q', n)",
        "LastName": _pick("last_names", "n * 11"),
        "FirstName": _some("n % 30 <> 3", _pick("first_names", "n * 3")),
        "Name": _FULL_NAME,
        "Salutation": "['Ms.', 'Mr.', NULL][1 + n % 3]",
        "Company": f"{_pick('companies', 'n * 5')} || ' ' || n::VARCHAR",
        "Title": _pick("titles", "n * 3"),
        "Email": _some("n % 9 <> 8", "'lead' || n::VARCHAR || '@example.com'"),
        "Phone": "'+81 3 ' || lpad((n * 37 % 1000000)::VARCHAR, 6, '0')",
        **_address(""),
        "Status": "['Open - Not Contacted', 'Working - Contacted', 'Closed - Not Converted'][1 + n % 3]",
        "Industry": _pick("industries", "n"),
        "AnnualRevenue": _some("n % 4 <> 1", "n * 80000000 / 4"),
        "NumberOfEmployees": _some("n % 5 <> 4", "(n * 13) % 500 * (n % 3)"),
        "IsConverted": "false",
        "OwnerId": _OWNER,
        "External_Id__c": "'LEAD-' || lpad(n::VARCHAR, 6, '0')",
        **_system("Lead", 1_500),
    },
    "Task": {
        "Id": "sf_id('00T', n)",
        "WhoId": f"CASE n % 3 WHEN 0 THEN {_contact('n * 7')} WHEN 1 THEN {_LEAD} END",
        "WhatId": f"CASE n % 4 WHEN 0 THEN {_account('n * 5')} WHEN 1 THEN {_SHIPMENT} END",
        "Subject": "['Call', 'Email', 'Send \"quote\"', 'Other'][1 + n % 4]",
        "ActivityDate": _some("n % 6 <> 5", "DATE '2019-01-01' + (n % 2500)::INTEGER"),
        "Status": "['Not Started', 'In Progress', 'Completed'][1 + n % 3]",
        "Priority": "['High', 'Normal', 'Low'][1 + n % 3]",
        "Description": _long_text("Task", 900),
        "CallDurationInSeconds": _some("n % 4 = 0", "(n * 17) % 3600"),
        "IsClosed": "n % 3 = 2",
        "IsArchived": "n % 10 = 5",
        "OwnerId": _OWNER,
        **_system("Task", 900),
    },
    "AccountShare": {
        "Id": "sf_id('00r', n)",
        "AccountId": _account("n * 3"),
        "UserOrGroupId": _user("n * 11"),
        "AccountAccessLevel": "['Read', 'Edit'][1 + n % 2]",
        "RowCause": "'Manual'",
        "LastModifiedDate": "TIMESTAMP '2021-01-04 08:00:00' + to_hours(n::INTEGER)",
        "LastModifiedById": _user("n"),
        "IsDeleted": "false",
    },
    "Reading__b": {
        "Id": "sf_id('x01', n)",
        "Sensor__c": "'S-' || (n % 7)::VARCHAR",
        "Taken_At__c": "TIMESTAMP '2022-05-01 00:00:00' + to_minutes((n // 7 * 10)::INTEGER)",
        "Celsius__c": "((n * 7919) % 4000) / 100.0",
    },
}


def insert_sample(cursor: duckdb.DuckDBPyConnection, name: str, count: int, contacts: int) -> None:
    """Insert the sample records of an object into its empty table."""
    for variable, values in _VARIABLES.items():
        cursor.execute(f"SET VARIABLE {variable} = ?::VARCHAR[]", [list(values)])
    cursor.execute("SET VARIABLE contacts = ?", [max(contacts, 1)])
    columns = ", ".join(f'{value} AS "{column}"' for column, value in _RECORDS[name].items())
    cursor.execute(
        f'INSERT INTO "{name}" BY NAME SELECT {columns} FROM range(1, ? + 1) AS numbers(n)',  # noqa: S608 - our names
        [count],
    )
