"""The upload protocol by hand-made replies: each has one meaning, and none is believed beyond what can be."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_jobs.core.upload.protocol import ResumableUpload, Step, stored_bytes
from airflow_provider_jobs.errors import ProtocolError, UploadExpired

TRANSIENT = [408, 429, 500, 502, 503, 504, 507, 520, 599]
REFUSED = [100, 202, 204, 206, 300, 301, 302, 307, 400, 403, 409, 411, 412, 413, 416, 418, 600]
TOTALS = st.none() | st.integers(0, 1 << 40)


def upload(total: int | None = 100, offset: int = 0, sent: int | None = 0) -> ResumableUpload:
    return ResumableUpload(total, offset, sent)


def confirmed(count: int) -> dict[str, str]:
    return {"Range": f"bytes=0-{count - 1}"} if count else {}


class TestWhatIsAsked:
    """The Content-Range of each request."""

    @pytest.mark.parametrize(
        ("total", "offset", "length", "expected"),
        [
            (100, 0, 100, "bytes 0-99/100"),
            (100, 40, 60, "bytes 40-99/100"),
            (1, 0, 1, "bytes 0-0/1"),
            (None, 0, 262144, "bytes 0-262143/*"),
            (None, 262144, 262144, "bytes 262144-524287/*"),
            (524288, 524288, 0, "bytes */524288"),
            (0, 0, 0, "bytes */0"),
        ],
    )
    def test_data(self, total: int | None, offset: int, length: int, expected: str) -> None:
        assert upload(total, offset).content_range(length) == expected

    @pytest.mark.parametrize(
        ("total", "expected"), [(100, "bytes */100"), (0, "bytes */0"), (None, "bytes */*")]
    )
    def test_status(self, total: int | None, expected: str) -> None:
        assert upload(total).content_range(0) == expected


class TestRepliesToData:
    """The left column of the table."""

    @pytest.mark.parametrize("stored", [0, 1, 50, 99, 100])
    def test_308_moves_the_offset_to_what_is_stored(self, stored: int) -> None:
        """No ``Range`` means nothing; even less than was sent, or than was confirmed before, is believed."""
        machine = upload(offset=20)
        assert machine.after_data(308, confirmed(stored), 80) is Step.SEND
        assert machine.offset == stored

    def test_308_that_claims_more_than_was_sent_is_not_believed(self) -> None:
        machine = upload(None)
        with pytest.raises(ProtocolError, match="claims 11 bytes, and only 10 were sent"):
            machine.after_data(308, confirmed(11), 10)
        assert machine.offset == 0

    @pytest.mark.parametrize("status", [200, 201])
    def test_success_ends_an_upload_that_was_sent_to_its_end(self, status: int) -> None:
        machine = upload(offset=40)
        assert machine.after_data(status, {}, 60) is Step.DONE
        assert machine.offset == 100

    @pytest.mark.parametrize("status", [200, 201])
    @pytest.mark.parametrize(("total", "length"), [(100, 99), (100, 0), (None, 10)])
    def test_success_before_the_end_is_not_believed(
        self, status: int, total: int | None, length: int
    ) -> None:
        """A service that has not seen the last byte cannot have stored it."""
        with pytest.raises(ProtocolError, match=f"called complete after {length} bytes"):
            upload(total).after_data(status, {}, length)

    def test_success_ends_an_upload_of_nothing(self) -> None:
        assert upload(0).after_data(200, {}, 0) is Step.DONE


class TestRepliesToTheQuestion:
    """The right column of the table."""

    @pytest.mark.parametrize("stored", [0, 1, 50, 99, 100])
    def test_308_moves_the_offset_to_what_is_stored(self, stored: int) -> None:
        machine = upload(offset=20, sent=100)
        assert machine.after_status(308, confirmed(stored)) is Step.SEND
        assert machine.offset == stored

    def test_308_cannot_claim_bytes_that_never_left(self) -> None:
        machine = upload(sent=40)
        with pytest.raises(ProtocolError, match="claims 41 bytes, and only 40 were sent"):
            machine.after_status(308, confirmed(41))

    def test_308_can_confirm_what_an_earlier_attempt_sent(self) -> None:
        machine = upload(sent=None)
        assert machine.after_status(308, confirmed(80)) is Step.SEND
        assert machine.offset == 80

    def test_308_of_an_earlier_attempt_cannot_claim_more_than_there_is(self) -> None:
        with pytest.raises(ProtocolError):
            upload(sent=None).after_status(308, confirmed(101))

    def test_308_of_an_earlier_attempt_of_unknown_size_can_be_anything(self) -> None:
        machine = upload(None, sent=None)
        assert machine.after_status(308, confirmed(1 << 40)) is Step.SEND
        assert machine.offset == 1 << 40

    @pytest.mark.parametrize("status", [200, 201])
    def test_success_means_that_the_last_reply_was_lost(self, status: int) -> None:
        assert upload(offset=20, sent=100).after_status(status, {}) is Step.DONE

    @pytest.mark.parametrize("total", [100, None])
    def test_success_may_be_that_of_an_earlier_attempt(self, total: int | None) -> None:
        assert upload(total, sent=None).after_status(200, {}) is Step.DONE

    @pytest.mark.parametrize("total", [100, None])
    def test_success_before_the_end_is_not_believed(self, total: int | None) -> None:
        with pytest.raises(ProtocolError, match="called complete after 99 bytes"):
            upload(total, sent=99).after_status(200, {})

    def test_what_left_is_counted_once_however_often_it_is_sent(self) -> None:
        machine = upload()
        machine.note_sent(70)
        machine.note_sent(30)
        assert machine.sent == 70

    def test_after_an_earlier_attempt_nobody_counts(self) -> None:
        machine = upload(sent=None)
        machine.note_sent(70)
        assert machine.sent is None


@pytest.mark.parametrize("to_data", [True, False], ids=["to data", "to the question"])
class TestRepliesToEither:
    """What means the same in both columns; none of it moves the offset."""

    def step(self, machine: ResumableUpload, status: int, *, to_data: bool) -> Step:
        step = machine.after_data(status, {}, 60) if to_data else machine.after_status(status, {})
        assert machine.offset == 40
        return step

    @pytest.mark.parametrize("status", [404, 410])
    def test_the_session_is_gone(self, status: int, to_data: bool) -> None:
        with pytest.raises(UploadExpired):
            self.step(upload(offset=40), status, to_data=to_data)

    @pytest.mark.parametrize("status", TRANSIENT)
    def test_the_service_is_out_for_a_while(self, status: int, to_data: bool) -> None:
        machine = upload(offset=40)
        assert {self.step(machine, status, to_data=to_data) for _ in range(3)} == {Step.ASK}

    @pytest.mark.parametrize("status", REFUSED)
    def test_the_service_refuses(self, status: int, to_data: bool) -> None:
        assert self.step(upload(offset=40), status, to_data=to_data) is Step.REFUSED

    def test_a_rejected_token_is_renewed_once(self, to_data: bool) -> None:
        machine = upload(offset=40)
        steps = [self.step(machine, status, to_data=to_data) for status in (401, 401)]
        assert steps == [Step.ASK, Step.REFUSED]

    def test_a_token_may_be_rejected_again_later(self, to_data: bool) -> None:
        machine = upload(offset=40)
        steps = [self.step(machine, status, to_data=to_data) for status in (401, 503, 401)]
        assert steps == [Step.ASK, Step.ASK, Step.ASK]


class TestStoredBytes:
    """What a 308 confirms."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [("bytes=0-0", 1), ("bytes=0-41", 42), ("0-41", 42), (" bytes=0-41 ", 42), (None, 0)],
    )
    def test_counts_from_zero(self, text: str | None, expected: int) -> None:
        assert stored_bytes({} if text is None else {"Range": text}) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "bytes=",
            "bytes=0-",
            "bytes=-5",
            "bytes=1-5",
            "bytes=00-5",
            "bytes=0--1",
            "bytes=0-5/10",
            "bytes=0-5,7-9",
            "bytes 0-5",
            "bytes=0-5 x",
            "bytes=0-\N{ARABIC-INDIC DIGIT FIVE}",
            "bytes=0-1.5",
            "bytes=0-" + "9" * 5000,
            "none",
        ],
    )
    def test_nothing_else_is_believed(self, text: str) -> None:
        with pytest.raises(ProtocolError, match="does not begin at 0") as caught:
            stored_bytes({"Range": text})
        assert len(str(caught.value)) < 120

    @given(st.text(max_size=30))
    def test_no_text_breaks_reading(self, text: str) -> None:
        try:
            count = stored_bytes({"Range": text})
        except ProtocolError:
            return
        assert re.search(r"0-([0-9]+)", text).group(1).lstrip("0") in {str(count - 1), ""}  # type: ignore[union-attr]


