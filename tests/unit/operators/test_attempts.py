"""Which attempt works on a task, since which clear, and of which Airflow."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from airflow_provider_jobs import compat
from airflow_provider_jobs.jobs import JobRef
from airflow_provider_jobs.operators import attempts
from airflow_provider_jobs.operators.attempts import Attempt, deployment_key, work_digest, work_digest_before
from tests.integration.task_run import Store
from tests.unit import tasks


def attempt(store: Store | None, number: int, max_tries: int = 2) -> Attempt:
    context: Any = tasks.context(try_number=number, max_tries=max_tries)
    if store is not None:
        context["task_state_store"] = store
    return Attempt(context)


class TestSince:
    """The first attempt since a clear that left ``max_tries`` alone."""

    def test_a_retry_is_no_clear(self) -> None:
        store = Store()
        assert [attempt(store, number).begin(2) for number in (1, 2, 3)] == [1, 1, 1]
        assert store.kept == {}

    def test_an_end_that_was_recorded_is_followed_by_a_clear(self) -> None:
        store = Store()
        attempt(store, 1).ended()
        assert [attempt(store, number).begin(1) for number in (2, 3)] == [2, 2]
        attempt(store, 3).ended()
        assert attempt(store, 3).begin(1) == 1  # that attempt itself
        assert attempt(store, 4).begin(1) == 4

    def test_a_clear_that_airflow_counts_needs_no_other_mark(self) -> None:
        store = Store()
        attempt(store, 1).ended()
        assert attempt(store, 2, max_tries=3).begin(2) == 1

    @pytest.mark.parametrize(("left", "since"), [(True, 2), (None, 2), (False, 1)])
    def test_what_is_left_to_the_trigger_may_have_ended(
        self, monkeypatch: pytest.MonkeyPatch, left: bool | None, since: int
    ) -> None:
        monkeypatch.setattr(compat, "left_result", lambda _ti: left)
        store = Store()
        attempt(store, 1).leave_to_trigger()
        assert attempt(store, 2).begin(1) == since

    def test_what_came_back_from_the_trigger_has_not_ended(self) -> None:
        store = Store()
        attempt(store, 1).leave_to_trigger()
        assert attempt(store, 1).resume() == 1
        assert attempt(store, 2).begin(1) == 1

    def test_a_resumed_attempt_knows_since_when(self) -> None:
        store = Store()
        attempt(store, 1).ended()
        attempt(store, 2).begin(1)
        assert attempt(store, 2).resume() == 2
        assert attempt(store, 2, max_tries=9).resume() == 1

    @pytest.mark.parametrize(("lasts", "retries", "since"), [(False, 1, 2), (False, 2, 1), (True, 1, 1)])
    def test_where_nothing_is_kept(
        self, monkeypatch: pytest.MonkeyPatch, retries: int, since: int, *, lasts: bool
    ) -> None:
        """Airflow 3.4 discards at a clear what was kept: the tries that are left tell it."""
        monkeypatch.setattr(compat, "STATE_LASTS_A_CLEAR", lasts)
        assert attempt(Store(), 2).begin(retries) == since
        assert attempt(None, 2).begin(retries) == 1

    @pytest.mark.parametrize("strange", ["text", 7, {"max_tries": 2}, {"max_tries": 2, "state": "ended"}])
    def test_what_somebody_else_has_put_there_says_nothing(self, strange: Any) -> None:
        assert attempt(Store({"attempt": strange}), 2).begin(2) == 1


class TestDigest:
    """What tells the work of one Airflow from that of another."""

    def test_a_clear_that_airflow_does_not_count_is_other_work(self) -> None:
        assert work_digest(tasks.context(), "c", 2) != work_digest(tasks.context(), "c")

    def test_the_version_before_knew_of_one_deployment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = work_digest_before(tasks.context(), "c")
        assert before == "ac3d4f49bb77212aebe1"
        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://other")
        assert work_digest_before(tasks.context(), "c") == before

    def test_the_key_is_that_of_the_address_unless_it_is_given(self, monkeypatch: pytest.MonkeyPatch) -> None:
        keys = []
        for address in ("https://a", "https://a/", "https://b", ""):
            monkeypatch.setenv("AIRFLOW__API__BASE_URL", address)
            keys.append(deployment_key())
        assert keys[0] == keys[1]
        assert len(set(keys)) == 3
        monkeypatch.setenv("AIRFLOW__AIRFLOW_PROVIDER_JOBS__DEPLOYMENT_KEY", "eu")
        assert deployment_key() == "eu"


class TestTakenOver:
    """Whether a later attempt of the task follows the job of one that is ended."""

    REF = JobRef("bigquery", "p", "job_1", "US")

    @pytest.mark.parametrize(
        ("told", "taken"),
        [
            ({"try_number": 2, "job_id": "job_1"}, True),
            ({"try_number": 2, "job_id": "job_2"}, False),
            ({"try_number": 1, "job_id": "job_1"}, False),
            (None, False),
        ],
    )
    def test_a_later_attempt_says_so(self, monkeypatch: pytest.MonkeyPatch, told: Any, taken: bool) -> None:
        monkeypatch.setattr(compat, "task_xcom", lambda _ti, _key: told)
        assert attempt(None, 1).taken_over([self.REF]) is taken

    def test_an_airflow_that_does_not_answer_in_time_is_told(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        answers = threading.Event()
        monkeypatch.setattr(compat, "task_xcom", lambda _ti, _key: answers.wait(60.0))
        monkeypatch.setattr(attempts, "ASK_SECONDS", 0.05)
        with caplog.at_level(logging.INFO):
            assert attempt(None, 1).taken_over([self.REF]) is False
        answers.set()
        assert "Airflow did not say within 0.05 s whether a later attempt follows the job" in caplog.text
