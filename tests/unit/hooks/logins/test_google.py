"""A connection becomes settings, settings become credentials, and no secret leaves on the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import google.auth
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import exceptions

from airflow_provider_jobs.errors import ConfigurationError, TransportError
from airflow_provider_jobs.hooks.base import StaticToken
from airflow_provider_jobs.hooks.logins.google import GoogleToken, token_for
from airflow_provider_jobs.hooks.logins.google_settings import IAM_ENDPOINT, SCOPE, BigQuerySettings

if TYPE_CHECKING:
    from pathlib import Path

EXTERNAL = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/x",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/var/run/token"},
}
USER = {
    "type": "authorized_user",
    "client_id": "c",
    "client_secret": "SECRET",
    "refresh_token": "SECRET",
}


IMPERSONATED = {
    "type": "impersonated_service_account",
    "service_account_impersonation_url": (
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b:generateAccessToken"
    ),
    "source_credentials": USER,
}
#: Every kind of document, and the module of google-auth that takes it.
KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "external": (EXTERNAL, "google.auth.identity_pool"),
    "external with a project": (
        {**EXTERNAL, "audience": "//iam.googleapis.com/projects/12/locations/global/workloadIdentityPools/x"},
        "google.auth.identity_pool",
    ),
    "executable": (
        {**EXTERNAL, "credential_source": {"executable": {"command": "/bin/token"}}},
        "google.auth.pluggable",
    ),
    "aws": (
        {
            **EXTERNAL,
            "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
            "credential_source": {
                "environment_id": "aws1",
                "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
                "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
                "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Version=2011-06-15",
            },
        },
        "google.auth.aws",
    ),
    "workforce user": (
        {
            "type": "external_account_authorized_user",
            "audience": "//iam.googleapis.com/locations/global/workforcePools/x/providers/y",
            "client_id": "c",
            "client_secret": "SECRET",
            "refresh_token": "SECRET",
            "token_url": "https://sts.googleapis.com/v1/oauthtoken",
        },
        "google.auth.external_account_authorized_user",
    ),
    "user": (USER, "google.oauth2.credentials"),
    "user of gcloud": (
        {**USER, "client_id": "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com"},
        "google.oauth2.credentials",
    ),
    "impersonated": (IMPERSONATED, "google.auth.impersonated_credentials"),
}

#: Fields that may hold a JSON object, and all fields whose value is text.
DOCUMENTS = ("keyfile_dict", "credential_config_secret", "credential_config_file")
TEXTS = (
    *("project", "location", "api_endpoint", "iam_endpoint", "universe_domain", "quota_project_id"),
    *("scope", "impersonation_chain", "access_token", "key_path", *DOCUMENTS),
)
KEYS_IN_THE_WRONG_FORM = {
    "pem": "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n",
    "encoded twice": json.dumps(json.dumps({"private_key": "SECRET"})),
    "in a list": '[{"private_key": "SECRET"}]',
    "cut off": '{"private_key": "SECRET"',
    "long": "{" + "SECRET" * 999,
    "with a zero": "{SECRET\0",
}


def settings(**extra: Any) -> BigQuerySettings:
    return BigQuerySettings.from_connection("c", extra)


@pytest.fixture(scope="module")
def key() -> dict[str, str]:
    """Return a key file of a service account that nobody has."""
    private = rsa.generate_private_key(65537, 2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "from-key",
        "private_key": pem.decode(),
        "client_email": "me@example.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


class TestSettings:
    """What the connection says."""

    def test_an_empty_connection_has_defaults(self) -> None:
        assert settings() == BigQuerySettings("c", iam_endpoint=IAM_ENDPOINT, scopes=(SCOPE,))

    def test_every_field_is_read(self) -> None:
        assert settings(
            project="p",
            location="EU",
            api_endpoint="https://api",
            iam_endpoint="https://iam",
            scope="a, b",
            quota_project_id="q",
            impersonation_chain="one,two",
            access_token="t",
        ) == BigQuerySettings(
            conn_id="c",
            project="p",
            table_project="p",
            location="EU",
            api_endpoint="https://api",
            iam_endpoint="https://iam",
            scopes=("a", "b"),
            quota_project="q",
            impersonation_chain=("one", "two"),
            credential=("access_token", "t"),
        )

    def test_the_first_credential_counts(self) -> None:
        given = {
            "access_token": "t",
            "keyfile_dict": '{"a": 1}',
            "key_path": "/k",
            "credential_config_file": "/c",
        }
        while given:
            assert settings(**given).credential == next(iter(given.items()))
            del given[next(iter(given))]
        assert settings().credential is None

    def test_googles_older_names_are_read(self) -> None:
        found = settings(extra__google_cloud_platform__project="p", project="")
        assert found.project == "p"

    def test_documents_may_be_objects(self) -> None:
        for name in ("keyfile_dict", "credential_config_file"):
            assert settings(**{name: {"a": 1}}).credential == (name, '{"a": 1}')

    @pytest.mark.parametrize("empty", ["", "  ", None, False])
    def test_an_empty_field_is_none(self, empty: Any) -> None:
        for name in TEXTS:
            assert settings(**{name: empty}) == settings()
            older = {f"extra__google_cloud_platform__{name}": "1"}
            assert settings(**{name: empty}, **older) == settings(**{name: "1"})

    @pytest.mark.parametrize("wrong", [5, True, ["x", 5], {"a": 1}])
    @pytest.mark.parametrize("name", [*TEXTS, "is_anonymous", "key_secret_name"])
    def test_a_field_of_another_type_is_named(self, name: str, wrong: Any) -> None:
        """Not found out where it is used, which ends in an error of Python's own."""
        if isinstance(wrong, dict) and name in DOCUMENTS:
            return
        with pytest.raises(ConfigurationError, match=f"connection c: {name} is "):
            settings(**{name: wrong})

    def test_blanks_around_a_text_are_not_part_of_it(self) -> None:
        assert settings(project=" p\n", key_path=" /k ") == settings(project="p", key_path="/k")
        assert settings(scope=["a ", ""]) == settings(scope="a,")

    def test_a_task_goes_before_the_connection(self) -> None:
        extra = {"project": "p", "impersonation_chain": "one"}
        found = BigQuerySettings.from_connection("c", extra, project="q", impersonation_chain=["two"])
        assert (found.project, found.impersonation_chain) == ("q", ("two",))

    @pytest.mark.parametrize("name", ["key_secret_name", "idp_issuer_url", "is_anonymous"])
    def test_what_is_not_supported_is_said(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match=f"connection c: {name} is not supported"):
            settings(**{name: "x"})
        assert settings(**{name: False}) == settings(**{name: "false"}) == settings()

    @pytest.mark.parametrize(
        "name",
        ["access_token", "keyfile_dict", "credential_config_secret", "credential_config_file", "key_path"],
    )
    def test_no_secret_is_shown(self, name: str) -> None:
        found = settings(**{name: '{"private_key": "SECRET"}'})
        assert found.credential
        assert "SECRET" not in repr(found)


