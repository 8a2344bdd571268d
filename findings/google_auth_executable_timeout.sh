#!/usr/bin/env bash
# google-auth 2.63.0: a workload identity's executable that is slower than timeout_millis ends in subprocess.TimeoutExpired.
#
# google.auth.pluggable runs the executable that a credential configuration names, for at most timeout_millis (5 to 120 s).
# One that fails or prints nothing useful ends in errors of two kinds: its exit code in a RefreshError, an empty output in a
# TypeError; one that takes too long in a TimeoutExpired of the standard library. The last two are none of
# google.auth.exceptions, so callers that catch those, and look at `retryable`, let them through.
#
# Seen with google-auth 2.63.0, requests 2.34.2, cryptography 50.0.2 on Python 3.11:
#   fails: RefreshError, of google.auth.exceptions: True
#   prints nothing: TypeError, of google.auth.exceptions: False
#   is slow: TimeoutExpired, of google.auth.exceptions: False
# Fails if any of these changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check \
    'google-auth==2.63.0' 'requests==2.34.2' 'cryptography==50.0.2'
cat >"$folder/ask.py" <<'PROGRAM'
import os
import sys
from pathlib import Path

from google.auth.exceptions import GoogleAuthError
from google.auth.pluggable import Credentials
from google.auth.transport.requests import Request

os.environ["GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"] = "1"
expected = {
    "fails": ("exit 3", "RefreshError, of google.auth.exceptions: True"),
    "prints nothing": ("true", "TypeError, of google.auth.exceptions: False"),
    "is slow": ("exec sleep 30", "TimeoutExpired, of google.auth.exceptions: False"),
}
for name, (line, told) in expected.items():
    program = Path(sys.argv[1]) / "token.sh"
    program.write_text(f"#!/bin/sh\n{line}\n")
    program.chmod(0o755)
    credentials = Credentials.from_info(
        {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/x/providers/y",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"executable": {"command": str(program), "timeout_millis": 5000}},
        },
        scopes=["s"],
    )
    try:
        credentials.refresh(Request())
    except Exception as error:
        found = f"{type(error).__name__}, of google.auth.exceptions: {isinstance(error, GoogleAuthError)}"
    else:
        found = "no error"
    print(f"{name}: {found}", flush=True)
    if found != told:
        raise SystemExit("the behaviour has changed")
PROGRAM
"$folder/env/bin/python" "$folder/ask.py" "$folder"
