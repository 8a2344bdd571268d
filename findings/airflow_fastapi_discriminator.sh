#!/usr/bin/env bash
# apache-airflow 3.2.2 with FastAPI 0.165: the API that every task speaks to cannot be made, so no task runs.
#
# Airflow 3.2.2 asks for fastapi>=0.129 and sets no upper bound (3.3 has <0.137): installed without Airflow's constraints
# it gets the newest, and cadwyn with it. The reply models of its execution API are a union that tells its members apart
# by a function and tags; making the app ends in a PydanticUserError that asks for a discriminator field. `pip check` finds
# nothing wrong. With FastAPI 0.136 and cadwyn 7.0.0 the same app is made.
#
# Here: `create_app(apps="execution")`, as `airflow api-server` does it, with both.
# Seen with apache-airflow 3.2.2, pydantic 2.14.4, starlette 1.10.0, Python 3.11:
#   fastapi 0.165.0, cadwyn 9.0.0: PydanticUserError: Model 'TITerminalStatePayload' needs a discriminator field
#   fastapi 0.136.3, cadwyn 7.0.0: made
# Fails if a line differs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check uv
cat >"$folder/make.py" <<'PROGRAM'
from importlib.metadata import version

from airflow.api_fastapi.app import create_app

try:
    create_app(apps="execution")
    said = "made"
except Exception as error:
    said = f"{type(error).__name__}: {str(error).partition(' for key ')[0]}"
print(f"fastapi {version('fastapi')}, cadwyn {version('cadwyn')}: {said}")
PROGRAM
export AIRFLOW_HOME="$folder/airflow"
for pair in 'fastapi==0.165.0 cadwyn==9.0.0' 'fastapi==0.136.3 cadwyn==7.0.0'; do
    # shellcheck disable=SC2086 # two requirements
    "$folder/env/bin/uv" pip install --quiet --python "$folder/env/bin/python" \
        'apache-airflow==3.2.2' 'pydantic==2.14.4' 'starlette==1.10.0' $pair
    "$folder/env/bin/uv" pip check --quiet --python "$folder/env/bin/python"
    "$folder/env/bin/python" "$folder/make.py" 2>"$folder/log" | grep '^fastapi ' | tee -a "$folder/seen"
done
cat >"$folder/expected" <<'SEEN'
fastapi 0.165.0, cadwyn 9.0.0: PydanticUserError: Model 'TITerminalStatePayload' needs a discriminator field
fastapi 0.136.3, cadwyn 7.0.0: made
SEEN
diff "$folder/expected" "$folder/seen"
echo 'the behaviour is as described'
