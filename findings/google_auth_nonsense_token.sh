#!/usr/bin/env bash
# google-auth 2.63.0: a good reply of a token service that is no JSON object ends in a TypeError; a 502 is not asked again.
#
# google.oauth2.service_account asks the token service of its key file. A proxy that stands in between may answer 200 with
# a page of its own, or 502. Of a 200 whose body is not JSON, google-auth keeps the text and looks "access_token" up in it:
# TypeError, which is none of google.auth.exceptions, so callers that catch those let it through. A 503 is asked again,
# three times in all; a 502 is not.
#
# Seen with google-auth 2.63.0, requests 2.34.2, cryptography 50.0.2 on Python 3.11:
#   200: TypeError, 1 request(s)
#   502: RefreshError, retryable False, 1 request(s)
#   503: RefreshError, retryable True, 3 request(s)
# Fails if any of these changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check \
    'google-auth==2.63.0' 'requests==2.34.2' 'cryptography==50.0.2'
cat >"$folder/ask.py" <<'PROGRAM'
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2 import service_account

answer, seen = [0], []


class Proxy(BaseHTTPRequestHandler):
    def do_POST(self):
        seen.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        page = b"<html>Please log in</html>"
        self.send_response(answer[0])
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=server.serve_forever, daemon=True).start()
key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
info = {
    "client_email": "robot@example.com",
    "private_key": key.decode(),
    "token_uri": f"http://127.0.0.1:{server.server_address[1]}/token",
}
expected = {
    200: "TypeError, 1 request(s)",
    502: "RefreshError, retryable False, 1 request(s)",
    503: "RefreshError, retryable True, 3 request(s)",
}
for answer[0], told in expected.items():
    seen.clear()
    credentials = service_account.Credentials.from_service_account_info(info, scopes=["s"])
    try:
        credentials.refresh(Request())
    except GoogleAuthError as error:
        found = f"{type(error).__name__}, retryable {error.retryable}, {len(seen)} request(s)"
    except Exception as error:
        found = f"{type(error).__name__}, {len(seen)} request(s)"
    else:
        found = "no error"
    print(f"{answer[0]}: {found}", flush=True)
    if found != told:
        raise SystemExit("the behaviour has changed")
PROGRAM
"$folder/env/bin/python" "$folder/ask.py"
