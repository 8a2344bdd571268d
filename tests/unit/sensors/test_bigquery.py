"""Sensors: they wait for other people's jobs and never end them."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any

import airflow.sdk.bases.sensor
import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.sdk import DAG

from airflow_provider_jobs.clients.bigquery.search import JobSearch
from airflow_provider_jobs.errors import ConfigurationError, JobsError, NotFoundError, TransportError
from airflow_provider_jobs.jobs import JobRef, JobStatus
from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator
from airflow_provider_jobs.sensors import base
from airflow_provider_jobs.sensors.base import JobSensor
from airflow_provider_jobs.sensors.bigquery import BigQueryJobSensor, BigQueryJobsSensor
from airflow_provider_jobs.triggers.job import JobsTrigger, JobTrigger
from tests.unit.tasks import REF, STARTED, FakeClient, context, failed, faked, run, status

if TYPE_CHECKING:
    from tests.unit.conftest import Clock

GONE = NotFoundError("gone", status=404, reason="notFound")
JOB = {"job_id": "key_0", "project_id": "p", "location": "EU"}

#: Its home differs between the Airflow versions; the sensors' own module always has it.
RESCHEDULE = vars(airflow.sdk.bases.sensor)["AirflowRescheduleException"]


def sensor_without_connection(*errors: JobsError, **options: Any) -> Any:
    """Return a sensor that gets no client: these errors instead, the last one again and again."""
    left = list(errors)

    def client() -> FakeClient:
        raise left.pop(0) if len(left) > 1 else left[0]

    task: Any = BigQueryJobSensor(**{"task_id": "t", "job": JOB, **options})
    task.client = client
    return task


def sensor(*looks: Any, **options: Any) -> Any:
    client = FakeClient(looks=looks)
    made = faked(BigQueryJobSensor(**{"task_id": "t", "job": JOB, **options}), client)
    made.double = client
    return made


def poked(task: Any) -> Any:
    return task.poke(context())


class TestJobSensor:
    """One job."""

    def test_a_job_that_has_ended_is_the_result(self) -> None:
        found = poked(sensor(status(statistics={"row_count": 3})))
        assert found.is_done
        assert found.xcom_value == {
            **JOB,
            "state": "succeeded",
            "row_count": 3,
            "url": "https://console/key_0",
        }

    def test_a_job_that_runs_goes_on(self) -> None:
        found = poked(sensor(status("running")))
        assert (found.is_done, found.xcom_value) == (False, None)

    @pytest.mark.parametrize("state", ["failed", "cancelled"])
    def test_a_job_that_failed_fails_the_sensor(self, state: str) -> None:
        task = sensor(failed(state=state))
        task.double.statement = "line 1: SELECT 1/0"
        with pytest.raises(AirflowFailException, match="invalidQuery") as caught:
            poked(task)
        assert "line 1: SELECT 1/0" in str(caught.value)
        assert task.double.cancelled == []

    def test_a_job_that_is_gone_fails_the_sensor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(BigQueryJobSensor, "grace_seconds", 0.0)  # it is not too young to be shown
        with pytest.raises(AirflowFailException, match="gone"):
            poked(sensor(GONE))

    def test_an_outage_is_borne(self) -> None:
        assert not poked(sensor(TransportError("x"))).is_done

    def test_what_cannot_be_told_of_a_failure_hides_it_not(self) -> None:
        class Deaf(FakeClient):
            def failing_statement(self, status: JobStatus) -> str | None:
                raise TransportError("cut")

        task = faked(BigQueryJobSensor(task_id="t", job=JOB), Deaf(looks=(failed(),)))
        with pytest.raises(AirflowFailException, match="invalidQuery"):
            poked(task)

    @pytest.mark.parametrize(
        ("job", "options", "ref"),
        [
            ("j", {}, JobRef("bigquery", "p", "j", None)),
            ("j", {"location": "US"}, JobRef("bigquery", "p", "j", "US")),
            ({"job_id": "j", "location": "EU"}, {"location": "US"}, JobRef("bigquery", "p", "j", "EU")),
            ({"job_id": "j", "project_id": "q"}, {}, JobRef("bigquery", "q", "j")),
        ],
    )
    def test_a_job_is_an_id_or_a_result(self, job: Any, options: dict[str, Any], ref: JobRef) -> None:
        task = sensor(job=job, **options)
        assert task.refs(task.double) == [ref]

    def test_a_result_may_name_several_jobs(self) -> None:
        jobs = [{"job_id": "a", "location": "EU"}, {"job_id": "b", "location": "US"}]
        task = sensor(job={"job_id": "a b", "project_id": "q", "jobs": jobs})
        assert task.refs(task.double) == [
            JobRef("bigquery", "q", "a", "EU"),
            JobRef("bigquery", "q", "b", "US"),
        ]

    def test_all_of_several_jobs_have_to_end_well(self) -> None:
        named = {"job": {"job_id": "key_0 key_1", "location": "EU"}}
        other = status(ref=JobRef("bigquery", "p", "key_1", "EU"), statistics={"row_count": 4})
        done = status(statistics={"row_count": 3})
        assert not poked(sensor(done, status("running"), **named)).is_done
        assert poked(sensor(done, other, **named)).xcom_value["row_count"] == 7
        with pytest.raises(
            AirflowFailException, match=r"2 BigQuery jobs failed: invalidQuery \(key_0, query\)"
        ):
            poked(sensor(failed(), other, **named))

    @pytest.mark.parametrize("job", ["", "a  b", "a\n", {}, {"job_id": None}, {"job_id": 3}, None, 3, []])
    def test_what_names_no_job_is_refused(self, job: Any) -> None:
        with pytest.raises(AirflowFailException, match="job"):
            poked(sensor(job=job))

    def test_reschedules(self) -> None:
        class Ti:
            @staticmethod
            def get_first_reschedule_date(context: Any) -> None:
                return None

        task = sensor(status("running"), mode="reschedule")
        with pytest.raises(RESCHEDULE):
            run(task, {"ti": Ti()})

    def test_waits_here(self) -> None:
        task = sensor(status("running"), status(), poke_interval=0.01)
        assert run(task)["state"] == "succeeded"


class TestDeferring:
    """The same in the triggerer."""

    def test_a_job_that_has_ended_needs_no_trigger(self) -> None:
        assert run(sensor(status(), deferrable=True))["job_id"] == "key_0"

    def test_the_trigger_knows_everything(self) -> None:
        task = sensor(status("running"), deferrable=True, poke_interval=7, timeout=60, gcp_conn_id="c")
        with pytest.raises(TaskDeferred) as caught:
            run(task)
        trigger = caught.value.trigger
        assert isinstance(trigger, JobTrigger)
        assert trigger.refs == [REF]
        assert not trigger.cancel_on_kill
        assert trigger.poll_interval == 7
        assert trigger.deadline == STARTED.timestamp() + 60
        assert trigger.hook_args == {"gcp_conn_id": "c", "project_id": None, "impersonation_chain": None}
        assert caught.value.method_name == "execute_complete"

    def test_the_trigger_waits_for_the_job_where_the_service_says_that_it_is(self) -> None:
        """A list names jobs with their locations: one without would be asked for by itself, each tick."""
        task = sensor(status("running"), job="key_0", deferrable=True)
        with pytest.raises(TaskDeferred) as caught:
            run(task)
        (ref,) = caught.value.trigger.serialize()[1]["refs"]
        assert (ref["location"], ref["created_at"]) == (REF.location, REF.created_at)

    def test_without_a_start_the_limit_begins_now(self) -> None:
        task = sensor(status("running"), deferrable=True, timeout=60)
        before = time.time()
        with pytest.raises(TaskDeferred) as caught:
            run(task, context(start_date=None))
        trigger = caught.value.trigger
        assert isinstance(trigger, JobTrigger)
        assert trigger.deadline is not None
        assert before + 60 <= trigger.deadline <= time.time() + 60

    @pytest.mark.parametrize("soft_fail", [True, False])
    def test_a_connection_that_is_out_ends_it_at_the_timeout_only(
        self, clock: Clock, monkeypatch: pytest.MonkeyPatch, *, soft_fail: bool
    ) -> None:
        monkeypatch.setattr(base, "Timing", lambda: clock.timing)
        options = {"deferrable": True, "timeout": 100, "soft_fail": soft_fail}
        task = sensor_without_connection(TransportError("no token"), **options)
        began = dt.datetime.fromtimestamp(clock.time, dt.UTC)
        with pytest.raises(AirflowSkipException if soft_fail else AirflowSensorTimeout, match="100"):
            run(task, context(start_date=began))
        assert clock.pauses == [15.0] * 6 + [10.0]

    def test_a_connection_that_is_wrong_ends_it_at_once(self) -> None:
        task = sensor_without_connection(
            TransportError("out"), ConfigurationError("no such key"), deferrable=True
        )
        with pytest.raises(AirflowFailException, match="no such key"):
            run(task)

    def test_the_end_is_told_after_another_look(self) -> None:
        task = sensor(status())
        assert task.execute_complete(context(), {"outcome": "ended"})["state"] == "succeeded"

    def test_time_that_is_up_is_a_timeout(self) -> None:
        with pytest.raises(AirflowSensorTimeout):
            sensor(status("running")).execute_complete(context(), {"outcome": "deadline"})

    def test_an_error_that_cannot_be_mended_fails(self) -> None:
        told = {"outcome": "error", "message": "gone", "retryable": False}
        with pytest.raises(AirflowFailException, match="gone"):
            sensor().execute_complete(context(), told)

    def test_an_outage_is_borne_until_the_timeout(self) -> None:
        """As without deferring."""
        task = sensor(TransportError("x"), deferrable=True)
        with pytest.raises(TaskDeferred):
            task.execute_complete(context(), {"outcome": "error", "message": "x", "retryable": True})

    def test_a_strange_outcome_fails_loudly(self) -> None:
        with pytest.raises(AirflowFailException):
            sensor(status("running")).execute_complete(context(), {"outcome": "strange"})

    @pytest.mark.parametrize("told", [None, {}, {"status": "success", "message": "of Google's trigger"}])
    def test_without_an_event_of_ours_it_looks_again(self, told: Any) -> None:
        assert sensor(status()).execute_complete(context(), told)["state"] == "succeeded"

    @pytest.mark.parametrize("deferrable", [True, False])
    @pytest.mark.parametrize("option", ["soft_fail", "never_fail"])
    def test_soft_failure_skips_in_every_mode(self, option: str, *, deferrable: bool) -> None:
        task = sensor(failed(), deferrable=deferrable, **{option: True})
        with pytest.raises(AirflowSkipException):
            run(task)

    def test_the_base_leaves_the_service_open(self) -> None:
        task = JobSensor(task_id="t")
        for call in (task.hook_args, task.look, task.trigger):
            with pytest.raises(AttributeError, match="hook_class"):
                call()
        with pytest.raises(NotImplementedError):
            task.refs(FakeClient())


class Searching(FakeClient):
    """Has jobs that a search may match."""

    def __init__(self, *found: JobStatus, active: int = 0) -> None:
        super().__init__()
        self.found = found
        self.active = active
        self.filters: list[dict[str, Any]] = []

    def list_job_pages(self, project: str | None = None, **filters: Any) -> list[dict[str, Any]]:
        self.filters.append({"project": project, **filters})
        if filters["stateFilter"] != ["done"]:
            return [{"jobs": [job(f"a{number}", "RUNNING", {}) for number in range(self.active)]}]
        return [{"jobs": [job(each.ref.id, "DONE", problem_of(each)) for each in self.found]}]


def problem_of(found: JobStatus) -> dict[str, Any]:
    if found.problem is None:
        return {}
    return {"errorResult": {"reason": found.problem.reason, "message": found.problem.message}}


def job(job_id: str, state: str, more: dict[str, Any]) -> dict[str, Any]:
    return {
        "jobReference": {"projectId": "p", "jobId": job_id, "location": "EU"},
        "status": {"state": state, **more},
        "configuration": {"labels": {"x": "y"}},
    }


def jobs_sensor(client: FakeClient | None = None, **options: Any) -> Any:
    options = {"task_id": "t", "job_id_prefix": "key", **options}
    return faked(BigQueryJobsSensor(**options), client or Searching())


class TestJobsSensor:
    """All jobs that a filter matches."""

    def test_counts_what_ended(self) -> None:
        found = poked(jobs_sensor(Searching(status(), status())))
        assert found.xcom_value == {"job_count": 2, "failed_job_count": 0}

    def test_waits_for_the_last(self) -> None:
        assert not poked(jobs_sensor(Searching(status(), active=1), job_id_prefix="a")).is_done

    def test_waits_for_the_first(self) -> None:
        assert not poked(jobs_sensor()).is_done
        assert poked(jobs_sensor(min_jobs=0)).is_done

    def test_one_that_failed_fails_the_sensor(self) -> None:
        with pytest.raises(AirflowFailException, match="invalidQuery"):
            poked(jobs_sensor(Searching(status(), failed())))

    def test_failures_can_be_allowed(self) -> None:
        found = poked(jobs_sensor(Searching(status(), failed()), allow_failed=True))
        assert found.xcom_value == {"job_count": 2, "failed_job_count": 1}

    def test_filters_by_everything(self) -> None:
        client = Searching(status())
        poked(
            jobs_sensor(
                client,
                project_id="q",
                labels={"x": "y"},
                parent_job_id="parent",
                min_creation_time="2026-01-02T00:00:00+00:00",
                max_creation_time=STARTED + dt.timedelta(hours=1),
                all_users=True,
            )
        )
        moment = int(STARTED.timestamp() * 1000)
        assert client.filters[0] == {
            "project": "q",
            "stateFilter": ["pending", "running"],
            "projection": "full",
            "parentJobId": "parent",
            "minCreationTime": moment,
            "maxCreationTime": moment + 3_600_000,
            "allUsers": True,
        }

    def test_defers_to_a_search(self) -> None:
        with pytest.raises(TaskDeferred) as caught:
            run(jobs_sensor(deferrable=True))
        trigger = caught.value.trigger
        assert isinstance(trigger, JobsTrigger)
        assert JobSearch(**trigger.search) == JobSearch(job_id_prefix="key")

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"job_id_prefix": None}, "give job_id_prefix"),
            ({"job_id_prefix": "a b"}, "job_id_prefix"),
            ({"parent_job_id": "a/b"}, "parent_job_id"),
            ({"min_jobs": -1}, "min_jobs"),
            ({"min_creation_time": "yesterday"}, "min_creation_time 'yesterday' is not a time"),
            ({"max_creation_time": "2026-01-01T00:00:00"}, "max_creation_time .* has no time zone"),
            ({"min_creation_time": 7}, "min_creation_time"),
            ({"labels": "x"}, "labels"),
        ],
    )
    def test_wrong_parameters_are_refused_before_any_request(
        self, options: dict[str, Any], text: str
    ) -> None:
        client = Searching()
        with pytest.raises(AirflowFailException, match=text):
            poked(jobs_sensor(client, **options))
        assert client.filters == []


@pytest.mark.parametrize("kind", [BigQueryJobSensor, BigQueryJobsSensor])
def test_templates_exist(kind: Any) -> None:
    task = kind(task_id="t", **({"job": "j"} if kind is BigQueryJobSensor else {"job_id_prefix": "j"}))
    assert {"project_id", "gcp_conn_id", "impersonation_chain"} <= set(kind.template_fields)
    assert all(hasattr(task, name) for name in kind.template_fields)


def test_the_connection_comes_from_default_args_too() -> None:
    """Operators and sensors take it from a base of both, which Airflow has to see."""
    defaults = {"gcp_conn_id": "c", "project_id": "q", "deferrable": True}
    with DAG("dag", schedule=None, start_date=STARTED, default_args=defaults):
        tasks: list[Any] = [
            BigQueryJobSensor(task_id="s", job="j"),
            BigQueryQueryOperator(task_id="o", sql="SELECT 1"),
        ]
    for task in tasks:
        assert task.hook_args() == {"gcp_conn_id": "c", "project_id": "q", "impersonation_chain": None}
        assert task.deferrable
