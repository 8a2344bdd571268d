"""What tasks leave in a folder that others, or their earlier runs, write to; and files without records."""

from __future__ import annotations

import gzip
import json
import os
import resource
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG

from airflow_provider_jobs.clients.salesforce.results.files import LocalSink
from airflow_provider_jobs.errors import JobsError
from airflow_provider_jobs.operators.bigquery import BigQueryUploadOperator
from airflow_provider_jobs.operators.redivis import RedivisUploadOperator
from airflow_provider_jobs.operators.salesforce import SalesforceQueryOperator
from airflow_provider_jobs.sensors.salesforce import SalesforceJobSensor
from tests.integration.lab import Lab
from tests.integration.redivis.lab import RedivisLab
from tests.integration.salesforce.lab import HASTY, SalesforceLab, csv_rows, expected, write, written
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_jobs.sandbox import Sandbox

SHORT = "SELECT Id, Name FROM Account LIMIT 40"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def read(lab: SalesforceLab, folder: Any, run: TaskRun, pages: int, **changes: Any) -> list[str]:
    """Read 40 accounts into so many parts, and return the names of these."""
    lab.sandbox.salesforce_settings(page_rows=40 // pages)
    result = perform(lab.query(SHORT, results_path=folder, results_as="parts", **changes), run.context())
    assert len(result["files"]) == pages
    return sorted(file["path"].rpartition("/")[2] for file in result["files"])


@pytest.mark.parametrize("as_url", [False, True])
def test_a_run_replaces_the_parts_of_the_run_before(
    lab: SalesforceLab, tmp_path: Path, *, as_url: bool
) -> None:
    folder = f"file://{tmp_path}" if as_url else tmp_path
    (tmp_path / "notes.txt").touch()
    read(lab, folder, TaskRun(run_id="yesterday"), 5)
    today = read(lab, folder, TaskRun(run_id="today"), 2, compression="gzip")
    assert names(tmp_path) == [*today, "notes.txt"]
    again = read(lab, folder, TaskRun(run_id="today", max_tries=5), 1)  # cleared
    assert names(tmp_path) == [*again, "notes.txt"]


def test_the_parts_of_other_tasks_stay(lab: SalesforceLab, tmp_path: Path) -> None:
    others = [TaskRun(), TaskRun(task_id="other"), TaskRun(dag_id="other"), TaskRun(map_index=0)]
    parts = [name for run in others for name in read(lab, tmp_path, run, 2)]
    for pages in (2, 1):
        own = read(lab, tmp_path, TaskRun(map_index=1), pages)
        assert names(tmp_path) == sorted([*parts, *own])


def test_a_failed_run_leaves_the_parts_of_the_run_before(lab: SalesforceLab, tmp_path: Path) -> None:
    before = read(lab, tmp_path, TaskRun(), 2)
    lab.fault("query.results", "reply", status=503, nth=2, times=0)
    with pytest.raises(JobsError, match="503"):
        read(lab, tmp_path, TaskRun(run_id="today"), 4)
    assert names(tmp_path) == before


def test_parts_of_which_nobody_knows_whose_they_are_are_refused(lab: SalesforceLab, tmp_path: Path) -> None:
    """Earlier builds named them by the job alone."""
    (tmp_path / "750R0000000zlh9IAA-00003.csv").touch()
    with pytest.raises(AirflowFailException, match=r"such as 750R0000000zlh9IAA-00003\.csv: whose they are"):
        read(lab, tmp_path, TaskRun(), 2)
    assert lab.jobs() == []


def test_mapped_tasks_may_share_a_folder_for_rejected_records(lab: SalesforceLab, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    for index in (0, 1):
        source = write(lab, tmp_path, 0, bad=index + 1, name=f"{index}.csv")
        for _ in range(index + 1):  # a retry, or a clear, replaces its own
            with pytest.raises(AirflowFailException, match="records were rejected"):
                perform(lab.ingest(source, results_path=folder), TaskRun(map_index=index).context())
    kinds = ("failed", "successful", "unprocessed")
    assert names(folder) == [f"{kind}-{index}.csv" for kind in kinds for index in (0, 1)]
    assert [len(csv_rows((folder / f"failed-{index}.csv").read_bytes())) for index in (0, 1)] == [1, 2]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("a.csv", "is one file for all mapped tasks"),
        ("{{ ds }}/{{ params.name }}.csv", "is one file for all mapped tasks"),
        ("a-{{ ti.map_index }}.csv", ""),
        ("{{ task.soql | length }}.csv", ""),
    ],
)
def test_mapped_tasks_do_not_write_one_file(lab: SalesforceLab, tmp_path: Path, path: str, says: str) -> None:
    with DAG("mapped", schedule=None):
        mapped = SalesforceQueryOperator.partial(
            task_id="task", results_path=f"{tmp_path}/{path}", **HASTY
        ).expand(soql=[SHORT, SHORT + " "])
    task = mapped.unmap({"soql": SHORT})
    task.results_path = str(tmp_path / "a.csv")  # as it is rendered
    context = TaskRun(map_index=0).context()
    if not says:
        assert perform(task, context)["record_count"] == 40
        return
    with pytest.raises(AirflowFailException, match=says):
        perform(task, context)
    assert lab.jobs() == []
    assert perform(task, {**context, "expanded_ti_count": 1})["record_count"] == 40


