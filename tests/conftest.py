"""Airflow reads its settings when it is first imported: it gets a home of its own before any test is."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
    del os.environ[name]
_home = tempfile.mkdtemp(prefix="airflow-provider-jobs-tests-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = _home
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
os.environ["CLOUDSDK_CONFIG"] = f"{_home}/gcloud"
os.environ["NO_GCE_CHECK"] = "true"
os.environ["NO_PROXY"] = "127.0.0.1,localhost"
