#!/usr/bin/env bash
# simple-salesforce 1.12.10: None in a record empties the field by sf.bulk, and leaves it as it is by sf.bulk2.
#
# sf.bulk.<object>.update sends JSON with null, which Salesforce takes for "empty the field". sf.bulk2.<object>.update,
# with the same records, sends CSV with nothing between the commas, and Bulk API 2.0 ignores empty values of an update; to
# empty a field it wants the text #N/A. So a program that goes from bulk to bulk2 no longer deletes values, and each record
# counts as a success. What a record lacks altogether looks the same in that CSV.
# https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/datafiles_prepare_csv.htm
#
# Here: a server on loopback that notes what arrives, and one record by each way.
# Seen with simple-salesforce 1.12.10, requests 2.34.2 on Python 3.11:
#   bulk: [{"Id": "00Q000000000001AAA", "Phone": null}]
#   bulk2: {'Id': '00Q000000000001AAA', 'Phone': ''}
# Fails if a line differs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check \
    'simple-salesforce==1.12.10' 'requests==2.34.2'
cat >"$folder/send.py" <<'PROGRAM'
import csv
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from simple_salesforce import Salesforce

DONE = {"id": "1", "jobId": "1", "numberRecordsProcessed": 1, "numberRecordsFailed": 0}
sent = []


class Org(BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith(("/batch", "/batches")):
            sent.append(body.decode())
        one = self.path.startswith("/services/async/")
        state = ("Completed" if one else "JobComplete") if self.command == "GET" else "Open"
        reply = [{"success": True}] if self.path.endswith("/result") else {**DONE, "state": state}
        data = json.dumps(reply).encode()
        self.send_response(201 if self.command == "PUT" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = answer

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Org)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
org = Salesforce(session_id="none", instance_url=address)
org.bulk_url = f"{address}/services/async/66.0/"
org.bulk2_url = f"{address}/services/data/v66.0/jobs/"
records = [{"Id": "00Q000000000001AAA", "Phone": None}]
org.bulk.Lead.update(records, batch_size=1)
print(f"bulk: {sent.pop()}")
org.bulk2.Lead.update(records=records, wait=0)
(row,) = csv.DictReader(io.StringIO(sent.pop()))
print(f"bulk2: {dict(sorted(row.items()))}")
server.shutdown()
PROGRAM
"$folder/env/bin/python" "$folder/send.py" | tee "$folder/seen"
cat >"$folder/expected" <<'SEEN'
bulk: [{"Id": "00Q000000000001AAA", "Phone": null}]
bulk2: {'Id': '00Q000000000001AAA', 'Phone': ''}
SEEN
diff "$folder/expected" "$folder/seen"
echo 'the behaviour is as described'