def in_the_way(tmp_path: Path) -> Iterator[tuple[str, str]]:
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "nothing")
    yield f"{tmp_path}/file/new", "/file is not a folder"
    yield f"file://{tmp_path}/file/new", "/file is not a folder"
    yield f"{tmp_path}/nowhere/new", "/nowhere is a link to nothing"
    yield "nosuch://bucket/folder", "nosuch"
    yield "s3://bucket/folder", "s3"


def test_a_place_that_cannot_be_is_told_before_there_is_a_job(lab: SalesforceLab, tmp_path: Path) -> None:
    source = write(lab, tmp_path, 2)
    for folder, says in in_the_way(tmp_path):
        for task in (
            lab.query(SHORT, results_path=f"{folder}/a.csv"),
            lab.query(SHORT, results_path=folder, results_as="parts"),
            lab.ingest(source, results_path=folder),
        ):
            with pytest.raises(AirflowFailException, match=says):
                perform(task)
    assert lab.jobs() == []


def test_a_folder_without_permission_is_told_before_there_is_a_job(lab: SalesforceLab) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o555)
        task = lab.query(SHORT, results_path=folder / "new" / "a.csv")
        user = os.geteuid()
        if user == 0:  # root may write everywhere
            os.seteuid(65534)
        try:
            with pytest.raises(AirflowFailException, match=f"no permission to write to {name}"):
                perform(task)
        finally:
            os.seteuid(user)
        assert (names(folder), lab.jobs()) == ([], [])


def test_a_full_disk_names_the_file_and_leaves_that_of_yesterday(tmp_path: Path) -> None:
    place, sink = tmp_path / "a.csv", LocalSink(tmp_path, "key")
    place.write_text("of yesterday")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with sink.begin("a.csv") as draft:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16 * 1024, before[1]))  # no file may be larger
        try:
            with pytest.raises(OSError, match=r"cannot be written: File too large: '.*/a\.csv'"):
                draft.write(b"x" * 3 * 1024 * 1024)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    sink.clear()
    assert (names(tmp_path), place.read_text()) == (["a.csv"], "of yesterday")


