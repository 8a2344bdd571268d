#!/usr/bin/env bash
# simple-salesforce 1.12.10: rejected records of a Bulk API 2.0 job come back with every letter beyond ASCII spoilt.
#
# Salesforce sends results of an ingest job as UTF-8 with Content-Type: text/csv and no charset. get_failed_records and its
# two siblings, without a file, return requests' reply.text, and for a text type without a charset requests takes
# ISO-8859-1. Who mends the rejected records and sends them again writes the spoilt names. Query results of the same client
# are decoded as UTF-8, and so are these where they go to a file.
# Reported with the service itself: https://github.com/simple-salesforce/simple-salesforce/issues/706
#
# Here: a server on loopback that gives one rejected record so.
# Seen with simple-salesforce 1.12.10, requests 2.34.2 on Python 3.11:
#   in the reply: 'Zoë Müller'
#   get_failed_records: 'ZoÃ« MÃ¼ller'
#   get_failed_records, into a file: 'Zoë Müller'
# Fails if a line differs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check \
    'simple-salesforce==1.12.10' 'requests==2.34.2'
cat >"$folder/read.py" <<'PROGRAM'
import csv
import io
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from simple_salesforce import Salesforce

FAILED = '"sf__Id","sf__Error",Name\n"","REQUIRED_FIELD_MISSING:Company",Zoë Müller\n'.encode()


class Org(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/csv")
        self.send_header("Content-Length", str(len(FAILED)))
        self.end_headers()
        self.wfile.write(FAILED)

    def log_message(self, *_):
        pass


def name(text):
    (row,) = csv.DictReader(io.StringIO(text))
    return repr(row["Name"])


server = ThreadingHTTPServer(("127.0.0.1", 0), Org)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
org = Salesforce(session_id="none", instance_url=address)
org.bulk2_url = f"{address}/services/data/v66.0/jobs/"
print(f"in the reply: {name(FAILED.decode())}")
print(f"get_failed_records: {name(org.bulk2.Lead.get_failed_records('750000000000001AAA'))}")
org.bulk2.Lead.get_failed_records("750000000000001AAA", file=sys.argv[1])
with open(sys.argv[1], encoding="utf-8") as file:
    print(f"get_failed_records, into a file: {name(file.read())}")
server.shutdown()
PROGRAM
PYTHONUTF8=1 "$folder/env/bin/python" "$folder/read.py" "$folder/failed.csv" | tee "$folder/seen"
cat >"$folder/expected" <<'SEEN'
in the reply: 'Zoë Müller'
get_failed_records: 'ZoÃ« MÃ¼ller'
get_failed_records, into a file: 'Zoë Müller'
SEEN
diff "$folder/expected" "$folder/seen"
echo 'the behaviour is as described'
