"""One file, one upload, whatever is there, lost, or answered twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_jobs.core.http.messages import Reply
from airflow_provider_jobs.errors import (
    ConfigurationError,
    ConflictError,
    JobFailed,
    ServiceError,
    SourceChanged,
    TransportError,
)
from airflow_provider_jobs.jobs import JobState
from tests.unit.clients.redivis.replay import (
    API,
    COMPLETED,
    CONTENT,
    CREATE,
    LOST,
    MISSING,
    OK,
    QUEUED,
    Memory,
    T,
    U,
    client_of,
    refused,
    request_of,
    upload,
)

if TYPE_CHECKING:
    from tests.unit.conftest import Clock


PLAIN = "redivis_temp_plain"
SESSION = "redivis_temp_session"


STORAGE = f"PUT {'/storage/tmp1?key=S3CR3T'}"


SENT = [f"POST {T}/tempUploads", STORAGE]


MD5 = "5d41402abc4b2a76b9719d911017c592"


def session(name: str = "s1") -> Reply:
    return Reply(201, {"Location": f"{API}/session/{name}"}, b"")


def test_a_new_file_is_sent_and_created(clock: Clock) -> None:
    client, replay = client_of(clock, MISSING, PLAIN, OK, QUEUED)
    submission = client.submit_upload(request_of(body={"delimiter": ";"}))
    assert replay.asked == [f"GET {U}", *SENT, CREATE]
    assert replay.content[2] == CONTENT
    assert replay.body(CREATE) == {"delimiter": ";", "name": "orders.csv", "tempUploadId": "tmp1"}
    assert not submission.adopted
    assert submission.expected
    assert (submission.expected.size, submission.expected.md5) == (5, MD5)
    assert submission.status.ref.id == U


def test_the_same_bytes_are_not_sent_again(clock: Clock) -> None:
    """One request, zero bytes."""
    client, replay = client_of(clock, COMPLETED)
    submission = client.submit_upload(request_of())
    assert replay.asked == [f"GET {U}"]
    assert submission.adopted
    assert submission.status.state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "queued", "size": None, "hash": None},
        {"status": "running", "size": "5", "hash": None},
        {"status": "pondering", "size": 5, "hash": MD5},
    ],
)
def test_an_upload_under_way_is_adopted(clock: Clock, changes: dict[str, Any]) -> None:
    client, replay = client_of(clock, upload(**changes))
    submission = client.submit_upload(request_of())
    assert submission.adopted
    assert submission.expected
    assert len(replay.sent) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 6},
        {"hash": "0" * 32},
        {"hash": None},
        {"status": "running", "size": 6, "hash": None},
        {"status": None, "size": None, "hash": None},
    ],
)
def test_another_upload_of_that_name_is_a_conflict(clock: Clock, changes: dict[str, Any]) -> None:
    client, replay = client_of(clock, upload(**changes))
    with pytest.raises(ConflictError, match=r"another upload named orders.csv.*on_conflict"):
        client.submit_upload(request_of())
    assert len(replay.sent) == 1


def test_it_is_left_alone_if_asked_to(clock: Clock) -> None:
    client, replay = client_of(clock, upload(size=6))
    submission = client.submit_upload(request_of(on_conflict="skip"))
    assert (submission.adopted, submission.expected, len(replay.sent)) == (True, None, 1)


def test_it_is_replaced_only_once_the_bytes_are_there(clock: Clock) -> None:
    client, replay = client_of(clock, upload(size=6), PLAIN, OK, upload(size=6), OK, QUEUED)
    client.submit_upload(request_of(on_conflict="replace"))
    assert replay.asked == [f"GET {U}", *SENT, f"GET {U}", f"DELETE {U}", CREATE]


def test_a_failed_upload_makes_way(clock: Clock) -> None:
    failed = "redivis_upload_failed"
    client, replay = client_of(clock, failed, PLAIN, OK, failed, OK, QUEUED)
    client.submit_upload(request_of())
    assert replay.asked == [f"GET {U}", *SENT, f"GET {U}", f"DELETE {U}", CREATE]


def test_what_is_there_by_now_makes_way_for_nobody(clock: Clock) -> None:
    """The next attempt at this work, or somebody else, was faster than one that hung."""
    failed = "redivis_upload_failed"
    client, replay = client_of(clock, failed, PLAIN, OK, upload())
    assert client.submit_upload(request_of()).adopted
    assert replay.asked == [f"GET {U}", *SENT, f"GET {U}"]
    for there, on_conflict in ((upload(size=6), "fail"), (upload(name="orders_csv"), "replace")):
        client, replay = client_of(clock, failed, PLAIN, OK, there)
        with pytest.raises(ConflictError):
            client.submit_upload(request_of(on_conflict=on_conflict))
        assert replay.asked == [f"GET {U}", *SENT, f"GET {U}"]


def test_it_gets_another_name(clock: Clock) -> None:
    client, replay = client_of(
        clock, upload(size=6), upload(name="orders_2.csv", size=6), MISSING, PLAIN, OK, QUEUED
    )
    client.submit_upload(request_of(on_conflict="rename"))
    assert replay.asked[1:3] == [f"GET {T}/uploads/orders_2_csv", f"GET {T}/uploads/orders_3_csv"]
    assert replay.body(CREATE)["name"] == "orders_3.csv"


def test_a_renamed_upload_is_found_again(clock: Clock) -> None:
    client, replay = client_of(clock, upload(size=6), upload(name="orders_2.csv"))
    assert client.submit_upload(request_of(on_conflict="rename")).adopted
    assert len(replay.sent) == 2


@pytest.mark.parametrize("on_conflict", ["fail", "skip", "replace"])
def test_a_name_with_the_same_address_is_no_match(clock: Clock, on_conflict: str) -> None:
    """a.csv and a_csv have one address: nobody's upload is replaced, or taken, for the other."""
    client, replay = client_of(clock, upload(name="orders_csv"))
    with pytest.raises(ConfigurationError, match=r"same address.*'orders_csv'"):
        client.submit_upload(request_of(on_conflict=on_conflict))
    assert len(replay.sent) == 1