@given(
    total=TOTALS,
    sent=TOTALS,
    offset=st.integers(0, 1 << 40),
    status=st.integers(100, 999),
    claim=st.integers(0, 1 << 41),
)
def test_no_reply_moves_the_offset_past_what_can_be_stored(
    total: int | None, sent: int | None, offset: int, status: int, claim: int
) -> None:
    machine = ResumableUpload(total, offset, sent)
    at_most = total if sent is None else sent
    try:
        step = machine.after_status(status, confirmed(claim))
    except (ProtocolError, UploadExpired):
        assert machine.offset == offset
        return
    assert (step is Step.SEND) == (status == 308)
    assert (step is Step.DONE) <= (at_most == total)
    if step is Step.SEND:
        assert machine.offset == claim
        assert at_most is None or claim <= at_most
    else:
        assert machine.offset == offset


SHARE = st.floats(0, 1)
#: The share of what is sent that arrives, the share of that which is stored, and the answer if there is one.
MISHAP = st.tuples(SHARE, SHARE, st.sampled_from([None, 308, *TRANSIENT]))
FINE = (1.0, 1.0, 308)


@given(source=st.binary(max_size=60), mishaps=st.lists(MISHAP, max_size=12))
def test_any_sequence_of_mishaps_ends_with_exactly_the_bytes_of_the_source(
    source: bytes, mishaps: list[tuple[float, float, int | None]]
) -> None:
    machine, stored, step = ResumableUpload(len(source)), b"", Step.SEND
    for arriving, storing, answer in [*mishaps, FINE, FINE, FINE]:
        piece = source[machine.offset :] if step is Step.SEND else b""
        taken = int(len(piece) * arriving)
        machine.note_sent(machine.offset + taken)
        stored += piece[: int(taken * storing)]
        if answer is None:
            step = Step.ASK
            continue
        status = 200 if answer == 308 and len(stored) == len(source) else answer
        headers = confirmed(len(stored)) if status == 308 else {}
        if step is Step.SEND:
            step = machine.after_data(status, headers, taken)
        else:
            step = machine.after_status(status, headers)
        if step is Step.DONE:
            break
    assert step is Step.DONE
    assert stored == source
