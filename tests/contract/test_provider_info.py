"""What Airflow learns of the provider is true."""

from __future__ import annotations

import importlib
import json
import tomllib
from dataclasses import replace
from importlib.metadata import entry_points
from itertools import groupby
from pathlib import Path
from typing import Any

import airflow
import pytest
from airflow.sdk import Connection

from airflow_provider_jobs.hooks.base import limits_of
from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.hooks.logins.google_settings import BigQuerySettings
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.provider_info import get_provider_info

INFO = get_provider_info()
BIGQUERY, REDIVIS, SALESFORCE = INFO["connection-types"]
FIELDS: list[str] = list(BIGQUERY["conn-fields"])
LIMITS = {"max_reply_mb", "max_call_seconds", "max_page_mb", "max_page_seconds"}
#: What the logins, and those who look after an org, read of each form.
EVERY_FIELD = [
    (form["connection-type"], name, field)
    for form in (BIGQUERY, REDIVIS, SALESFORCE)
    for name, field in form["conn-fields"].items()
]
every_field = pytest.mark.parametrize(
    ("kind", "name", "field"), EVERY_FIELD, ids=[f"{kind}-{name}" for kind, name, _ in EVERY_FIELD]
)


def attribute(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_the_metadata_is_what_airflow_wants() -> None:
    schema = Path(airflow.__file__ or "").with_name("provider_info.schema.json")
    # Airflow brings the library, which has no types.
    importlib.import_module("jsonschema").validate(INFO, json.loads(schema.read_text(encoding="utf-8")))


def test_airflow_finds_it() -> None:
    (point,) = [
        each
        for each in entry_points(group="apache_airflow_provider")
        if each.value.startswith("airflow_provider_jobs")
    ]
    assert point.load()() == INFO
    assert INFO["package-name"] == "airflow-provider-jobs"


def test_the_plugin_is_declared_once() -> None:
    """In provider_info too, Airflow would load it twice, and drop others with it (its SDK, 3.1 to 3.3)."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    (value,) = project["project"]["entry-points"]["airflow.plugins"].values()
    module, _, name = value.partition(":")
    assert attribute(f"{module}.{name}").name == "airflow_provider_jobs"
    assert "plugins" not in INFO


def test_its_classes_exist() -> None:
    hooks = (BigQueryHook, RedivisHook, SalesforceHook)
    for form, kind in zip((BIGQUERY, REDIVIS, SALESFORCE), hooks, strict=True):
        assert attribute(form["hook-class-name"]) is kind
        assert kind.conn_type == form["connection-type"]
        assert kind.hook_name == form["hook-name"]
    for path in INFO["extra-links"]:
        assert attribute(path)().name


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_every_limit_of_a_form_is_read(name: str) -> None:
    found = limits_of("c", Connection(conn_id="c", conn_type="redivis", extra=json.dumps({name: "7"})))
    assert found != limits_of("c", Connection(conn_id="c", conn_type="redivis"))


@pytest.mark.parametrize("field", [name for name in FIELDS if name not in LIMITS])
def test_every_field_of_the_form_is_read(field: str) -> None:
    assert BigQuerySettings.from_connection("c", {field: "some value"}) != BigQuerySettings("c")


def test_every_setting_has_a_field() -> None:
    extra = {field: f"value of {field}" for field in FIELDS}
    found = BigQuerySettings.from_connection("c", extra)
    empty = BigQuerySettings("c")
    untouched = [name for name, value in vars(found).items() if value == getattr(empty, name)]
    assert untouched == ["conn_id"]
    assert replace(found, conn_id="d") != found


@pytest.mark.parametrize("field", ["keyfile_dict", "access_token", "credential_config_secret"])
def test_secrets_are_typed_as_passwords(field: str) -> None:
    assert BIGQUERY["conn-fields"][field]["schema"]["format"] == "password"


def test_hints_are_for_fields_that_exist() -> None:
    behaviour = BIGQUERY["ui-field-behaviour"]
    assert set(behaviour["placeholders"]) <= set(FIELDS)
    assert set(behaviour["hidden-fields"]) <= {"host", "schema", "login", "password", "port", "description"}


@every_field
def test_a_field_says_what_it_is_for(kind: str, name: str, field: dict[str, Any]) -> None:
    """A placeholder of an extra field is shown by no Airflow: descriptions and examples are."""
    schema = field["schema"]
    assert field["label"]
    assert field["description"].endswith(".")
    assert schema["section"]
    assert "null" in schema["type"], "a type without null makes the field required"
    assert "examples" in schema or schema["type"][0] == "boolean" or schema.get("format") == "password"


@every_field
def test_airflow_masks_what_is_secret_and_nothing_else(kind: str, name: str, field: dict[str, Any]) -> None:
    """It goes by the name of a field alone, in its API, its pages and its logs."""
    redact = attribute("airflow.sdk.log.redact")
    masked = redact({name: "a value"}) == {name: "***"}
    secret = field["schema"].get("format") == "password"
    # A path, a switch: what holds the word for a secret, and is none, is masked as well.
    assert masked == secret or name in {"private_key_file_path", "storage_token"}
    assert not (secret and "examples" in field["schema"])


@pytest.mark.parametrize("form", [BIGQUERY, REDIVIS, SALESFORCE], ids=lambda form: form["connection-type"])
def test_fields_of_a_section_stand_together(form: dict[str, Any]) -> None:
    sections = [field["schema"]["section"] for field in form["conn-fields"].values()]
    assert len([name for name, _ in groupby(sections)]) == len(set(sections))


def test_no_form_has_placeholders_that_are_not_shown() -> None:
    for form in (BIGQUERY, REDIVIS, SALESFORCE):
        behaviour = form["ui-field-behaviour"]
        assert set(behaviour["placeholders"]) <= {"host", "login", "password", "port", "schema"}
        assert not set(behaviour["placeholders"]) & set(behaviour["hidden-fields"])
