"""What Airflow learns of the provider is true."""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import pytest

from airflow_provider_jobs.hooks.bigquery import BigQueryHook
from airflow_provider_jobs.hooks.logins.google import BigQuerySettings
from airflow_provider_jobs.hooks.redivis import RedivisHook
from airflow_provider_jobs.hooks.salesforce import SalesforceHook
from airflow_provider_jobs.provider_info import get_provider_info

INFO = get_provider_info()
BIGQUERY, REDIVIS, SALESFORCE = INFO["connection-types"]
FIELDS: list[str] = list(BIGQUERY["conn-fields"])


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


def test_its_classes_exist() -> None:
    hooks = (BigQueryHook, RedivisHook, SalesforceHook)
    for form, kind in zip((BIGQUERY, REDIVIS, SALESFORCE), hooks, strict=True):
        assert attribute(form["hook-class-name"]) is kind
        assert kind.conn_type == form["connection-type"]
        assert kind.hook_name == form["hook-name"]
    for path in INFO["extra-links"]:
        assert attribute(path)().name


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_of_the_form_is_read(field: str) -> None:
    assert BigQuerySettings.from_connection("c", {field: "some value"}) != BigQuerySettings("c")


def test_every_setting_has_a_field() -> None:
    extra = {field: f"value of {field}" for field in FIELDS}
    found = BigQuerySettings.from_connection("c", extra)
    empty = BigQuerySettings("c")
    untouched = [name for name, value in vars(found).items() if value == getattr(empty, name)]
    assert untouched == ["conn_id"]
    assert replace(found, conn_id="d") != found


@pytest.mark.parametrize("field", ["keyfile_dict", "access_token", "credential_config_file"])
def test_secrets_are_typed_as_passwords(field: str) -> None:
    assert BIGQUERY["conn-fields"][field]["schema"]["format"] == "password"


def test_hints_are_for_fields_that_exist() -> None:
    behaviour = BIGQUERY["ui-field-behaviour"]
    assert set(behaviour["placeholders"]) <= set(FIELDS)
    assert set(behaviour["hidden-fields"]) <= {"host", "schema", "login", "password", "port", "description"}
