-- Sample records, made from their number alone: the same in every org. A statement inserts all records of one
-- object; n is a record's number, beginning with 1. Variables with lists of words, and the macros sf_id and
-- the like, are there already.

-- One of the words.
CREATE OR REPLACE MACRO sf_word(words, k) AS words[1 + k % len(words)];

-- Numbers of records are referred to, but for those in the bin: one in so many.
CREATE OR REPLACE MACRO sf_sample_live(k, deleted) AS k - (k % deleted = 0)::INTEGER;
CREATE OR REPLACE MACRO sf_user(k) AS sf_id('005', 1 + k % 200);
CREATE OR REPLACE MACRO sf_account(k) AS sf_id('001', sf_sample_live(1 + k % 5000, 499));
CREATE OR REPLACE MACRO sf_contact(k) AS sf_id('003', sf_sample_live(1 + k % getvariable('contacts'), 997));
CREATE OR REPLACE MACRO sf_lead(k) AS sf_id('00Q', sf_sample_live(1 + k % 2000, 499));
CREATE OR REPLACE MACRO sf_shipment(k) AS sf_id('a01', sf_sample_live(1 + k % 10000, 333));

-- Created one after the other from 2016 on; some changed later; one in so many is in the bin.
CREATE OR REPLACE MACRO sf_created(n, minutes) AS
    TIMESTAMP '2016-01-04 08:00:00' + to_milliseconds(n * minutes * 60000 + (n * 389) % 1000);
CREATE OR REPLACE MACRO sf_changed(n, minutes) AS sf_created(n, minutes) + to_hours(((n * 37) % 400)::INTEGER);
CREATE OR REPLACE MACRO sf_system(n, minutes, deleted) AS {
    'IsDeleted': n % deleted = 0,
    'CreatedDate': sf_created(n, minutes), 'CreatedById': sf_user(n * 3),
    'LastModifiedDate': sf_changed(n, minutes), 'LastModifiedById': sf_user(n * 7),
    'SystemModstamp': sf_changed(n, minutes)};

CREATE OR REPLACE MACRO sf_street(n) AS CASE WHEN n % 4 <> 0 THEN
    sf_word(getvariable('last_names'), n * 3) || ' St. ' || (n % 300)::VARCHAR || E'\nFloor ' || (n % 9)::VARCHAR END;
CREATE OR REPLACE MACRO sf_city(n) AS sf_word(getvariable('cities'), n * 5);
CREATE OR REPLACE MACRO sf_postal_code(n) AS lpad(((n * 7919) % 100000)::VARCHAR, 5, '0');
CREATE OR REPLACE MACRO sf_country(n) AS sf_word(getvariable('countries'), n * 11);