@pytest.mark.parametrize(
    "content", [b"Name,Industry", b"\xef\xbb\xbfName,Industry\r\n", b"Name,Industry\n\n"]
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_without_records_is_a_success_without_a_job(
    lab: SalesforceLab, tmp_path: Path, content: bytes, *, compressed: bool
) -> None:
    folder, source = tmp_path / "results", tmp_path / "a.csv"
    folder.mkdir()
    (folder / "failed.csv").write_text("of yesterday")
    source.write_bytes(gzip.compress(content) if compressed else content)
    result = perform(lab.ingest(source, results_path=folder, delete_job=True))
    assert lab.jobs() == []
    assert (result["job_id"], result["state"], result["record_count"]) == ("", "succeeded", 0)
    assert (result["failed_record_count"], result["object"], result["operation"]) == (0, "Account", "insert")
    assert [file["record_count"] for file in result["files"]] == [0, 0, 0]
    assert (folder / "failed.csv").read_text() == '"sf__Id","sf__Error",Name,Industry\n'
    assert (folder / "successful.csv").read_text() == '"sf__Id","sf__Created",Name,Industry\n'
    assert (folder / "unprocessed.csv").read_text() == "Name,Industry\n"


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor_of_no_job_is_done(lab: SalesforceLab, tmp_path: Path, *, deferrable: bool) -> None:
    (tmp_path / "a.csv").write_text("Name\n")
    left = json.loads(json.dumps(perform(lab.ingest(tmp_path / "a.csv", wait=False, deferrable=deferrable))))
    assert perform(SalesforceJobSensor(task_id="s", job=left, deferrable=deferrable)) == left


def test_compressed_files_become_records(lab: SalesforceLab, tmp_path: Path) -> None:
    """Of several members too, as our own query writes them."""
    text = write(lab, tmp_path, 300).read_bytes()
    source = tmp_path / "b.csv.gz"
    source.write_bytes(gzip.compress(text[:5000]) + gzip.compress(text[5000:]))
    result = perform(lab.ingest(source, part_bytes=4000))
    assert (len(result["jobs"]) > 3, result["record_count"]) == (True, 300)
    assert written(lab) == expected(lab, 300)
    source.write_bytes(source.read_bytes()[:-20])
    lab.begin()
    with pytest.raises(
        AirflowFailException, match=r"b\.csv\.gz is compressed by gzip, and cannot be decompressed"
    ):
        perform(lab.ingest(source, part_bytes=4000))
    assert lab.jobs() == []


FORMS: dict[str, dict[str, Any]] = {
    "file": {},
    "gzip": {"compression": "gzip"},
    "parts": {"results_as": "parts"},
    "gzip parts": {"results_as": "parts", "compression": "gzip"},
    "tabs": {"column_delimiter": "TAB", "line_ending": "CRLF"},
    "no records": {"soql": "SELECT Name, Industry FROM Account WHERE Name = 'nobody'", "compression": "gzip"},
}


@pytest.mark.parametrize("form", FORMS)
def test_what_a_query_writes_ingest_and_bigquery_read(
    lab: SalesforceLab, jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    lab.sandbox.salesforce_settings(page_rows=15)
    how = {"soql": "SELECT Name, Industry FROM Account LIMIT 40", **FORMS[form]}
    folder = tmp_path / "out"
    where = folder if "results_as" in how else folder / "a.csv"
    result = perform(lab.query(results_path=where, **how))
    files, count = [file["path"] for file in result["files"]], result["record_count"]
    assert count == (0 if form == "no records" else 40)
    delimiter = how.get("column_delimiter")
    sent = [perform(lab.ingest(file, column_delimiter=delimiter))["record_count"] for file in files]
    assert sum(sent) == count
    Lab(jobs_sandbox, project := f"lab-{lab.mark}").dataset("crm")
    extra = {
        "project": project,
        "api_endpoint": jobs_sandbox.bigquery,
        "access_token": jobs_sandbox.token,
    }
    connection = json.dumps({"conn_type": "bigquery_jobs", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", connection)
    options = {"allowQuotedNewlines": True, **({"fieldDelimiter": "tab"} if delimiter else {})}
    for number, (combine, compress) in enumerate([(True, False), (True, True), (False, True)]):
        upload = BigQueryUploadOperator(
            task_id="upload",
            source=files,
            destination_table=f"crm.table_{number}",
            schema=[{"name": name, "type": "STRING"} for name in ("Name", "Industry")],
            skip_leading_rows=1,
            options=options,
            deferrable=False,
            combine=combine,
            compress=compress,
        )
        assert perform(upload)["row_count"] == count


@pytest.mark.parametrize("form", ["file", "gzip parts", "no records"])
def test_what_a_query_writes_redivis_reads(
    lab: SalesforceLab, jobs_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    lab.sandbox.salesforce_settings(page_rows=15)
    how = {"soql": "SELECT Name, Industry FROM Account LIMIT 40", **FORMS[form]}
    name = "a.csv.gz" if how.get("compression") else "a.csv"
    result = perform(lab.query(results_path=tmp_path if "results_as" in how else tmp_path / name, **how))
    redivis = RedivisLab(jobs_sandbox, monkeypatch)
    files = [file["path"] for file in result["files"]]
    upload = RedivisUploadOperator(
        task_id="upload", source=files, table=redivis.table, create_missing=True, deferrable=False
    )
    sent = perform(upload)
    assert sum(each["row_count"] for each in sent.get("uploads", [sent])) == result["record_count"]
