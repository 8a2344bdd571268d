#!/usr/bin/env bash
# simple-salesforce 1.12.10: a CSV file that is sent by Bulk API 2.0 arrives with other line ends inside its values.
#
# sf.bulk2.<object>.update(csv_file=...) and its kin open the file with Python's universal newlines, and put its records
# together anew: an address of two lines whose value holds CR LF, as Salesforce's own forms and exports write it, is sent
# with LF, and a lone carriage return becomes LF too. The file is valid, line_ending="CRLF" concerns the ends of records
# alone, and no error is raised.
#
# Here: a server on loopback that takes the job and its data as Salesforce's endpoints do; one file of two records.
# Seen with simple-salesforce 1.12.10, requests 2.34.2 on Python 3.11:
#   in the file: '1 Market Street\r\nFloor 3', '2 Market Street\rFloor 1'
#   sent with LF: '1 Market Street\nFloor 3', '2 Market Street\nFloor 1'
#   sent with CRLF: '1 Market Street\nFloor 3', '2 Market Street\nFloor 1'
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
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from simple_salesforce import Salesforce

sent = []
STATES = {"POST": "Open", "PATCH": "UploadComplete", "GET": "JobComplete"}


class Org(BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "PUT":
            sent.append(body)
        state = STATES.get(self.command)
        job = {"id": "750000000000001AAA", "state": state, "numberRecordsProcessed": 2, "numberRecordsFailed": 0}
        reply = json.dumps(job).encode() if state else b""
        self.send_response(200 if state else 201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_POST = do_PUT = do_PATCH = answer

    def log_message(self, *_):
        pass


def streets(data):
    return ", ".join(repr(row["Street"]) for row in csv.DictReader(io.StringIO(data.decode(), newline="")))


given = 'Id,Street\r\n1,"1 Market Street\r\nFloor 3"\r\n2,"2 Market Street\rFloor 1"\r\n'.encode()
with open(sys.argv[1], "wb") as file:
    file.write(given)
print(f"in the file: {streets(given)}")
server = ThreadingHTTPServer(("127.0.0.1", 0), Org)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
org = Salesforce(session_id="none", instance_url=address)
org.bulk2_url = f"{address}/services/data/v66.0/jobs/"
for ending in ("LF", "CRLF"):
    org.bulk2.Lead.update(csv_file=sys.argv[1], line_ending=ending, wait=0)
    print(f"sent with {ending}: {streets(sent.pop())}")
server.shutdown()
PROGRAM
"$folder/env/bin/python" "$folder/send.py" "$folder/leads.csv" | tee "$folder/seen"
cat >"$folder/expected" <<'SEEN'
in the file: '1 Market Street\r\nFloor 3', '2 Market Street\rFloor 1'
sent with LF: '1 Market Street\nFloor 3', '2 Market Street\nFloor 1'
sent with CRLF: '1 Market Street\nFloor 3', '2 Market Street\nFloor 1'
SEEN
diff "$folder/expected" "$folder/seen"
echo 'the behaviour is as described'