@pytest.mark.parametrize("lost", [LOST, refused(500), refused(503), Reply(200, {}, b"not json")])
def test_a_lost_create_is_looked_up_and_adopted(clock: Clock, lost: Any) -> None:
    client, replay = client_of(clock, MISSING, PLAIN, OK, lost, QUEUED)
    client.submit_upload(request_of())
    assert replay.asked[-2:] == [CREATE, f"GET {U}"]


def test_a_create_that_had_no_effect_is_repeated_with_the_same_bytes(clock: Clock) -> None:
    client, replay = client_of(
        clock, upload(size=6), PLAIN, OK, upload(size=6), OK, refused(500), MISSING, QUEUED
    )
    client.submit_upload(request_of(on_conflict="replace"))
    assert replay.asked[-4:] == [f"DELETE {U}", CREATE, f"GET {U}", CREATE]
    assert replay.sent[-1].body == replay.sent[-3].body
    assert replay.sent[-1].body["tempUploadId"] == "tmp1"


def test_a_create_that_finds_its_own_upload_is_done(clock: Clock) -> None:
    client, _ = client_of(clock, MISSING, PLAIN, OK, refused(409), upload())
    assert client.submit_upload(request_of()).status.state is JobState.SUCCEEDED


@pytest.mark.parametrize("there", [upload(), QUEUED])
def test_what_somebody_else_has_made_of_the_same_bytes_is_not_ours_to_end(clock: Clock, there: Any) -> None:
    client, _ = client_of(clock, MISSING, PLAIN, OK, refused(409), there)
    submission = client.submit(request_of(first=True))
    assert (submission.adopted, submission.shared) == (True, True)


@pytest.mark.parametrize("there", [upload(), QUEUED])
def test_what_a_create_has_made_whose_reply_was_lost_is_ours(clock: Clock, there: Any) -> None:
    client, _ = client_of(clock, MISSING, PLAIN, OK, LOST, MISSING, refused(409), there)
    submission = client.submit(request_of(first=True))
    assert (submission.adopted, submission.shared) == (False, False)


def test_somebody_elses_upload_is_not_the_one_that_was_lost(clock: Clock) -> None:
    """What is lost is cancelled after the task's last attempt."""
    other = upload(size=6, status="running", hash=None)
    client, _ = client_of(clock, MISSING, PLAIN, OK, LOST, MISSING, refused(409), other)
    with pytest.raises(ConflictError) as caught:
        client.submit(request_of())
    assert caught.value.lost_job is None


def test_a_create_that_meets_somebody_elses_fails(clock: Clock) -> None:
    client, _ = client_of(clock, MISSING, PLAIN, OK, refused(500), upload(size=6))
    with pytest.raises(ConflictError, match="another upload"):
        client.submit_upload(request_of())


def test_a_lost_create_whose_upload_has_failed_says_why(clock: Clock) -> None:
    failed = upload(status="failed", errorMessage="row 3 has 5 fields")
    client, _ = client_of(clock, MISSING, PLAIN, OK, LOST, failed)
    with pytest.raises(JobFailed, match="row 3 has 5 fields"):
        client.submit_upload(request_of())


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refused_create_fails_at_once(clock: Clock, status: int) -> None:
    memory = Memory()
    client, replay = client_of(clock, MISSING, SESSION, session(), OK, refused(status))
    with pytest.raises(ServiceError, match=str(status)):
        client.submit_upload(request_of(memory=memory))
    assert replay.asked[-1] == CREATE
    assert not memory.kept


