"""The connections' forms, as Airflow's API gives them to its pages."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from airflow_provider_jobs.connection_forms import BIGQUERY, REDIVIS, SALESFORCE

FORMS = {form["connection-type"]: form for form in (BIGQUERY, REDIVIS, SALESFORCE)}
#: A process of its own: Airflow replaces modules that it does not have.
PROGRAM = """
import json, pkgutil, sys
from types import SimpleNamespace
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService as Service

forms = json.loads(sys.argv[1])
found = {each.connection_type: each.model_dump(mode="json") for each in Service.hook_meta_data()}
kinds = {f"{kind}Field": getattr(Service, f"Mock{kind}Field") for kind in ("String", "Password", "Boolean")}
sys.modules["wtforms"] = SimpleNamespace(**kinds)  # what Airflow 3.1 puts there
older = {
    kind: {name: field.param.dump() for name, field in hook.get_connection_form_widgets().items()}
    for kind, path in forms.items()
    for hook in [pkgutil.resolve_name(path)]
}
print(json.dumps({"forms": {kind: found[kind] for kind in forms}, "older": older}))
"""


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    hooks = {kind: form["hook-class-name"] for kind, form in FORMS.items()}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(hooks)], check=True, stdout=subprocess.PIPE, timeout=120
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("kind", FORMS)
def test_the_form_that_this_airflow_shows(shown: dict[str, Any], kind: str) -> None:
    form, found = FORMS[kind], shown["forms"][kind]
    assert found["hook_name"] == form["hook-name"]
    assert list(found["extra_fields"]) == list(form["conn-fields"])
    for name, field in form["conn-fields"].items():
        told = found["extra_fields"][name]
        assert told["schema"]["title"] == field["label"]
        assert told["description"].startswith(field["description"])
        assert told["schema"]["type"] == field["schema"]["type"]
    behaviour = form["ui-field-behaviour"]
    standard = found["standard_fields"]
    for name in behaviour["hidden-fields"]:
        assert standard["url_schema" if name == "schema" else name]["hidden"]
    for name, label in behaviour["relabeling"].items():
        assert standard[name]["title"] == label


@pytest.mark.parametrize("kind", FORMS)
def test_the_form_of_airflow_3_1_is_the_same(shown: dict[str, Any], kind: str) -> None:
    """It asks the hook, which has its fields from where the provider's metadata has them."""
    older = shown["older"][kind]
    for name, field in FORMS[kind]["conn-fields"].items():
        schema = older[name]["schema"]
        assert (schema["title"], schema["type"]) == (field["label"], field["schema"]["type"])
        assert schema.get("format") == field["schema"].get("format")
        for example in field["schema"].get("examples", [])[:1]:
            assert older[name]["description"].endswith(f"Example: {example}")
    assert list(older) == list(FORMS[kind]["conn-fields"])