-- Awkward ones, and some longer than what fits into one packet of anything.
CREATE OR REPLACE MACRO sf_long_text(subject, n, very_long_every) AS CASE
    WHEN n % 20 = 0 THEN sf_word(getvariable('awkward_texts'), n // 20)
    WHEN n % very_long_every = 1 THEN repeat('A long story, told in "one" line. ', 800)
    WHEN n % 3 <> 0 THEN subject || ' number ' || n::VARCHAR END;

INSERT INTO "User" BY NAME SELECT
    sf_id('005', n) AS "Id",
    'user' || n::VARCHAR || '@acme.example' AS "Username",
    sf_word(getvariable('last_names'), n * 7) AS "LastName",
    CASE WHEN n % 40 <> 3 THEN sf_word(getvariable('first_names'), n * 5) END AS "FirstName",
    concat_ws(' ', "FirstName", "LastName") AS "Name",
    'user' || n::VARCHAR || '@acme.example' AS "Email",
    'u' || n::VARCHAR AS "Alias",
    sf_word(getvariable('titles'), n) AS "Title",
    n % 10 <> 9 AS "IsActive",
    CASE WHEN n % 10 <> 9 THEN TIMESTAMP '2025-06-01 00:00:00' + to_hours(n::INTEGER) END AS "LastLoginDate",
    CASE WHEN n > 1 THEN sf_id('005', n // 2) END AS "ManagerId",
    unnest(sf_system(n, 60, 1000000))
FROM range(1, $count + 1) AS numbers(n);

INSERT INTO "Account" BY NAME SELECT
    sf_id('001', n) AS "Id",
    sf_word(getvariable('companies'), n) || ' ' || n::VARCHAR AS "Name",
    ['Prospect', 'Customer - Direct', 'Partner', NULL][1 + n % 4] AS "Type",
    sf_word(getvariable('industries'), n * 3) AS "Industry",
    CASE WHEN n % 5 = 4 AND n > 5 THEN sf_id('001', sf_sample_live(n // 5, 499)) END AS "ParentId",
    sf_user(n * 13) AS "OwnerId",
    sf_street(n) AS "BillingStreet", sf_city(n) AS "BillingCity",
    sf_postal_code(n) AS "BillingPostalCode", sf_country(n) AS "BillingCountry",
    '+1 555 ' || lpad((n % 10000)::VARCHAR, 4, '0') AS "Phone",
    CASE WHEN n % 3 <> 0 THEN 'https://company' || n::VARCHAR || '.example' END AS "Website",
    CASE WHEN n % 6 <> 5 THEN (n * 7919 * 613) % 900000000 END AS "AnnualRevenue",
    CASE WHEN n % 7 <> 6 THEN (n * 37) % 20000 END AS "NumberOfEmployees",
    sf_long_text('Account', n, 500) AS "Description",
    n % 3 <> 1 AS "Active__c",
    'ACC-' || lpad(n::VARCHAR, 6, '0') AS "External_Id__c",
    unnest(sf_system(n, 600, 499))
FROM range(1, $count + 1) AS numbers(n);

INSERT INTO "Contact" BY NAME SELECT
    sf_id('003', n) AS "Id",
    CASE WHEN n % 50 <> 7 THEN sf_account(n * 17) END AS "AccountId",
    sf_word(getvariable('last_names'), n * 7 + n // 40) AS "LastName",
    CASE WHEN n % 40 <> 3 THEN sf_word(getvariable('first_names'), n * 5 + n // 32) END AS "FirstName",
    concat_ws(' ', "FirstName", "LastName") AS "Name",
    ['Ms.', 'Mr.', 'Dr.', NULL][1 + n % 4] AS "Salutation",
    sf_street(n) AS "MailingStreet", sf_city(n) AS "MailingCity",
    sf_postal_code(n) AS "MailingPostalCode", sf_country(n) AS "MailingCountry",
    CASE WHEN n % 3 <> 1 THEN '+49 30 ' || lpad((n * 31 % 1000000)::VARCHAR, 6, '0') END AS "Phone",
    CASE WHEN n % 9 <> 8 THEN 'contact' || n::VARCHAR || '@example.com' END AS "Email",
    CASE WHEN n % 3 <> 2 THEN sf_word(getvariable('titles'), n) END AS "Title",
    ['Sales', 'R&D', 'Finance, Tax', NULL][1 + n // 3 % 4] AS "Department",
    CASE WHEN n % 4 <> 1 THEN DATE '1940-01-01' + ((n * 97) % 24000)::INTEGER END AS "Birthdate",
    sf_long_text('Contact', n, 5000) AS "Description",
    n % 8 = 5 AS "HasOptedOutOfEmail",
    CASE WHEN n % 10 = 3 AND n > 10 THEN sf_id('003', sf_sample_live(n // 10, 997)) END AS "ReportsToId",
    sf_user(n * 13) AS "OwnerId",
    CASE WHEN n % 11 <> 10 THEN ((n * 7919) % 99999999 - 20000000) / 100.0 END AS "Score__c",
    CASE n % 3
        WHEN 1 THEN sf_word(getvariable('interests'), n)
        WHEN 2 THEN sf_word(getvariable('interests'), n) || ';' || sf_word(getvariable('interests'), n + 2)
    END AS "Interests__c",
    'CON-' || lpad(n::VARCHAR, 7, '0') AS "External_Id__c",
    unnest(sf_system(n, 25, 997))
FROM range(1, $count + 1) AS numbers(n);

INSERT INTO "Opportunity" BY NAME SELECT
    sf_id('006', n) AS "Id",
    CASE WHEN n % 30 <> 8 THEN sf_account(n * 3) END AS "AccountId",
    sf_word(getvariable('companies'), n * 3) || ' – deal ' || n::VARCHAR AS "Name",
    ['Prospecting', 'Qualification', 'Negotiation/Review', 'Closed Won', 'Closed Lost'][1 + n % 5] AS "StageName",
    CASE WHEN n % 13 <> 0 THEN ((n * 7919 * 31) % 2500000000) / 100.0 END AS "Amount",
    [10, 25, 60, 100, 0][1 + n % 5] AS "Probability",
    DATE '2018-01-01' + ((n * 7) % 3650)::INTEGER AS "CloseDate",
    n % 5 >= 3 AS "IsClosed",
    n % 5 = 3 AS "IsWon",
    CASE WHEN n % 5 < 3 THEN 'Call back, "soon"' END AS "NextStep",
    sf_long_text('Opportunity', n, 1000) AS "Description",
    sf_user(n * 13) AS "OwnerId",
    'OPP-' || lpad(n::VARCHAR, 6, '0') AS "External_Id__c",
    unnest(sf_system(n, 240, 499))
FROM range(1, $count + 1) AS numbers(n);

INSERT INTO "Case" BY NAME SELECT
    sf_id('500', n) AS "Id",
    lpad((n + 1000)::VARCHAR, 8, '0') AS "CaseNumber",
    CASE WHEN n % 12 <> 5 THEN sf_contact(n * 13) END AS "ContactId",
    CASE WHEN n % 12 <> 5 THEN sf_account(n * 13 * 17) END AS "AccountId",
    ['New', 'Working', 'Escalated', 'Closed'][1 + n % 4] AS "Status",
    ['Low', 'Medium', 'High'][1 + n % 3] AS "Priority",
    ['Phone', 'Email', 'Web', NULL][1 + n // 4 % 4] AS "Origin",
    'Question about ' || sf_word(getvariable('titles'), n) AS "Subject",
    sf_long_text('Case', n, 700) AS "Description",
    n % 4 = 3 AS "IsClosed",
    CASE WHEN n % 4 = 3 THEN TIMESTAMP '2016-03-01 10:00:00.5' + to_minutes((n * 300)::INTEGER) END AS "ClosedDate",
    sf_user(n * 13) AS "OwnerId",
    unnest(sf_system(n, 300, 499))
FROM range(1, $count + 1) AS numbers(n);

INSERT INTO "Shipment__c" BY NAME SELECT
    sf_id('a01', n) AS "Id",
    'S-' || lpad(n::VARCHAR, 6, '0') AS "Name",
    sf_user(n * 13) AS "OwnerId",
    CASE WHEN n % 9 <> 4 THEN sf_account(n * 7) END AS "Account__c",
    CASE WHEN n % 9 <> 5 THEN sf_contact(n * 19) END AS "Contact__c",
    CASE WHEN n % 100 <> 99 THEN 'EXT-' || lpad(n::VARCHAR, 6, '0') END AS "External_Id__c",
    ['Planned', 'In Transit', 'Delivered', 'Lost'][1 + n % 4] AS "Status__c",
    ((n * 7919 * 17) % 99999999999) / 100.0 AS "Value__c",
    CASE WHEN n % 17 <> 16 THEN ((n * 7919) % 50000000) / 1000.0 END AS "Weight__c",
    [NULL, 0, 2.5, 10][1 + n % 4] AS "Discount__c",
    1 + n % 40 AS "Pieces__c",
    CASE WHEN n % 4 > 0 THEN DATE '2020-02-29' + (n % 2000)::INTEGER END AS "Shipped_On__c",
    CASE WHEN n % 4 = 2 THEN TIMESTAMP '2020-03-01 12:30:15.123' + to_hours((n * 5)::INTEGER) END AS "Delivered_At__c",
    n % 6 = 1 AS "Express__c",
    [NULL, 'Fragile', 'Fragile;Insured', 'Refrigerated;Hazardous;Oversized'][1 + n % 4] AS "Handling__c",
    sf_long_text('Shipment', n, 400) AS "Notes__c",
    CASE WHEN n % 5 <> 0 THEN ((n * 7919) % 180000000) / 1000000.0 - 90 END AS "Position__Latitude__s",
    CASE WHEN n % 5 <> 0 THEN ((n * 104729) % 360000000) / 1000000.0 - 180 END AS "Position__Longitude__s",
    CASE WHEN n % 7 <> 0 THEN TIME '06:30:00' + to_milliseconds((n * 7919) % 40000000) END AS "Pickup_Time__c",
    16147805824397 + n * 7919 AS "Tracking_Number__c",
    unnest(sf_system(n, 420, 333))
FROM range(1, $count + 1) AS numbers(n);

INSERT INTO "Lead" BY NAME SELECT
    sf_id('00Q', n) AS "Id",
    sf_word(getvariable('last_names'), n * 11) AS "LastName",
    CASE WHEN n % 30 <> 3 THEN sf_word(getvariable('first_names'), n * 3) END AS "FirstName",
    concat_ws(' ', "FirstName", "LastName") AS "Name",
    ['Ms.', 'Mr.', NULL][1 + n % 3] AS "Salutation",
    sf_word(getvariable('companies'), n * 5) || ' ' || n::VARCHAR AS "Company",
    sf_word(getvariable('titles'), n * 3) AS "Title",
    CASE WHEN n % 9 <> 8 THEN 'lead' || n::VARCHAR || '@example.com' END AS "Email",
    '+81 3 ' || lpad((n * 37 % 1000000)::VARCHAR, 6, '0') AS "Phone",
    sf_street(n) AS "Street", sf_city(n) AS "City",
    sf_postal_code(n) AS "PostalCode", sf_country(n) AS "Country",
    ['Open - Not Contacted', 'Working - Contacted', 'Closed - Not Converted'][1 + n % 3] AS "Status",
    sf_word(getvariable('industries'), n) AS "Industry",
    CASE WHEN n % 4 <> 1 THEN n * 80000000 / 4 END AS "AnnualRevenue",
    CASE WHEN n % 5 <> 4 THEN (n * 13) % 500 * (n % 3) END AS "NumberOfEmployees",
    false AS "IsConverted",
    sf_user(n * 13) AS "OwnerId",
    'LEAD-' || lpad(n::VARCHAR, 6, '0') AS "External_Id__c",
    unnest(sf_system(n, 1500, 499))
FROM range(1, $count + 1) AS numbers(n);

INSERT INTO "Task" BY NAME SELECT
    sf_id('00T', n) AS "Id",
    CASE n % 3 WHEN 0 THEN sf_contact(n * 7) WHEN 1 THEN sf_lead(n * 7) END AS "WhoId",
    CASE n % 4 WHEN 0 THEN sf_account(n * 5) WHEN 1 THEN sf_shipment(n * 3) END AS "WhatId",
    ['Call', 'Email', 'Send "quote"', 'Other'][1 + n % 4] AS "Subject",
    CASE WHEN n % 6 <> 5 THEN DATE '2019-01-01' + (n % 2500)::INTEGER END AS "ActivityDate",
    ['Not Started', 'In Progress', 'Completed'][1 + n % 3] AS "Status",
    ['High', 'Normal', 'Low'][1 + n % 3] AS "Priority",
    sf_long_text('Task', n, 900) AS "Description",
    CASE WHEN n % 4 = 0 THEN (n * 17) % 3600 END AS "CallDurationInSeconds",
    n % 3 = 2 AS "IsClosed",
    n % 10 = 5 AS "IsArchived",
    sf_user(n * 13) AS "OwnerId",
    unnest(sf_system(n, 900, 499))
FROM range(1, $count + 1) AS numbers(n);

INSERT INTO "AccountShare" BY NAME SELECT
    sf_id('00r', n) AS "Id",
    sf_account(n * 3) AS "AccountId",
    sf_user(n * 11) AS "UserOrGroupId",
    ['Read', 'Edit'][1 + n % 2] AS "AccountAccessLevel",
    'Manual' AS "RowCause",
    TIMESTAMP '2021-01-04 08:00:00' + to_hours(n::INTEGER) AS "LastModifiedDate",
    sf_user(n) AS "LastModifiedById",
    false AS "IsDeleted"
FROM range(1, $count + 1) AS numbers(n);

INSERT INTO "Reading__b" BY NAME SELECT
    sf_id('x01', n) AS "Id",
    'S-' || (n % 7)::VARCHAR AS "Sensor__c",
    TIMESTAMP '2022-05-01 00:00:00' + to_minutes((n // 7 * 10)::INTEGER) AS "Taken_At__c",
    ((n * 7919) % 4000) / 100.0 AS "Celsius__c"
FROM range(1, $count + 1) AS numbers(n);
