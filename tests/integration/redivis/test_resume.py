"""Bytes arrive whole and once, wherever they are cut, in one attempt and over several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from cryptography.fernet import Fernet
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.clients.redivis.submit import UploadRequest, UploadSubmission
from airflow_provider_jobs.core.sources.source import Media, source_of
from airflow_provider_jobs.errors import JobsError
from tests.integration.redivis.lab import ROWS, RedivisLab, write
from tests.integration.task_run import Attempts, perform

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_jobs.sandbox import Sandbox

SIZE = len(ROWS)
FAULTS = st.one_of(
    st.fixed_dictionaries({"action": st.just("cut_after_bytes"), "bytes": st.integers(0, SIZE)}),
    st.fixed_dictionaries({"action": st.just("short_308"), "bytes": st.integers(0, SIZE)}),
    st.fixed_dictionaries(
        {"action": st.just("reply"), "status": st.just(503), "bytes": st.integers(0, SIZE)}
    ),
    st.fixed_dictionaries(
        {
            "action": st.just("session_expired"),
            "status": st.sampled_from([404, 410]),
            "bytes": st.integers(0, SIZE),
        }
    ),
    st.fixed_dictionaries({"action": st.sampled_from(["308_without_range", "lost_final_reply"])}),
)


@settings(max_examples=30, deadline=None)
@given(faults=st.lists(FAULTS, min_size=1, max_size=3))
def test_whatever_happens_on_the_way_all_bytes_arrive(
    jobs_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, faults: list[dict[str, Any]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        lab = RedivisLab(jobs_sandbox, patch)
        lab.make_table()
        for number, fault in enumerate(faults, 1):
            lab.fault("upload.data", nth=1 if fault["action"] == "lost_final_reply" else number, **fault)
        path = write(tmp_path_factory.mktemp("file"))
        try:
            perform(lab.operator(path, session_bytes=1))
        finally:
            jobs_sandbox.clear_faults()
        lab.check(ROWS, "orders.csv")


@settings(max_examples=20, deadline=None)
@given(at=st.integers(0, SIZE))
def test_the_original_flow_goes_on_where_it_was_cut(
    jobs_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, at: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        lab = RedivisLab(jobs_sandbox, patch)
        lab.make_table()
        lab.fault("upload.data", "cut_after_bytes", bytes=at)
        try:
            perform(lab.operator(write(tmp_path_factory.mktemp("file")), flow="original"))
        finally:
            jobs_sandbox.clear_faults()
        lab.check(ROWS, "orders.csv")
        assert lab.sent() == SIZE


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment with a Fernet key."""
    crypto = pytest.importorskip("airflow.sdk.crypto", reason="Airflow 3.1 keeps no upload session")
    fernet = Fernet(Fernet.generate_key())
    fernet.is_encrypted = True  # type: ignore[attr-defined]
    monkeypatch.setattr(crypto, "get_fernet", lambda: fernet)


def die(lab: RedivisLab, path: Path, attempts: Attempts, at: int, **settings: Any) -> None:
    """Make an attempt that ends for good after so many bytes."""
    lab.fault("upload.data", "cut_after_bytes", bytes=at)
    lab.fault("upload.status", "reply", status=503, times=0)
    with pytest.raises(JobsError):
        perform(lab.operator(path, **settings), attempts.context())
    lab.sandbox.clear_faults()


