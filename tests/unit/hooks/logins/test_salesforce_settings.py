"""Settings are a pure function of the connection: the first flow whose fields are all there counts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.hooks.base import note_old_name
from airflow_provider_jobs.hooks.logins.salesforce_settings import Flow, SalesforceSettings

USER = {"login": "me@acme.com", "password": "PASS"}
APP = {"consumer_key": "KEY", "consumer_secret": "APPSECRET"}
URL = "https://acme.my.salesforce.com"


def settings(
    extra: Any = None, *, session_id: str | None = None, version: str | None = None, **fields: Any
) -> SalesforceSettings:
    text = extra if isinstance(extra, str) else json.dumps(extra or {})
    connection = Connection(conn_id="c", conn_type="salesforce_bulk", extra=text, **fields)
    return SalesforceSettings.from_connection("c", connection, session_id=session_id, version=version)


@pytest.mark.parametrize(
    ("fields", "extra", "flow"),
    [
        ({}, {"access_token": "T", "instance_url": URL}, Flow.READY),
        ({}, {"access_token": "T", "instance": "na1.salesforce.com"}, Flow.READY),
        (USER, {**APP, "private_key": "K", "access_token": "T", "instance_url": URL}, Flow.READY),
        (USER, {**APP, "private_key": "K"}, Flow.JWT),
        ({"login": "me"}, {"consumer_key": "K", "private_key_file_path": "/k.pem"}, Flow.JWT),
        (USER, {**APP, "security_token": "S", "domain": "acme.my"}, Flow.PASSWORD),
        (USER, {"security_token": "S", "consumer_key": "K"}, Flow.SOAP),
        (USER, {"organization_id": "00D"}, Flow.SOAP),
        (USER, {}, Flow.SOAP),
        ({"login": "me"}, {**APP, "domain": "acme.my"}, Flow.CLIENT),
        ({}, {**APP, "instance_url": URL}, Flow.CLIENT),
    ],
)
def test_the_first_flow_with_all_its_fields_counts(
    fields: dict[str, str], extra: dict[str, str], flow: Flow
) -> None:
    assert settings(extra, **fields).flow is flow


def test_a_token_of_the_caller_goes_before_a_password() -> None:
    """Other hooks ignore the token there: https://github.com/apache/airflow/issues/30016."""
    found = settings({"instance_url": URL, "security_token": "S"}, session_id="GIVEN", **USER)
    assert (found.flow, found.access_token, found.login_url) == (Flow.READY, "GIVEN", URL)


def test_an_empty_field_is_none() -> None:
    """A form sends empty strings: https://github.com/apache/airflow/issues/23910."""
    extra = dict.fromkeys(
        ("security_token", "domain", "consumer_key", "proxies", "version", "instance_url", "client_id"), ""
    )
    found = settings({**extra, "organization_id": "  "}, **USER)
    assert found == settings({}, **USER)
    assert (found.security_token, found.organization_id) == (None, None)
    with pytest.raises(ConfigurationError, match="c holds no way to log in"):
        settings({**APP, "consumer_secret": ""}, login="me", password="")


def test_fields_have_their_old_names_too() -> None:
    old = {f"extra__salesforce__{name}": value for name, value in {**APP, "domain": "acme.my"}.items()}
    assert settings(old) == settings({**APP, "domain": "acme.my"})
    assert settings({**old, "domain": "", "consumer_key": "NEW"}).consumer_key == "NEW"
    assert settings({**old, "domain": ""}).login_url == URL


@pytest.mark.parametrize(
    ("extra", "url"),
    [
        ({}, "https://login.salesforce.com"),
        ({"domain": "test"}, "https://test.salesforce.com"),
        ({"domain": "acme.my"}, URL),
        ({"domain": "acme.my.salesforce.com"}, URL),
        ({"domain": "test", "instance_url": "acme.my"}, URL),
        ({"instance_url": "ACME.my.salesforce.com/"}, URL),
        ({"instance_url": f"{URL}/services/data/"}, URL),
        ({"instance_url": "https://u:p@acme.my.salesforce.com"}, URL),
        ({"instance_url": "http://127.0.0.1:8000"}, "http://127.0.0.1:8000"),
        ({"instance_url": "http://[::1]:8000/"}, "http://[::1]:8000"),
        ({"instance_url": "acme.my.salesforce.mil"}, "https://acme.my.salesforce.mil"),
        ({"instance": "na1.salesforce.com"}, "https://login.salesforce.com"),
    ],
)
def test_where_tokens_are_asked_for(extra: dict[str, str], url: str) -> None:
    assert settings(extra, **USER).login_url == url


@pytest.mark.parametrize(
    ("extra", "sandbox"),
    [
        ({}, False),
        ({"domain": "test"}, True),
        ({"domain": "acme.my"}, False),
        ({"domain": "acme--dev.sandbox.my"}, True),
        ({"instance_url": "https://acme--dev.my.salesforce.com"}, True),
        ({"instance_url": "test.salesforce.com"}, True),
        ({"instance_url": "https://sandbox-maker.my.salesforce.com"}, False),
    ],
)
def test_which_orgs_are_sandboxes(extra: dict[str, str], *, sandbox: bool) -> None:
    assert settings(extra, **USER).sandbox_org is sandbox