class TestStaticToken:
    """A token that somebody else has fetched."""

    def test_it_is_all_there_is(self) -> None:
        token, project = token_for(settings(access_token="t", quota_project_id="q"))
        assert isinstance(token, StaticToken)
        assert token.headers() == {"Authorization": "Bearer t", "x-goog-user-project": "q"}
        assert not token.renew(token.headers())
        assert project is None

    def test_the_line_end_of_a_pasted_token_is_not_part_of_it(self) -> None:
        token, _ = token_for(settings(access_token=" t\n"))
        assert token.headers() == {"Authorization": "Bearer t"}


class TestDocuments:
    """Keys and configurations, as text and as files."""

    def test_a_key_may_be_text_or_a_file(self, key: dict[str, str], tmp_path: Path) -> None:
        path = tmp_path / "key.json"
        path.write_text(json.dumps(key))
        for found in (settings(keyfile_dict=key), settings(key_path=str(path))):
            token, project = token_for(found)
            assert isinstance(token, GoogleToken)
            assert project == "from-key"
            assert "PRIVATE" not in repr(token)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("field", ["credential_config_secret", "credential_config_file", "keyfile_dict"])
    def test_a_configuration_of_another_kind(self, field: str, kind: str) -> None:
        """Nothing is sent yet, and google-auth's warnings are kept back: in these tests they are errors."""
        document, module = KINDS[kind]
        token, project = token_for(settings(**{field: document}))
        assert isinstance(token, GoogleToken)
        assert type(token._credentials).__module__ == module
        assert project is None
        assert token_for(settings(**{field: {**document, "project_id": "p"}}))[1] == "p"

    @pytest.mark.parametrize(
        "kind", ["external", "external with a project", "aws", "service", "impersonated"]
    )
    def test_the_scopes_are_the_connections(self, kind: str, key: dict[str, str]) -> None:
        document = key if kind == "service" else KINDS[kind][0]
        token, _ = token_for(settings(keyfile_dict=document, scope="a,b"))
        assert isinstance(token, GoogleToken)
        found: Any = token._credentials
        assert (found._target_scopes if kind == "impersonated" else found.scopes) == ["a", "b"]

    @pytest.mark.parametrize(
        ("extra", "text"),
        [
            ({"key_path": "/no/such/key.json"}, "key_path /no/such/key.json cannot be read: No such file"),
            ({"keyfile_dict": "{broken"}, "keyfile_dict is not JSON"),
            ({"keyfile_dict": {"type": "service_account"}}, "credentials are unusable"),
            ({"keyfile_dict": {"type": "pet"}}, "credentials are unusable: .*; look at keyfile_dict$"),
            ({"credential_config_file": {"type": "pet"}}, "are unusable: .*Type is pet, expected one of"),
            ({"credential_config_file": "{}"}, "are unusable: .*Type is None"),
            ({"keyfile_dict": "{}"}, "missing fields"),
            ({"keyfile_dict": {"type": "authorized_user"}}, "missing fields"),
            ({"keyfile_dict": {**EXTERNAL, "credential_source": "text"}}, "are unusable"),
            ({"keyfile_dict": {**EXTERNAL, "credential_source": {}}}, "are unusable: .*credential_source"),
            ({"keyfile_dict": {"type": "impersonated_service_account"}}, "are unusable"),
            ({"keyfile_dict": {"type": "gdch_service_account", "format_version": "2"}}, "are unusable"),
        ],
    )
    def test_what_is_wrong_is_said_in_one_sentence(self, extra: dict[str, Any], text: str) -> None:
        with pytest.raises(ConfigurationError, match=text) as caught:
            token_for(settings(**extra))
        assert str(caught.value).startswith("connection c:")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("content", ["[1]", "{broken", "", "\ufeff{}"])
    def test_a_file_that_is_no_key_is_named(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "key.json"
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=r"connection c: key_path .*key\.json"):
            token_for(settings(key_path=str(path)))

    def test_a_file_that_is_no_text_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "key.p12"
        path.write_bytes(b"\xff\xfe\x00\x80")
        with pytest.raises(ConfigurationError, match="connection c"):
            token_for(settings(key_path=str(path)))

    @pytest.mark.parametrize("kind", KEYS_IN_THE_WRONG_FORM)
    @pytest.mark.parametrize(
        "name", ["keyfile_dict", "credential_config_secret", "credential_config_file", "key_path"]
    )
    def test_a_key_in_the_wrong_form_stays_secret(self, name: str, kind: str) -> None:
        """Encoded twice is how keys in environment variables often come."""
        text = KEYS_IN_THE_WRONG_FORM[kind]
        with pytest.raises(ConfigurationError) as caught:
            token_for(settings(**{name: text}))
        assert "SECRET" not in str(caught.value)

    @pytest.mark.parametrize(
        "document",
        [
            {**USER, "token_uri": "http://198.51.100.1/token"},
            {**EXTERNAL, "token_url": "http://198.51.100.1/token"},
            {**EXTERNAL, "service_account_impersonation_url": "http://198.51.100.1/token"},
            {**IMPERSONATED, "source_credentials": {**USER, "token_uri": "http://198.51.100.1/token"}},
        ],
        ids=["user", "external", "external impersonation", "nested"],
    )
    def test_no_credential_travels_in_clear(
        self, document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(ConfigurationError, match="credentials travel over https"):
            token_for(settings(credential_config_file=document))
        path = tmp_path / "default.json"
        path.write_text(json.dumps(document))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        with pytest.raises(ConfigurationError, match="credentials travel over https"):
            token_for(settings())

    def test_a_key_without_token_address_is_told(self, key: dict[str, str]) -> None:
        without = {name: value for name, value in key.items() if name != "token_uri"}
        with pytest.raises(ConfigurationError, match="token_uri"):
            token_for(settings(keyfile_dict=without))


class TestDefaultsAndChains:
    """Application default credentials, impersonation, quota."""

    def test_without_anything_the_machine_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Credentials:
            valid = True

            def with_quota_project(self, project: str) -> Credentials:
                self.quota = project
                return self

            def apply(self, headers: dict[str, str]) -> None:
                headers["authorization"] = "Bearer adc"
                headers["x-goog-user-project"] = self.quota

        def default(scopes: list[str], request: Any) -> tuple[Credentials, str]:
            assert scopes == ["a"]
            return Credentials(), "from-machine"

        monkeypatch.setattr(google.auth, "default", default)
        token, project = token_for(settings(scope="a", quota_project_id="q"))
        assert token.headers() == {"Authorization": "Bearer adc", "x-goog-user-project": "q"}
        assert project == "from-machine"

    def test_a_machine_that_cannot_ask_for_its_project_may_try_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def default(scopes: list[str], request: Any) -> None:
            raise exceptions.TransportError("https://secret.example/SECRET")

        monkeypatch.setattr(google.auth, "default", default)
        with pytest.raises(TransportError, match=r"connection c: .*could not be reached") as caught:
            token_for(settings())
        assert caught.value.retryable

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ('{"private_key": "SECRET"}', "is not a path"),
            ("/no/such/key.json", "CREDENTIALS /no/such/key.json cannot be read: No such file"),
        ],
    )
    def test_the_environment_names_a_file(
        self, text: str, says: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who sets the key itself must not read it in a log."""
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", text)
        with pytest.raises(ConfigurationError, match=says) as caught:
            token_for(settings())
        assert "SECRET" not in str(caught.value)

    def test_a_machine_without_credentials_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def default(scopes: list[str], request: Any) -> None:
            raise exceptions.DefaultCredentialsError("no credentials here")

        monkeypatch.setattr(google.auth, "default", default)
        with pytest.raises(ConfigurationError, match=r"connection c: .*no credentials here"):
            token_for(settings())

    def test_a_chain_ends_with_who_acts(self) -> None:
        token, _ = token_for(
            settings(access_token="t", impersonation_chain="a@p,b@p,c@p", iam_endpoint="http://127.0.0.1:9/")
        )
        assert isinstance(token, GoogleToken)
        made: Any = token._credentials
        assert (made._target_principal, made._delegates) == ("c@p", ["a@p", "b@p"])
        assert made._iam_endpoint_override == (
            "http://127.0.0.1:9/v1/projects/-/serviceAccounts/c@p:generateAccessToken"
        )

    def test_a_chain_is_not_asked_for_in_clear(self) -> None:
        with pytest.raises(ConfigurationError, match="credentials travel over https"):
            token_for(
                settings(access_token="t", impersonation_chain="a@p", iam_endpoint="http://198.51.100.1")
            )

    @pytest.mark.parametrize("account", ["a/b", "a b", "../x", "a?b", "a#b"])
    def test_an_account_becomes_no_other_path(self, account: str) -> None:
        with pytest.raises(ConfigurationError, match="impersonation_chain"):
            token_for(settings(access_token="t", impersonation_chain=account))
