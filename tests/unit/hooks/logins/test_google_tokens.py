"""Tokens: fetched when needed, renewed once, shared by all threads."""

from __future__ import annotations

from typing import Any

import pytest
from google.auth import exceptions

from airflow_provider_jobs.errors import AuthenticationError, TransportError
from airflow_provider_jobs.hooks.logins.google import GoogleToken


class FakeCredentials:
    """Tokens with numbers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.number = 0

    @property
    def valid(self) -> bool:
        return self.number > 0

    def refresh(self, request: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.number += 1

    def apply(self, headers: dict[str, str]) -> None:
        headers["authorization"] = f"Bearer {self.number}"


class TestGoogleToken:
    """One token for all threads."""

    def token(self, *errors: Exception) -> GoogleToken:
        made: Any = FakeCredentials(*errors)
        return GoogleToken(made, "c")

    def test_it_is_fetched_when_needed_and_kept(self) -> None:
        token = self.token()
        assert token.headers() == token.headers() == {"Authorization": "Bearer 1"}

    def test_it_is_renewed_once_however_many_were_rejected(self) -> None:
        token = self.token()
        rejected = token.headers()
        assert token.renew(rejected)
        assert token.renew(rejected)
        assert token.headers() == {"Authorization": "Bearer 2"}

    def test_a_token_service_out_of_reach_is_asked_again_later(self) -> None:
        token = self.token(exceptions.TransportError("https://secret.example/SECRET"))
        with pytest.raises(TransportError, match="could not be reached") as caught:
            token.headers()
        assert caught.value.retryable
        assert not caught.value.may_have_happened
        assert "SECRET" not in str(caught.value)
        assert token.headers() == {"Authorization": "Bearer 1"}

    @pytest.mark.parametrize("retryable", [True, False])
    def test_a_refusal_says_why(self, *, retryable: bool) -> None:
        error = exceptions.RefreshError("invalid_grant: gone", {"error": "x"}, retryable=retryable)
        with pytest.raises(AuthenticationError, match=r"connection c: .*invalid_grant: gone") as caught:
            self.token(error).headers()
        assert caught.value.retryable is retryable

    def test_a_refusal_without_words_is_one_too(self) -> None:
        with pytest.raises(AuthenticationError):
            self.token(exceptions.RefreshError()).headers()
