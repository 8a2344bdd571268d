#!/usr/bin/env bash
# fsspec 2026.9.0 and s3fs 2026.9.0: a search leaves out a folder that the store does not list, and nothing says so.
#
# glob() and find() list folder by folder, and take one whose listing raises an OSError for an empty one: files are
# missing from the answer, and no error is raised. walk() has the parameter on_error="raise" for it, and hands it to the
# first folder alone: below that, folders are left out all the same. S3 answers so for a prefix that a policy denies, and
# when it is busy, after its client's retries.
#
# Here: moto 5.2.5 as S3 on 127.0.0.1, three days with a file each; the list of the second one is denied (403).
# Seen on Python 3.11:
#   files that are there 3
#   glob days/*/rows.csv: 2
#   find days: 2
#   walk days, on_error="raise": 2
#   ls days/2: PermissionError
# Fails if one of them finds all, or raises an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check \
    'fsspec==2026.9.0' 's3fs==2026.9.0' 'moto[server,s3]==5.2.5'
cat >"$folder/search.py" <<'PROGRAM'
import logging
import sys
import threading
from urllib.parse import parse_qs

import s3fs
from moto.server import create_backend_app
from werkzeug.serving import make_server

DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
backend = create_backend_app("s3")
logging.getLogger("werkzeug").setLevel(logging.ERROR)


def policy(environ, start_response):
    asked = parse_qs(environ.get("QUERY_STRING", "")).get("prefix", [""])[0]
    if asked.startswith("days/2/") and environ["REQUEST_METHOD"] == "GET":
        start_response("403 Forbidden", [("Content-Type", "application/xml")])
        return [DENIED]
    return backend(environ, start_response)


server = make_server("127.0.0.1", 0, policy, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
store = s3fs.S3FileSystem(
    key="key",
    secret="secret",
    endpoint_url=f"http://127.0.0.1:{server.port}",
    skip_instance_cache=True,
)
store.mkdir("lake")
for day in (1, 2, 3):
    store.pipe_file(f"lake/days/{day}/rows.csv", b"id\n1\n")


def said(what):
    """Return how many files are found, or the error."""
    store.invalidate_cache()
    try:
        return len(what())
    except Exception as error:
        return type(error).__name__


found = {
    "glob days/*/rows.csv": said(lambda: store.glob("lake/days/*/rows.csv")),
    "find days": said(lambda: store.find("lake/days", maxdepth=2)),
    'walk days, on_error="raise"': said(
        lambda: [name for _, _, names in store.walk("lake/days", on_error="raise") for name in names]
    ),
}
listed = said(lambda: store.ls("lake/days/2"))
print("files that are there 3")
for how, number in found.items():
    print(f"{how}: {number}")
print(f"ls days/2: {listed}")
server.shutdown()
sys.exit(not (set(found.values()) == {2} and listed == "PermissionError"))
PROGRAM
"$folder/env/bin/python" "$folder/search.py"