def test_a_deletion_whose_reply_is_lost_is_repeated(clock: Clock) -> None:
    client, replay = client_of(clock, upload(size=6), PLAIN, OK, upload(size=6), LOST, MISSING, QUEUED)
    client.submit_upload(request_of(on_conflict="replace"))
    assert replay.asked.count(f"DELETE {U}") == 2


def test_a_retry_goes_on_with_the_session_and_the_temporary_upload(clock: Clock) -> None:
    memory = Memory()
    client, replay = client_of(clock, MISSING, SESSION, session(), *[LOST] * 12)
    with pytest.raises(TransportError):
        client.submit_upload(request_of(memory=memory))
    assert len(memory.kept) == 1
    stored = Reply(308, {"Range": "bytes=0-2"}, b"")
    client, replay = client_of(clock, MISSING, stored, OK, QUEUED)
    client.submit_upload(request_of(memory=memory))
    assert replay.sent[1].headers["Content-Range"] == "bytes */5"
    assert replay.sent[2].headers["Content-Range"] == "bytes 3-4/5"
    assert replay.content[2] == b"lo"
    assert replay.body(CREATE)["tempUploadId"] == "tmp1"
    assert not memory.kept


def test_a_retry_after_the_last_byte_sends_none(clock: Clock) -> None:
    memory = Memory()
    client, _ = client_of(clock, MISSING, SESSION, session(), OK, *[refused(503), MISSING] * 6)
    with pytest.raises(ServiceError, match="503"):
        client.submit_upload(request_of(memory=memory))
    client, replay = client_of(clock, MISSING, OK, QUEUED)
    expected = client.submit_upload(request_of(memory=memory)).expected
    assert b"".join(replay.content) == b""
    assert expected
    assert expected.md5 == MD5


def test_another_file_of_that_name_begins_anew(clock: Clock) -> None:
    memory = Memory()
    client, _ = client_of(clock, MISSING, SESSION, session(), *[LOST] * 12)
    with pytest.raises(TransportError):
        client.submit_upload(request_of(memory=memory))
    client, replay = client_of(clock, MISSING, SESSION, session("s2"), OK, QUEUED)
    client.submit_upload(request_of(b"hello!", memory=memory))
    assert replay.content[3] == b"hello!"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scope": "acme.orders"}, "table 'acme.orders' has 2 parts"),
        ({"scope": "acme.sales:v1_0.orders"}, "released version"),
        ({"key": ""}, "upload_name"),
        ({"key": "orders"}, "file_type is needed: the name 'orders'"),
        ({"key": "orders.delimited"}, "file_type is needed"),
        ({"on_conflict": "ask"}, "on_conflict"),
        ({"flow": "new"}, "flow"),
        ({"flow": "original", "on_conflict": "replace"}, "clashes with flow"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    clock: Clock, changes: dict[str, Any], says: str
) -> None:
    client, replay = client_of(clock)
    with pytest.raises(ConfigurationError, match=says):
        client.submit_upload(request_of(**changes))
    assert not replay.sent


def test_a_file_that_changed_is_never_registered(clock: Clock) -> None:
    request = request_of()
    assert request.media
    request.media.source.size = 6  # type: ignore[misc]  # it has become shorter since it was looked at
    client, replay = client_of(clock, MISSING, PLAIN)
    with pytest.raises(SourceChanged):
        client.submit_upload(request)
    assert CREATE not in replay.asked


@pytest.mark.parametrize("key", ["a.csv.gz", "a.b.SHP.ZIP", "a.jsonl"])
def test_a_name_that_ends_in_a_type_needs_none(key: str) -> None:
    assert request_of(key=key).key == key


def test_without_a_file_there_is_nothing_to_upload(clock: Clock) -> None:
    client, _ = client_of(clock)
    with pytest.raises(ConfigurationError, match="source is missing"):
        client.submit(replace(request_of(), media=None))


def test_a_create_that_fails_after_the_deletion_is_told(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    client, _ = client_of(clock, upload(size=6), PLAIN, OK, upload(size=6), OK, refused(400))
    with pytest.raises(ServiceError):
        client.submit_upload(request_of(on_conflict="replace"))
    assert "is deleted, and its replacement could not be created" in caplog.text


def test_names_end_some_time(clock: Clock) -> None:
    client, _ = client_of(clock, *[upload(name="other")] * 1001)
    with pytest.raises(ConfigurationError, match="1000 names"):
        client.submit_upload(request_of(on_conflict="rename"))
