"""Uploads that end well, whatever happens on the way: a service without sockets, a clock without pauses."""

from __future__ import annotations

import gzip
import io
import random
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.sources.csv_records import CsvForm
from airflow_provider_jobs.core.sources.slices import joined
from airflow_provider_jobs.core.sources.source import BLOCK_BYTES, GzipSource, Media, Source
from airflow_provider_jobs.core.upload import uploader
from airflow_provider_jobs.core.upload.protocol import UNIT_BYTES
from airflow_provider_jobs.core.upload.uploader import PATIENCE, Uploader
from airflow_provider_jobs.errors import ProtocolError, TransportError, UploadExpired
from tests.unit.core.upload.storage import FINE, LOST, URL, Storage, answered, cut, refusal, source_of

if TYPE_CHECKING:
    from airflow_provider_jobs.core.http.messages import Reply

ROWS = b"0123456789" * 10
WINDOW = 2 * UNIT_BYTES


def pattern(count: int) -> bytes:
    """Return bytes that are different everywhere, so that no shift goes unseen."""
    return b"".join(number.to_bytes(4, "big") for number in range(-(-count // 4)))[:count]


def send(storage: Storage, source: Source, *, resume: bool = False, **options: Any) -> Reply:
    sender = Uploader(storage, URL, Media(source), window_bytes=WINDOW, **options)
    return sender.send(refusal, resume=resume)


class TestKnownSize:
    """One open request from the confirmed offset on."""

    def test_goes_in_one_request(self) -> None:
        storage = Storage()
        reply = send(storage, source_of(ROWS))
        assert reply.json() == {"done": True}
        assert storage.ranges == ["0-99/100"]
        assert storage.stored == ROWS
        assert storage.clock.pauses == []

    def test_nothing_goes_in_an_empty_request(self) -> None:
        storage = Storage()
        send(storage, source_of(b""))
        assert storage.ranges == ["*/0"]
        assert storage.complete

    @pytest.mark.parametrize("size", [BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
    def test_blocks_leave_no_gap(self, size: int) -> None:
        content, storage = pattern(size), Storage()
        send(storage, source_of(content))
        assert storage.stored == content

    def test_after_a_cut_the_service_is_asked_and_gets_the_rest(self) -> None:
        storage = Storage(cut(70, kept=60))
        send(storage, source_of(ROWS))
        assert storage.ranges == ["0-99/100", "*/100", "60-99/100"]
        assert storage.stored == ROWS
        assert storage.clock.pauses == [1]

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 520])
    def test_after_a_transient_answer_the_service_is_asked(self, status: int) -> None:
        storage = Storage(answered(status, kept=30), answered(status))
        send(storage, source_of(ROWS))
        assert storage.ranges == ["0-99/100", "*/100", "*/100", "30-99/100"]
        assert storage.stored == ROWS

    def test_a_short_308_is_gone_on_from_at_once(self) -> None:
        storage = Storage(*(answered(308, kept=10, stored=stored) for stored in (10, 20)))
        send(storage, source_of(ROWS))
        assert storage.ranges == ["0-99/100", "10-99/100", "20-99/100"]
        assert storage.stored == ROWS
        assert storage.clock.pauses == []

    def test_a_308_without_range_begins_anew(self) -> None:
        storage = Storage(answered(308))
        send(storage, source_of(ROWS))
        assert storage.ranges == ["0-99/100", "0-99/100"]
        assert storage.stored == ROWS
        assert storage.clock.pauses == [1], "who stores nothing is not asked again and again"

    def test_the_question_may_be_answered_without_range_too(self) -> None:
        storage = Storage(cut(50, kept=0))
        send(storage, source_of(ROWS))
        assert storage.ranges == ["0-99/100", "*/100", "0-99/100"]

    def test_a_service_that_has_it_all_and_not_ended_is_asked_to_end(self) -> None:
        storage = Storage(answered(308, kept=100, stored=100))
        send(storage, source_of(ROWS))
        assert storage.ranges == ["0-99/100", "*/100"]

    def test_a_lost_last_reply_is_asked_for(self) -> None:
        storage = Storage(LOST)
        reply = send(storage, source_of(ROWS))
        assert reply.json() == {"done": True}
        assert storage.ranges == ["0-99/100", "*/100"]

    def test_what_an_earlier_attempt_sent_is_not_sent_again(self) -> None:
        storage = Storage(stored=ROWS[:60])
        send(storage, source_of(ROWS), resume=True)
        assert storage.ranges == ["*/100", "60-99/100"]
        assert storage.stored == ROWS

    def test_an_earlier_attempt_may_have_sent_everything(self) -> None:
        storage = Storage(stored=ROWS)
        storage.complete = True
        send(storage, source_of(ROWS), resume=True)
        assert storage.ranges == ["*/100"]

    def test_readers_are_closed(self) -> None:
        opened: list[Any] = []
        send(Storage(cut(10), answered(503), FINE), source_of(ROWS, opened=opened))
        assert [reader.closed for reader in opened] == [True, True]

    def test_a_source_that_cannot_be_read_for_a_while_is_not_taken_for_the_service(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Failing:
            def read(self, size: int = -1, /) -> bytes:
                raise TimeoutError

            def close(self) -> None:
                pass

        readers = iter([Failing(), source_of(ROWS).open()])
        storage = Storage()
        send(storage, source_of(ROWS, opener=lambda: next(readers)))
        assert storage.stored == ROWS
        assert "rows.csv cannot be read: TimeoutError; going on" in caplog.text


class TestUnknownSize:
    """Windows, each kept until it is confirmed."""

    def test_a_window_that_could_not_be_filled_leaves_nothing_of_the_one_before(self) -> None:
        content = pattern(5 * WINDOW)

        class Stuttering:
            """Fails once in the second window, after more than a unit of it."""

            at, failed = 0, False

            def read(self, size: int = -1, /) -> bytes:
                if self.at >= WINDOW + 300_000 and not self.failed:
                    self.failed = True
                    raise TransportError("the store does not answer")
                block = content[self.at : self.at + min(size, 100_000)]
                self.at += len(block)
                return block

            def close(self) -> None:
                pass

        storage = Storage()
        send(storage, source_of(content, sized=False, opener=Stuttering))
        assert storage.stored == content
        assert storage.clock.pauses == [1]

    @pytest.mark.parametrize("begins", [0, 5, 100_000, 1_500_000])
    def test_a_store_that_was_away_is_not_taken_for_a_broken_gzip_file(self, begins: int) -> None:
        """Of files that are joined as text and compressed again: buffers lost what they had."""
        text = random.Random(5).randbytes(2_000_000) + b"\n"  # noqa: S311 - the same in each run
        packed = gzip.compress(text, 1)
        away: list[str] = []

        class Stored(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                if away and self.tell() >= begins:
                    raise TransportError(away.pop())
                return super().read(min(size or 0, 100_000))

        source = source_of(packed, opener=lambda: Stored(packed))
        sent = GzipSource(joined({"rows": source}, CsvForm(quote="")))
        away += ["the store does not answer"] * 2
        storage = Storage()
        send(storage, sent)
        assert gzip.decompress(storage.stored) == text
        assert storage.clock.pauses == [1, 2]

    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            (0, ["*/0"]),
            (1, ["0-0/1"]),
            (UNIT_BYTES, ["0-262143/262144"]),
            (WINDOW - 1, ["0-524286/524287"]),
            (WINDOW, ["0-524287/*", "*/524288"]),
            (WINDOW + 1, ["0-524287/*", "524288-524288/524289"]),
            (2 * WINDOW, ["0-524287/*", "524288-1048575/*", "*/1048576"]),
        ],
    )
    def test_goes_in_windows(self, size: int, expected: list[str]) -> None:
        content, storage = pattern(size), Storage()
        send(storage, source_of(content, sized=False))
        assert storage.ranges == expected
        assert storage.stored == content
        assert storage.complete

    def test_a_window_is_sent_again_from_where_the_service_is(self) -> None:
        content, storage = pattern(WINDOW + 10), Storage(FINE, cut(5), FINE, cut(3), answered(503))
        opened: list[Any] = []
        send(storage, source_of(content, sized=False, opened=opened))
        assert storage.stored == content
        assert storage.ranges[1:4] == ["524288-524297/524298", "*/524298", "524293-524297/524298"]
        assert len(opened) == 1, "it is read once"
        assert opened[0].closed

    def test_pieces_stay_whole_units_wherever_the_service_stops(self) -> None:
        """Services refuse others, the last excepted; an offset amid a unit must not make them."""
        content = pattern(3 * WINDOW)
        storage = Storage(cut(100), FINE, cut(UNIT_BYTES + 1), FINE, cut(7))
        send(storage, source_of(content, sized=False))
        assert storage.stored == content
        assert storage.ranges[2] == f"100-{99 + UNIT_BYTES}/*"

    def test_the_service_may_have_everything_but_the_end(self) -> None:
        storage = Storage(LOST)
        content = pattern(WINDOW)
        send(storage, source_of(content, sized=False))
        assert storage.ranges == ["0-524287/*", "*/*", "*/524288"]

    def test_a_lost_last_reply_is_asked_for(self) -> None:
        storage = Storage(FINE, LOST)
        send(storage, source_of(pattern(WINDOW + 1), sized=False))
        assert storage.ranges[-1] == "*/524289"

    @pytest.mark.parametrize(
        "stored", [1, UNIT_BYTES, WINDOW - 1, WINDOW, WINDOW + 7, 2 * WINDOW, 2 * WINDOW + 9]
    )
    def test_what_an_earlier_attempt_sent_is_not_sent_again(self, stored: int) -> None:
        content = pattern(2 * WINDOW + 9)
        storage = Storage(stored=content[:stored])
        send(storage, source_of(content, sized=False), resume=True)
        assert storage.stored == content
        assert sum(asked.taken for asked in storage.asked) == len(content) - stored
        assert storage.ranges[0] == "*/*"

    def test_an_earlier_attempt_may_have_sent_everything(self) -> None:
        storage = Storage(stored=ROWS)
        storage.complete = True
        send(storage, source_of(ROWS, sized=False), resume=True)
        assert storage.ranges == ["*/*"]

    def test_a_service_that_loses_what_it_confirmed_needs_another_session(self) -> None:
        """A window that was confirmed is kept no longer."""
        storage = Storage(FINE, cut(10), answered(308, stored=10))
        with pytest.raises(UploadExpired, match="lost bytes"):
            send(storage, source_of(pattern(2 * WINDOW), sized=False))

    def test_a_compressed_file_goes_on_amid_its_bytes(self) -> None:
        source = GzipSource(source_of(pattern(4 * WINDOW)))
        whole = source.open().read()
        storage = Storage(cut(1000), FINE, LOST, answered(503))
        send(storage, source)
        assert storage.stored == whole
        again = Storage(stored=whole[: WINDOW + 5])
        send(again, source, resume=True)
        assert again.stored == whole


class TestPatience:
    """Failures in a row have an end; whatever the service confirms begins the count anew."""

    def test_ends_after_so_many_failures(self) -> None:
        storage = Storage(*[cut(0)] * 100)
        with pytest.raises(Exception, match="Connection reset by peer"):
            send(storage, source_of(ROWS))
        assert len(storage.asked) == PATIENCE.attempts
        assert storage.clock.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]

    def test_ends_with_what_the_service_said(self) -> None:
        with pytest.raises(Exception, match="refused 503"):
            send(Storage(*[answered(503)] * 100), source_of(ROWS))

    def test_a_service_that_takes_everything_and_stores_nothing_has_no_end_of_its_own(self) -> None:
        storage = Storage(*[answered(308)] * 100)
        with pytest.raises(ProtocolError, match="stores nothing"):
            send(storage, source_of(ROWS))
        assert len(storage.asked) == PATIENCE.attempts

    def test_a_service_that_stores_a_byte_at_a_time_is_given_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(uploader, "_MOST_SHORT", 50)
        storage = Storage(*[answered(308, kept=1, stored=stored) for stored in range(1, 100)])
        with pytest.raises(ProtocolError, match="a few bytes at a time"):
            send(storage, source_of(ROWS))
        assert len(storage.asked) == 51

    def test_a_cut_that_the_question_survives_is_a_failure_still(self) -> None:
        storage = Storage(*[cut(50, kept=0), FINE] * 100)
        with pytest.raises(Exception, match="Connection reset"):
            send(storage, source_of(ROWS))
        assert len(storage.clock.pauses) == PATIENCE.attempts - 1

    def test_progress_begins_the_count_anew(self) -> None:
        storage = Storage(*[cut(1), answered(503), answered(503), FINE] * 99)
        send(storage, source_of(ROWS))
        assert storage.stored == ROWS
        assert max(storage.clock.pauses) == 4

    def test_a_service_that_asks_for_time_gets_it(self) -> None:
        storage = Storage(answered(503, retry_after=45))
        send(storage, source_of(ROWS))
        assert storage.clock.pauses == [45]

    def test_a_service_that_asks_for_too_much_time_is_not_waited_for(self) -> None:
        storage = Storage(*[answered(429, retry_after=250)] * 9)
        with pytest.raises(Exception, match="refused 429"):
            send(storage, source_of(ROWS))
        assert storage.clock.pauses == []
