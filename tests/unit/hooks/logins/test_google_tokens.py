"""Tokens: fetched when needed, renewed once, shared by all threads, with the key that counts now."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from google.auth import exceptions

from airflow_provider_jobs.errors import AuthenticationError, ConfigurationError, TransportError
from airflow_provider_jobs.hooks.logins.google import GoogleToken, token_for
from airflow_provider_jobs.hooks.logins.google_settings import BigQuerySettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class FakeCredentials:
    """Tokens with numbers, after the errors that it is told to raise first."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.number = 0

    @property
    def valid(self) -> bool:
        return self.number > 0

    @property
    def token(self) -> str:
        return str(self.number)

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
        return GoogleToken("c", lambda: (made, None))

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


class KeyFile:
    """A key file, what is made of it, and a token service that refuses some keys."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reads = 0
        self.asked: list[str] = []
        self.refused: set[str] = set()
        self.out = False
        self.signal: Callable[[], object] = lambda: None
        self.rotate("old")

    def rotate(self, key: str) -> None:
        self.path.write_text(key)

    def token(self) -> GoogleToken:
        return GoogleToken("c", self.load, str(self.path))

    def load(self) -> Any:
        self.reads += 1
        key = self.path.read_text()
        if key == "half":
            raise ConfigurationError("connection c: key_path is not JSON")
        return KeyCredentials(self, key), None


class KeyCredentials:
    """Tokens that are named after their key."""

    def __init__(self, file: KeyFile, key: str) -> None:
        self.file, self.key = file, key
        self.token: str | None = None

    @property
    def valid(self) -> bool:
        return self.token is not None and self.key not in self.file.refused

    def refresh(self, request: Any) -> None:
        signal, self.file.signal = self.file.signal, lambda: None
        signal()
        self.file.asked.append(self.key)
        if self.file.out:
            raise exceptions.TransportError("no reply")
        if self.key in self.file.refused:
            raise exceptions.RefreshError(f"invalid_grant: {self.key}")
        self.token = f"{self.key}-{self.file.asked.count(self.key)}"

    def apply(self, headers: dict[str, str]) -> None:
        if self.token is None:  # as google-auth has it
            raise exceptions.InvalidValue("None could not be converted to unicode")
        headers["authorization"] = f"Bearer {self.token}"


class TestRotation:
    """The file is looked at once for each refusal, and read if it holds something else."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> KeyFile:
        return KeyFile(tmp_path / "key.json")

    @pytest.mark.parametrize("rejected_first", [True, False])
    def test_a_key_that_gets_no_token_any_more(self, file: KeyFile, *, rejected_first: bool) -> None:
        token = file.token()
        rejected = token.headers()
        file.refused.add("old")
        with pytest.raises(AuthenticationError, match="invalid_grant: old"):
            token.renew(rejected) if rejected_first else token.headers()
        file.rotate("new")
        assert token.headers() == {"Authorization": "Bearer new-1"}
        assert (file.asked, file.reads) == (["old", "old", "old", "new"], 2)

    def test_a_key_whose_fresh_token_is_rejected(self, file: KeyFile) -> None:
        """The token service would still take it."""
        token = file.token()
        rejected = token.headers()
        file.rotate("new")
        assert token.headers() == rejected  # nobody has refused it yet
        assert token.renew(rejected)
        assert token.headers() == {"Authorization": "Bearer new-1"}
        assert file.asked == ["old", "new"]

    def test_a_file_that_holds_the_same_is_not_read_again(self, file: KeyFile) -> None:
        token = file.token()
        assert token.renew(token.headers())
        file.rotate("old")
        file.refused.add("old")
        for asked in (3, 4):
            with pytest.raises(AuthenticationError, match="invalid_grant: old"):
                token.headers()
            assert (len(file.asked), file.reads) == (asked, 1)

    def test_a_new_key_that_is_refused_too(self, file: KeyFile) -> None:
        token = file.token()
        file.refused |= {"old", "new"}
        file.rotate("new")
        with pytest.raises(AuthenticationError, match="invalid_grant: new"):
            token.headers()
        assert (file.asked, file.reads) == (["old", "new"], 2)

    @pytest.mark.parametrize("state", ["half written", "gone", "a folder"])
    def test_a_file_that_is_just_being_replaced(
        self, file: KeyFile, state: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The refusal is told as it is, and what has been read stays in use."""
        token = file.token()
        file.refused.add("old")
        file.path.unlink()
        if state == "half written":
            file.rotate("half")
        elif state == "a folder":
            file.path.mkdir()
        with pytest.raises(AuthenticationError, match="invalid_grant: old"):
            token.headers()
        assert ("not JSON; going on" in caplog.text) is (state == "half written")
        if state == "a folder":
            file.path.rmdir()
        file.refused.clear()
        assert token.headers() == {"Authorization": "Bearer old-2"}
        file.refused.add("old")
        file.rotate("new")
        assert token.headers() == {"Authorization": "Bearer new-1"}

    def test_threads_share_the_new_key(self, file: KeyFile) -> None:
        token, together = file.token(), threading.Barrier(8)
        rejected = token.headers()
        file.refused.add("old")
        file.rotate("new")

        def ask(_: int) -> dict[str, str]:
            together.wait()
            token.renew(rejected)
            return token.headers()

        with ThreadPoolExecutor(8) as pool:
            assert {each["Authorization"] for each in pool.map(ask, range(8))} == {"Bearer new-1"}
        assert (file.asked, file.reads) == (["old", "new"], 2)

    def test_threads_share_a_new_key_that_gets_no_token_yet(self, file: KeyFile) -> None:
        """The first of them has read the key, and could not reach who gives tokens."""
        token = file.token()
        rejected = token.headers()
        file.rotate("new")
        file.out = True
        for _ in range(2):
            with pytest.raises(TransportError, match="could not be reached"):
                token.renew(rejected)
        file.out = False
        assert token.renew(rejected)
        assert token.headers() == {"Authorization": "Bearer new-3"}
        assert file.reads == 2

    def test_a_signal_handler_in_between_does_no_harm(self, file: KeyFile) -> None:
        """A kill cancels the job by the token that this very thread is fetching."""
        token = file.token()
        file.refused.add("old")
        file.rotate("new")
        seen: list[dict[str, str]] = []
        file.signal = lambda: seen.append(token.headers())
        assert token.headers()["Authorization"].startswith("Bearer new-")
        assert seen == [{"Authorization": "Bearer new-1"}]

    def test_where_there_is_no_file_there_is_nothing_to_look_at(self, file: KeyFile) -> None:
        token = GoogleToken("c", file.load)
        file.refused.add("old")
        file.rotate("new")
        with pytest.raises(AuthenticationError, match="invalid_grant: old"):
            token.headers()
        assert file.reads == 1


USER = {"type": "authorized_user", "client_id": "c", "client_secret": "s"}


@pytest.mark.parametrize(
    "place",
    [
        "key_path",
        "credential_config_secret",
        "credential_config_file",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "CLOUDSDK_CONFIG",
    ],
)
@pytest.mark.parametrize("chain", [None, "robot@p.iam"])
def test_every_file_that_holds_credentials_is_looked_at(
    place: str, chain: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signing in anew with gcloud is a rotation too."""
    path = tmp_path / "application_default_credentials.json"
    path.write_text(json.dumps({**USER, "refresh_token": "old"}))
    extra = {"impersonation_chain": chain}
    monkeypatch.setenv("PATH", "")  # gcloud itself is not asked
    if place.isupper():
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        monkeypatch.setenv(place, str(path if place.startswith("GOOGLE") else tmp_path))
    else:
        extra[place] = str(path)
    token, _ = token_for(BigQuerySettings.from_connection("c", extra))
    assert isinstance(token, GoogleToken)

    def refresh_token() -> str:
        credentials: Any = token._credentials
        return str((credentials._source_credentials if chain else credentials).refresh_token)

    assert refresh_token() == "old"
    assert not token._reload()
    path.write_text(json.dumps({**USER, "refresh_token": "new"}))
    assert token._reload()
    assert refresh_token() == "new"
    assert not token._reload()
