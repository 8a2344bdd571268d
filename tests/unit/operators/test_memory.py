"""What is kept holds for one piece of work, and for one clear."""

from __future__ import annotations

from typing import Any

from airflow_provider_jobs.operators.memory import TaskMemory
from tests.integration.task_run import Store
from tests.unit import tasks


def context(store: Store | None, **changes: Any) -> Any:
    kept = {} if store is None else {"task_state_store": store}
    return {**tasks.context(**changes), **kept}


def test_a_retry_recalls_and_a_clear_does_not() -> None:
    store = Store()
    memory = TaskMemory(context(store), "job", ["org", {"query": "SELECT"}])
    assert memory.recall() is None
    memory.remember({"id": "750"})
    again = TaskMemory(context(store, try_number=2), "job", ["org", {"query": "SELECT"}])
    assert again.recall() == {"id": "750"}
    assert again.recall_other() is None
    assert TaskMemory(context(store, max_tries=2), "job", ["org", {"query": "SELECT"}]).recall() is None
    assert TaskMemory(context(store, max_tries=2), "job", ["other"]).recall_other() is None
    again.forget()
    assert store.kept == {}


def test_other_work_is_told_apart() -> None:
    store = Store()
    TaskMemory(context(store), "job", "this").remember({"id": "750"})
    other = TaskMemory(context(store), "job", "that")
    assert other.recall() is None
    assert other.recall_other() == {"id": "750"}
    assert TaskMemory(context(store), "another key", "this").recall() is None


def test_what_somebody_else_has_put_there_is_none() -> None:
    store = Store()
    found: list[Any] = ["text", 7, [], {"id": "750"}, {"max_tries": 1, "work": "x"}]
    for strange in found:
        store.kept["job"] = strange
        memory = TaskMemory(context(store), "job", "this")
        assert memory.recall() is None
        assert memory.recall_other() is None


def test_the_store_keeps_a_digest_of_the_work_and_not_the_work() -> None:
    store = Store()
    TaskMemory(context(store), "job", "SELECT Secret__c").remember({})
    assert "Secret" not in str(store.kept)


def test_without_a_store_nothing_is_kept() -> None:
    memory = TaskMemory(context(None), "job", "this")
    assert not memory.lasts
    memory.remember({"id": "750"})
    memory.forget()
    assert memory.recall() is None
    assert TaskMemory(context(Store()), "job", "this").lasts