@pytest.mark.parametrize(
    ("value", "version"),
    [(None, "59.0"), ("", "59.0"), ("62", "62.0"), ("v62.0", "62.0"), (65.0, "65.0"), (61, "61.0")],
)
def test_versions(value: Any, version: str) -> None:
    assert settings({"version": value}, **USER).version == version
    assert settings({"version": value}, version="47.0", **USER).version == "47.0"


BOTH = (("http", "http://p:3128"), ("https", "http://p:3128"))


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ("", ()),
        ("http://p:3128", BOTH),
        ("p:3128", (("http", "p:3128"), ("https", "p:3128"))),
        ({"https": "http://p:3128"}, (("https", "http://p:3128"),)),
        ('{"http": "http://p:3128", "https": "http://p:3128"}', BOTH),
        (' {"https": "http://u:pw@p"}', (("https", "http://u:pw@p"),)),
    ],
)
def test_proxies_are_text_a_mapping_or_a_url(value: Any, pairs: Any) -> None:
    assert settings({"proxies": value}, **USER).proxies == pairs
    assert settings({"extra__salesforce__proxies": value}, **USER).proxies == pairs


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ("[1]", "not a JSON object"),
        ("{broken", "not a JSON object"),
        ({"access_token": "T"}, "needs instance_url"),
        ({"access_token": "T", "domain": "acme.my"}, "needs instance_url"),
        (APP, "set domain, such as acme.my, or instance_url; login.salesforce.com does not take them"),
        ({**APP, "domain": "test"}, "My Domain: set domain"),
        ({"consumer_key": "KEY"}, "no way to log in: give consumer_api_key, consumer_secret and domain"),
        ({**APP, "instance_url": "http://acme.my.salesforce.com"}, "instance_url http://acme.*is refused"),
        ({**APP, "instance_url": "http://198.51.100.7"}, "credentials travel over https"),
        ({**APP, "instance_url": "ftp://acme"}, "instance_url is not a URL"),
        ({**APP, "domain": "ac me"}, "domain is not a URL"),
        (
            {**APP, "instance_url": "https://acme.lightning.force.com/lightning/page/home"},
            "INVALID_SESSION_ID.*: use https://acme.my.salesforce.com",
        ),
        (
            {**APP, "domain": "acme--dev.sandbox.lightning.force.com"},
            "use https://acme--dev.sandbox.my.salesforce.com",
        ),
        ({**APP, "instance_url": "acme.my.salesforce-setup.com"}, "use https://acme.my.salesforce.com"),
        ({**APP, "domain": "acme.my", "version": "latest"}, "version is 'latest'"),
        ({**APP, "domain": "acme.my", "proxies": "{SECRET"}, "proxies is neither"),
        ({**APP, "domain": "acme.my", "proxies": ["SECRET"]}, "proxies is neither"),
        ({**APP, "domain": "acme.my", "proxies": {"https": 1}}, "proxies is neither"),
        ({**APP, "domain": "acme.my", "proxies": "two words"}, "proxies is neither"),
        ({**APP, "domain": "acme.my", "api_usage_limit": "80"}, "api_usage_limit is '80'"),
        ({**APP, "domain": "acme.my", "api_usage_limit": "much"}, "api_usage_limit is 'much'"),
        ({**APP, "domain": "acme.my", "client_id": "a,\r\nb"}, "client_id"),
    ],
)
def test_what_is_wrong_with_a_connection_is_said(extra: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        settings(extra)
    assert "connection c" in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_the_share_of_the_daily_requests() -> None:
    assert settings({"api_usage_limit": "0.75"}, **USER).api_usage_limit == 0.75
    assert settings({"api_usage_limit": 1}, **USER).api_usage_limit == 1.0
    assert settings({}, **USER).api_usage_limit is None


def test_nothing_shows_a_secret() -> None:
    extra = dict.fromkeys(
        ("consumer_key", "consumer_secret", "private_key", "security_token", "access_token"), "S3CR3T"
    )
    found = settings(
        {**extra, "instance_url": URL, "proxies": "http://u:S3CR3T@p"}, login="me", password="S3CR3T"
    )
    assert "S3CR3T" not in repr(found)
    assert found == settings(
        {**extra, "instance_url": URL, "proxies": "http://u:S3CR3T@p"}, login="me", password="S3CR3T"
    )


def test_the_consumer_key_has_a_name_that_airflow_masks(caplog: pytest.LogCaptureFixture) -> None:
    """The name before, which is also that of Airflow's own connections, is read as well."""
    app = {"consumer_secret": "S", "domain": "acme.my"}
    note_old_name.cache_clear()
    with caplog.at_level("INFO"):
        assert settings({**app, "consumer_api_key": "K", "consumer_key": " "}) == settings(
            {**app, "consumer_api_key": "K"}
        )
        found = settings({**app, "consumer_key": "K"})
    assert (found.consumer_key, found.flow) == ("K", Flow.CLIENT)
    assert "consumer_key is read, but shown" in caplog.text
    assert "rename it to consumer_api_key" in caplog.text


def test_of_airflows_own_connections_nothing_is_to_be_renamed(caplog: pytest.LogCaptureFixture) -> None:
    note_old_name.cache_clear()
    extra = json.dumps({**APP, "domain": "acme.my"})
    with caplog.at_level("INFO"):
        SalesforceSettings.from_connection("c", Connection(conn_id="c", conn_type="salesforce", extra=extra))
        with pytest.raises(ConfigurationError, match="give consumer_key, consumer_secret and domain"):
            SalesforceSettings.from_connection("c", Connection(conn_id="c", conn_type="salesforce"))
    assert "rename" not in caplog.text
