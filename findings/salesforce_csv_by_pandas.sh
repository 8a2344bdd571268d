#!/usr/bin/env bash
# apache-airflow-providers-salesforce 5.15.1: what its CSV says depends on the version of pandas, and is not what it read.
#
# SalesforceHook.write_object_to_file, which SalesforceToGcsOperator uses, makes a DataFrame of the records and cleans the
# columns of dtype object: it turns their values into text and deletes line ends. pandas 2 gives every text that dtype, so
# a NULL becomes the word None and an address of two lines becomes one word of both. pandas 3 has a dtype of its own for
# text: neither happens. With both a carriage return inside a value is written without quotes on Python 3.11, and whoever
# reads the file finds a record more. The provider takes both (pandas>=2.1.2).
#
# Here: two records as simple-salesforce gives them, written once with each pandas, read by Python's csv module.
# Seen with apache-airflow 3.3.2, apache-airflow-providers-salesforce 5.15.1, pandas 2.3.3 and 3.1.1, Python 3.11:
#   pandas 2.3.3: name of a record without one: 'None'; street of two lines: '1 Market StreetFloor 3'; records read: 3 of 2
#   pandas 3.1.1: name of a record without one: ''; street of two lines: '1 Market Street\r\nFloor 3'; records read: 3 of 2
# Fails if a line differs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check uv
cat >"$folder/write.py" <<'PROGRAM'
import csv
import sys

import pandas
from airflow.providers.salesforce.hooks.salesforce import SalesforceHook

about = {"type": "Account", "url": "/services/data/v66.0/sobjects/Account/001000000000001AAA"}
records = [
    {"attributes": about, "Id": "001000000000001AAA", "Name": None, "BillingStreet": "1 Market Street\r\nFloor 3"},
    {"attributes": about, "Id": "001000000000002AAA", "Name": "Acme", "BillingStreet": "2 Market Street\rFloor 1"},
]
SalesforceHook("salesforce_default").write_object_to_file(records, sys.argv[1], fmt="csv")
with open(sys.argv[1], newline="", encoding="utf-8") as text:
    rows = list(csv.DictReader(text))
print(
    f"pandas {pandas.__version__}: name of a record without one: {rows[0]['name']!r};"
    f" street of two lines: {rows[0]['billingstreet']!r}; records read: {len(rows)} of {len(records)}"
)
PROGRAM
export AIRFLOW_HOME="$folder/airflow"
for version in 2.3.3 3.1.1; do
    "$folder/env/bin/uv" pip install --quiet --python "$folder/env/bin/python" \
        'apache-airflow==3.3.2' 'apache-airflow-providers-salesforce==5.15.1' "pandas==$version"
    "$folder/env/bin/python" "$folder/write.py" "$folder/$version.csv" 2>"$folder/log" | grep '^pandas ' | tee -a "$folder/seen"
done
cat >"$folder/expected" <<'SEEN'
pandas 2.3.3: name of a record without one: 'None'; street of two lines: '1 Market StreetFloor 3'; records read: 3 of 2
pandas 3.1.1: name of a record without one: ''; street of two lines: '1 Market Street\r\nFloor 3'; records read: 3 of 2
SEEN
diff "$folder/expected" "$folder/seen"
echo 'the behaviour is as described'
