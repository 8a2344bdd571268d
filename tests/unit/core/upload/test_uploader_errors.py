"""Uploads that cannot end well: which error, what was sent by then, and what it keeps to itself."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, FileSource, GzipSource, Media, Source
from airflow_provider_jobs.core.upload.protocol import UNIT_BYTES
from airflow_provider_jobs.core.upload.uploader import Uploader
from airflow_provider_jobs.errors import (
    AuthenticationError,
    ConfigurationError,
    JobsError,
    ProtocolError,
    ServiceError,
    SourceChanged,
    TransportError,
    UploadExpired,
)
from tests.unit.core.upload.storage import FINE, LOST, URL, Fault, Storage, answered, cut, refusal, source_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = b"0123456789" * 10


def send(storage: Storage, source: Source, *, resume: bool = False, **options: Any) -> None:
    uploader = Uploader(storage, URL, Media(source), window_bytes=UNIT_BYTES, **options)
    uploader.send(refusal, resume=resume)


class TestTokens:
    """A rejected token is renewed once in a row."""

    def test_goes_on_with_a_new_one(self) -> None:
        storage = Storage(answered(401, kept=40), FINE, answered(401, kept=10))
        send(storage, source_of(ROWS))
        assert storage.stored == ROWS
        assert [asked.authorization for asked in storage.asked] == [
            "Bearer 1",
            "Bearer 2",
            "Bearer 2",
            "Bearer 3",
            "Bearer 3",
        ]

    def test_gives_up_if_the_new_one_is_rejected_too(self) -> None:
        """Nobody waits ten minutes to hear that a token is wrong."""
        storage = Storage(answered(401), answered(401))
        with pytest.raises(AuthenticationError):
            send(storage, source_of(ROWS))
        assert len(storage.asked) == 2

    def test_stays_away_from_a_host_that_must_not_see_it(self) -> None:
        storage = Storage(cut(10), answered(401))
        send(storage, source_of(ROWS), authorized=False)
        assert {asked.authorization for asked in storage.asked} == {None}

    @pytest.mark.parametrize(
        "outage",
        [
            TransportError("no token", sent=False),
            AuthenticationError("503", status=401, reason="authError", retryable=True),
        ],
    )
    def test_a_token_that_cannot_be_had_for_a_while_is_waited_for(self, outage: JobsError) -> None:
        storage = Storage(outage)
        send(storage, source_of(ROWS))
        assert storage.clock.pauses == [1]


class TestRefusals:
    """What is raised at once, and what is not."""

    @pytest.mark.parametrize("status", [400, 403, 409, 412, 302])
    def test_the_service_says_why(self, status: int) -> None:
        storage = Storage(answered(status))
        with pytest.raises(ServiceError, match=f"refused {status}"):
            send(storage, source_of(ROWS))
        assert len(storage.asked) == 1

    def test_a_refusal_for_now_is_waited_for(self) -> None:
        """BigQuery says 403 for too many requests, too."""
        storage = Storage(answered(403, kept=10, reason="rateLimitExceeded"))
        send(storage, source_of(ROWS))
        assert storage.ranges == ["0-99/100", "*/100", "10-99/100"]

    @pytest.mark.parametrize("status", [404, 410])
    @pytest.mark.parametrize("before", [[], [cut(50)], [cut(50), FINE]])
    def test_an_expired_session_is_not_sent_to_again(self, status: int, before: list[Fault]) -> None:
        storage = Storage(*before, answered(status))
        with pytest.raises(UploadExpired):
            send(storage, source_of(ROWS))
        assert len(storage.asked) == len(before) + 1

    def test_a_certificate_that_is_not_trusted_is_not_asked_for_twice(self) -> None:
        storage = Storage(TransportError("no", retryable=False))
        with pytest.raises(TransportError):
            send(storage, source_of(ROWS))
        assert storage.clock.pauses == []

    def test_an_address_that_is_refused_is_not_asked_for_twice(self) -> None:
        with pytest.raises(ConfigurationError):
            send(Storage(ConfigurationError("no")), source_of(ROWS))

    @pytest.mark.parametrize(
        "faults",
        [
            [answered(308, kept=100, stored=101)],
            [Fault(taken=10, kept=10, status=200)],
            [Fault(taken=10, kept=10, status=308, headers={"Range": "bytes=0-10"})],
            [cut(50), answered(308, stored=51)],
            [cut(50), answered(200)],
            [Fault(kept=0, taken=99, status=503), answered(201)],
            [Fault(status=308, headers={"Range": "bytes=5-99"})],
        ],
    )
    def test_a_claim_that_cannot_be_true_ends_the_upload(self, faults: list[Fault]) -> None:
        """Above all a success before the last byte has left: it would be a table of half the rows."""
        storage = Storage(*faults)
        with pytest.raises(ProtocolError):
            send(storage, source_of(ROWS))
        assert len(storage.asked) == len(faults)

    def test_success_amid_a_source_of_unknown_size_is_not_believed(self) -> None:
        with pytest.raises(ProtocolError, match=r"complete after 262144 bytes of None"):
            send(Storage(Fault(status=200)), source_of(bytes(UNIT_BYTES), sized=False))


def shrink(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def rewrite(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def replace(path: Path) -> None:
    (new := path.with_name("new")).write_bytes(path.read_bytes()[::-1])
    new.replace(path)


class TestChanges:
    """A source that is changed while it is sent never arrives whole: what is complete is registered."""

    @pytest.mark.parametrize("change", [shrink, grow, rewrite, replace, lambda path: path.unlink()])
    @pytest.mark.parametrize("compress", [False, True])
    @pytest.mark.parametrize("faults", [[], [cut(BLOCK_BYTES)]])
    def test_the_last_byte_is_held_back(
        self, tmp_path: Path, change: Callable[[Path], None], compress: bool, faults: list[Fault]
    ) -> None:
        path = tmp_path / "rows.csv"
        path.write_bytes(bytes(2 * BLOCK_BYTES + 5) + b"end")
        source: Source = FileSource(path)
        changed: list[int] = []

        def on_progress(sent: int, _total: int | None) -> None:
            if not changed:
                change(path)
            changed.append(sent)

        if compress:
            change(path)
            source = GzipSource(source)
        storage = Storage(*faults)
        with pytest.raises(SourceChanged, match=r"rows\.csv"):
            Uploader(storage, URL, Media(source, on_progress=on_progress)).send(refusal)
        assert not storage.complete
        assert compress or len(storage.stored) < 2 * BLOCK_BYTES + 8

    @pytest.mark.parametrize("size", [0, UNIT_BYTES])
    def test_an_upload_that_ends_without_a_byte_is_held_back_too(self, size: int) -> None:
        source = source_of(bytes(size), sized=False, look=lambda: "other")
        storage = Storage()
        with pytest.raises(SourceChanged):
            send(storage, source)
        assert not storage.complete

    @pytest.mark.parametrize(("real", "size"), [(ROWS, 99), (ROWS, 101)])
    def test_a_reader_that_gives_another_size_than_it_said_is_found_out(self, real: bytes, size: int) -> None:
        """An object that its store decompresses on the way has a time and a size of its own."""
        source = source_of(real)
        lying = source_of(bytes(size), opener=source.opener)
        storage = Storage()
        with pytest.raises(SourceChanged, match="became longer" if size < 100 else "became shorter"):
            send(storage, lying)
        assert not storage.complete

    def test_what_an_earlier_attempt_sent_must_still_be_there(self) -> None:
        storage = Storage(stored=ROWS)
        with pytest.raises(SourceChanged):
            send(storage, source_of(ROWS[:50], sized=False), resume=True)


class TestProgress:
    """Whoever asked is told."""

    def told(self, storage: Storage, source: Source) -> list[tuple[int, int | None]]:
        news: list[tuple[int, int | None]] = []
        media = Media(source, on_progress=lambda *each: news.append(each))
        Uploader(storage, URL, media, window_bytes=UNIT_BYTES).send(refusal)
        return news

    def test_of_a_known_size(self) -> None:
        assert self.told(Storage(), source_of(ROWS))[-1] == (100, 100)

    def test_goes_back_with_the_service(self) -> None:
        news = [sent for sent, _ in self.told(Storage(cut(90, kept=10)), source_of(ROWS))]
        assert news[news.index(90) + 1] < 90
        assert news[-1] == 100

    def test_of_an_unknown_size_the_total_comes_last(self) -> None:
        news = self.told(Storage(), source_of(bytes(UNIT_BYTES + 1), sized=False))
        assert {total for _, total in news[:-1]} == {None}
        assert news[-1] == (UNIT_BYTES + 1, UNIT_BYTES + 1)


@pytest.mark.parametrize(
    "faults",
    [
        [LOST] * 99,
        [answered(503)] * 99,
        [answered(308)] * 99,
        [answered(400)],
        [answered(401)] * 2,
        [answered(410)],
        [Fault(taken=10, kept=10, status=200)],
        [Fault(status=308, headers={"Range": "bytes=5-99"})],
    ],
)
def test_no_address_of_a_session_is_shown(faults: list[Fault], caplog: pytest.LogCaptureFixture) -> None:
    """Whoever has it can upload."""
    uploader = Uploader(Storage(*faults), URL, Media(source_of(ROWS)))
    with caplog.at_level(logging.DEBUG), pytest.raises(JobsError) as caught:
        uploader.send(refusal)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert "S3CR3T" not in shown + caplog.text + repr(uploader)