@pytest.mark.usefixtures("key")
def test_a_retry_sends_the_other_half(lab: RedivisLab, tmp_path: Path) -> None:
    attempts, path = Attempts(), write(tmp_path)
    die(lab, path, attempts, SIZE // 2, session_bytes=1)
    assert lab.sent() == SIZE // 2
    (kept,) = attempts.store.kept.values()
    assert "http" not in str(kept)
    perform(lab.operator(path, session_bytes=1), attempts.context(2))
    lab.check(ROWS, "orders.csv")
    assert lab.sent() == SIZE
    assert attempts.store.kept == {}


@pytest.mark.usefixtures("key")
def test_a_retry_creates_the_upload_of_bytes_that_are_all_there(lab: RedivisLab, tmp_path: Path) -> None:
    attempts, path = Attempts(), write(tmp_path)
    lab.fault("uploads.create", "cut", times=0)
    with pytest.raises(JobsError):
        perform(lab.operator(path, session_bytes=1), attempts.context())
    lab.sandbox.clear_faults()
    perform(lab.operator(path, session_bytes=1), attempts.context(2))
    lab.check(ROWS, "orders.csv")
    assert lab.sent() == SIZE


@pytest.mark.usefixtures("key")
def test_a_replacement_survives_a_death_after_the_deletion(lab: RedivisLab, tmp_path: Path) -> None:
    attempts, path = Attempts(), write(tmp_path, ROWS[: SIZE // 2].rpartition(b"\n")[0])
    perform(lab.operator(path))
    before = lab.sent()
    path.write_bytes(ROWS)
    lab.fault("uploads.create", "cut", times=0)
    with pytest.raises(JobsError):
        perform(lab.operator(path, session_bytes=1, on_conflict="replace"), attempts.context())
    lab.sandbox.clear_faults()
    assert lab.uploads() == []
    perform(lab.operator(path, session_bytes=1, on_conflict="replace"), attempts.context(2))
    lab.check(ROWS, "orders.csv")
    assert lab.sent() == before + SIZE


def test_what_the_next_attempt_has_made_meanwhile_is_not_deleted(lab: RedivisLab) -> None:
    """An attempt that hung while it sent its bytes finds the upload of the attempt after it."""
    lab.client.put_upload(lab.table, b"id,text\n1,one\n", "orders.csv")
    lab.sandbox.clear_requests()

    def request(**changes: Any) -> UploadRequest:
        media = Media(source_of(ROWS), **changes)
        how: dict[str, Any] = {"on_conflict": "replace", "session_bytes": 1}
        return UploadRequest(lab.table, "orders.csv", {"type": "delimited"}, media=media, **how)

    made: list[UploadSubmission] = []

    def hang(*_: Any) -> None:
        if not made:
            made.append(lab.client.submit_upload(request()))

    late = lab.client.submit_upload(request(on_progress=hang))
    assert (late.status.ref, late.adopted) == (made[0].status.ref, True)
    assert len(lab.requests("uploads.delete")) == len(lab.requests("uploads.create")) == 1
    lab.check(ROWS, "orders.csv")


@pytest.mark.usefixtures("key")
def test_a_file_that_changed_begins_anew(lab: RedivisLab, tmp_path: Path) -> None:
    attempts, path = Attempts(), write(tmp_path)
    die(lab, path, attempts, SIZE // 2, session_bytes=1)
    changed = ROWS.replace(b"id,text", b"id,note")
    path.write_bytes(changed)
    perform(lab.operator(path, session_bytes=1), attempts.context(2))
    lab.check(changed, "orders.csv")


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("status", [404, 410])
def test_a_session_that_is_gone_meanwhile_is_replaced(lab: RedivisLab, tmp_path: Path, status: int) -> None:
    attempts, path = Attempts(), write(tmp_path)
    die(lab, path, attempts, SIZE // 2, session_bytes=1)
    lab.sandbox.upload_settings(expired_status=status)
    lab.sandbox.expire_uploads()
    perform(lab.operator(path, session_bytes=1), attempts.context(2))
    lab.check(ROWS, "orders.csv")


def test_without_a_key_a_retry_begins_anew(
    lab: RedivisLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_jobs.compat._fernet", lambda: None)
    attempts, path = Attempts(), write(tmp_path)
    die(lab, path, attempts, SIZE // 2, session_bytes=1)
    assert attempts.store.kept == {}
    perform(lab.operator(path, session_bytes=1), attempts.context(2))
    lab.check(ROWS, "orders.csv")


@pytest.mark.usefixtures("key")
def test_the_original_flow_is_resumed_by_name(lab: RedivisLab, tmp_path: Path) -> None:
    attempts, path = Attempts(), write(tmp_path)
    die(lab, path, attempts, SIZE // 2, flow="original")
    perform(lab.operator(path, flow="original"), attempts.context(2))
    lab.check(ROWS, "orders.csv")
    assert lab.sent() == SIZE
    assert attempts.store.kept == {}


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("changed", [ROWS.replace(b"0", b"9"), ROWS + b"20000,x\n"])
def test_the_original_flow_never_mixes_two_versions_of_a_file(
    lab: RedivisLab, tmp_path: Path, changed: bytes
) -> None:
    attempts, path = Attempts(), write(tmp_path)
    die(lab, path, attempts, SIZE // 2, flow="original")
    path.write_bytes(changed)
    perform(lab.operator(path, flow="original"), attempts.context(2))
    lab.check(changed, "orders.csv")


@pytest.mark.usefixtures("key")
def test_a_session_that_refuses_is_not_met_again(lab: RedivisLab, tmp_path: Path) -> None:
    attempts, path = Attempts(), write(tmp_path)
    lab.fault("upload.data", "reply", status=400)
    with pytest.raises(AirflowFailException, match="400"):
        perform(lab.operator(path, session_bytes=1), attempts.context())
    assert attempts.store.kept == {}
    lab.sandbox.clear_faults()
    perform(lab.operator(path, session_bytes=1), attempts.context(2))
    lab.check(ROWS, "orders.csv")
