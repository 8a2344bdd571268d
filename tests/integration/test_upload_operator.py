"""Files of this machine and of a store become tables, in both modes."""

from __future__ import annotations

import gzip
import logging
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import ObjectStoragePath

from airflow_provider_jobs.operators.bigquery import BigQueryQueryOperator, BigQueryUploadOperator
from tests.integration.task_run import TaskRun, perform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.lab import Lab

SCHEMA = [{"name": "id", "type": "INTEGER"}, {"name": "name", "type": "STRING"}]


@pytest.fixture(params=["synchronous", "deferred"])
def upload(request: pytest.FixtureRequest, lab: Lab) -> Callable[..., Any]:
    """Return what uploads with the operator in this mode."""
    lab.dataset("d")

    def upload(run: TaskRun | None = None, try_number: int = 1, **parameters: Any) -> Any:
        settings = {
            "task_id": "task",
            "destination_table": "d.people",
            "schema": SCHEMA,
            "skip_leading_rows": 1,
            "poll_interval": 0.5,
            "inline_wait": 0,
            "deferrable": request.param == "deferred",
        }
        operator = BigQueryUploadOperator(**settings | parameters)
        with lab.slow_jobs(seconds=0.2):
            return perform(operator, (run or TaskRun()).context(try_number))

    return upload


def write(folder: Path, name: str, first: int, count: int, *, last_line_ends: bool = True) -> Path:
    path = folder / name
    lines = ["id,name", *(f'{number},"né, {number}"' for number in range(first, first + count))]
    path.write_text("\n".join(lines) + "\n" * last_line_ends)
    return path


def rows(lab: Lab) -> list[dict[str, Any]]:
    query = BigQueryQueryOperator(task_id="rows", sql="SELECT id, name FROM d.people ORDER BY id")
    result = query.execute(TaskRun(task_id="rows", run_id=str(len(lab.jobs()))).context())
    return list(lab.client.get_query_results(result["job_id"], location=result["location"]))


def test_the_name_of_a_file_forges_no_line_of_the_log(
    lab: Lab, upload: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "people\n[2026-01-01] INFO - all is well\x1b[2J\u202e.csv"
    upload(source=str(write(tmp_path, name, 1, 2)))
    assert len(rows(lab)) == 2
    said = "".join(capsys.readouterr())
    assert "all is well" in said
    assert "\n[2026-01-01]" not in said
    assert not set(said) & set("\u202e")
    assert "\x1b[2J" not in said


def test_a_local_file(lab: Lab, upload: Callable[..., Any], tmp_path: Path) -> None:
    result = upload(source=str(write(tmp_path, "a.csv", 1, 3)))
    assert result["row_count"] == 3
    assert rows(lab)[1] == {"id": 2, "name": "né, 2"}
    assert len(lab.jobs()) == 2


def test_a_large_file_compressed_on_the_way(
    lab: Lab, upload: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes through a session in several windows, its size unknown until the end."""
    monkeypatch.setattr("airflow_provider_jobs.core.upload.uploader.WINDOW_BYTES", 256 * 1024)
    result = upload(source=str(write(tmp_path, "a.csv", 1, 100_000)), compress=True)
    assert result["row_count"] == 100_000
    assert rows(lab)[-1]["id"] == 100_000


def test_a_large_file_through_a_session(
    lab: Lab, upload: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The session's URL, a secret, is in no log, not even in those of the HTTP library."""
    file = write(tmp_path, "a.csv", 1, 300_000)
    assert file.stat().st_size > 4 * 1024 * 1024
    with caplog.at_level(logging.DEBUG):
        assert upload(source=ObjectStoragePath(f"file://{file}"))["row_count"] == 300_000
    assert "urllib3.connectionpool" in {record.name for record in caplog.records}
    assert "upload_id=" not in caplog.text


def test_several_files_are_several_jobs(lab: Lab, upload: Callable[..., Any], tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path, f"{number}.csv", number * 10, 2)
    result = upload(source=str(tmp_path / "*.csv"))
    assert [job["row_count"] for job in result["jobs"]] == [2, 2, 2]
    assert result["row_count"] == 6
    assert [row["id"] for row in rows(lab)] == [0, 1, 10, 11, 20, 21]


def test_files_of_one_name_in_two_folders(lab: Lab, upload: Callable[..., Any], tmp_path: Path) -> None:
    for number, folder in enumerate("ab"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder, "part.csv", number * 10, 2)
    result = upload(source=str(tmp_path / "*" / "part.csv"))
    assert len({job["job_id"] for job in result["jobs"]}) == 2
    assert [row["id"] for row in rows(lab)] == [0, 1, 10, 11]


def test_several_files_as_one(lab: Lab, upload: Callable[..., Any], tmp_path: Path) -> None:
    """Headers of all but the first are left out, and a missing line end is added."""
    for number in range(3):
        write(tmp_path, f"{number}.csv", number * 10, 2, last_line_ends=number == 2)
    result = upload(source=str(tmp_path / "*.csv"), combine=True, write_disposition="WRITE_TRUNCATE")
    assert result["row_count"] == 6
    assert [row["id"] for row in rows(lab)] == [0, 1, 10, 11, 20, 21]


def test_several_files_as_one_with_a_quote_of_their_own(
    lab: Lab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    for number in range(2):
        (tmp_path / f"{number}.csv").write_text(f"id,'the\nname\"'\n{number},'a\nb'\n")
    options = {"quote": "'", "allowQuotedNewlines": True}
    assert upload(source=str(tmp_path / "*.csv"), combine=True, options=options)["row_count"] == 2
    assert rows(lab) == [{"id": 0, "name": "a\nb"}, {"id": 1, "name": "a\nb"}]


def test_several_files_of_which_the_first_holds_no_row(
    lab: Lab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    """The header lines that the job skips are those of the first file that has rows."""
    (tmp_path / "0.csv").write_text("")
    (tmp_path / "1.csv").write_text("id,name\n")
    write(tmp_path, "2.csv", 1, 2)
    write(tmp_path, "3.csv", 3, 2)
    assert upload(source=str(tmp_path / "*.csv"), combine=True)["row_count"] == 4
    assert [row["id"] for row in rows(lab)] == [1, 2, 3, 4]


@pytest.mark.parametrize("skipped", [None, 0, 1])
def test_several_files_as_one_that_begin_with_a_byte_order_mark(
    lab: Lab, upload: Callable[..., Any], tmp_path: Path, skipped: int | None
) -> None:
    """In the middle of the data it would be part of a value, which is not a number then."""
    header = '"id",name\n' if skipped else ""
    (tmp_path / "0.csv").write_text("", "utf-8-sig")
    for number in range(1, 4):
        (tmp_path / f"{number}.csv").write_text(f"{header}{number},a\n{number}0,b", "utf-8-sig")
    result = upload(source=str(tmp_path / "*.csv"), combine=True, skip_leading_rows=skipped)
    assert result["row_count"] == 6
    assert [row["id"] for row in rows(lab)] == [1, 2, 3, 10, 20, 30]


def test_several_json_files_as_one_that_begin_with_a_byte_order_mark(
    lab: Lab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.json").write_text(f'{{"id": {number}, "name": "a"}}', "utf-8-sig")
    settings = {"combine": True, "source_format": "NEWLINE_DELIMITED_JSON", "skip_leading_rows": None}
    assert upload(source=str(tmp_path / "*.json"), **settings)["row_count"] == 3
    assert [row["id"] for row in rows(lab)] == [0, 1, 2]


@pytest.mark.parametrize("header", ['# pipes of 12" and more\nid,name\n', 'id,size 5"\n7,seven\n'])
def test_several_files_as_one_with_a_lone_quote_in_skipped_lines(
    lab: Lab, upload: Callable[..., Any], tmp_path: Path, header: str
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text(f"{header}{number}1,a\n{number}2,b\n")
    result = upload(source=str(tmp_path / "*.csv"), combine=True, skip_leading_rows=2)
    assert result["row_count"] == 6
    assert [row["id"] for row in rows(lab)] == [1, 2, 11, 12, 21, 22]


def test_several_files_as_one_whose_header_is_told_by_an_option(
    lab: Lab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    for number in range(2):
        write(tmp_path, f"{number}.csv", number * 10, 2)
    options = {"skipLeadingRows": "1"}
    upload(source=str(tmp_path / "*.csv"), combine=True, skip_leading_rows=None, options=options)
    assert [row["id"] for row in rows(lab)] == [0, 1, 10, 11]


def test_a_file_that_comes_between_two_attempts_is_no_reason_to_load_all_again(
    lab: Lab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    run = TaskRun()
    for number in range(2):
        write(tmp_path, f"{number}.csv", number * 10, 2)
    first = upload(run, source=str(tmp_path / "*.csv"), combine=True)
    write(tmp_path, "2.csv", 20, 2)
    assert upload(run, source=str(tmp_path / "*.csv"), combine=True) == first
    assert len(lab.jobs()) == 1


def test_a_name_with_brackets_is_no_pattern_where_such_a_file_exists(
    lab: Lab, upload: Callable[..., Any], tmp_path: Path
) -> None:
    write(tmp_path, "part1.csv", 1, 1)
    there = write(tmp_path, "part[1].csv", 2, 1)
    upload(source=str(there))
    upload(source=f"file://{there}", task_id="other")
    assert [row["id"] for row in rows(lab)] == [2, 2]


def test_a_retry_sends_nothing_again(lab: Lab, upload: Callable[..., Any], tmp_path: Path) -> None:
    run = TaskRun()
    source = str(write(tmp_path, "a.csv", 1, 3))
    assert upload(run, source=source) == upload(run, source=source)
    assert len(lab.jobs()) == 1
    assert len(rows(lab)) == 3


def test_a_retry_finds_its_job_in_any_region(lab: Lab, upload: Callable[..., Any], tmp_path: Path) -> None:
    """Nobody has named the region, and get shows no job there without it."""
    lab.dataset("far", "europe-west3")
    run = TaskRun()
    source = str(write(tmp_path, "a.csv", 1, 3))
    first = upload(run, source=source, destination_table="far.people")
    assert first["location"] == "europe-west3"
    assert upload(run, 2, source=source, destination_table="far.people") == first
    assert len(lab.jobs()) == len(lab.requests("upload.multipart")) == 1


def test_one_job_when_the_last_reply_is_lost(lab: Lab, upload: Callable[..., Any], tmp_path: Path) -> None:
    lab.fault("upload.*", "drop_reply_after_accepting")
    assert upload(source=str(write(tmp_path, "a.csv", 1, 3)))["row_count"] == 3
    assert len(lab.jobs()) == 1
    assert len(rows(lab)) == 3


PARQUET = {"source": "/x", "source_format": "PARQUET", "skip_leading_rows": None}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "missing file": ({"source": "/nowhere/a.csv"}, "/nowhere/a.csv cannot be read: No such file"),
    "folder": ({"source": "/"}, "/ is not a file"),
    "no match": ({"source": "/nowhere/*.csv"}, "matches no file"),
    "missing object": ({"source": "file:///nowhere/a.csv"}, "does not exist"),
    "no source": ({"source": []}, "source is empty"),
    "twice": ({"source": [__file__, __file__]}, "twice"),
    "not a source": ({"source": 3}, "source is a int"),
    "compress": (
        {"source": "/x", "source_format": "PARQUET", "compress": True, "skip_leading_rows": None},
        "compress",
    ),
    "table": ({"source": "/x", "destination_table": "x"}, "destination_table"),
}


DETECTED = {"autodetect": True, "schema": None}
QUOTED = {"options": {"allowQuotedNewlines": True}}
#: Parameters, what the second file holds, and what is said of it.
COMBINED: dict[str, tuple[dict[str, Any], bytes, str]] = {
    "autodetect": ({**DETECTED, "skip_leading_rows": None}, b"2,b\n", "skip_leading_rows"),
    "names": (
        {"skip_leading_rows": 0, "options": {"sourceColumnMatch": "NAME"}},
        b"2,b\n",
        "skip_leading_rows",
    ),
    "encoding": ({"options": {"encoding": "UTF-16LE"}}, b"2,b\n", "encoding UTF-16LE"),
    "compressed": ({}, gzip.compress(gzip.compress(b"id,name\n2,b\n")), r"b\.csv is compressed twice"),
    "wide text": ({}, "id,name\n2,b\n".encode("utf-16"), r"b\.csv is in UTF-16"),
    "carriage returns": ({}, b"id,name\r2,b\r", r"b\.csv has lines that end with a carriage return alone"),
    "one of them": ({}, b"id,name\r2,b\n", r"b\.csv has header rows that end with a carriage return alone"),
    "an order of its own": (DETECTED, b"name,id\nb,2\n", r"a\.csv and \S+b\.csv have different header rows"),
    "an order by name": (
        {"options": {"sourceColumnMatch": "NAME"}},
        b"name,id\nb,2\n",
        r"a\.csv and \S+b\.csv have different header rows: id,name and name,id",
    ),
    "a header of two lines": ({}, b'"id","the\nname"\n2,b\n', r"b\.csv .* allowQuotedNewlines"),
    "a mark": (
        {"options": {"encoding": "ISO-8859-1"}},
        b"\xef\xbb\xbfid\n",
        r"b\.csv begins with the byte order",
    ),
    "an open quote": (QUOTED, b'id,name\n2,"b\n', r"b\.csv has a quote .*: what \S+c\.csv begins with"),
}


@pytest.mark.parametrize("name", COMBINED)
def test_files_that_cannot_be_one_are_refused(
    lab: Lab, upload: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    """Their headers would be loaded as rows, or hide them, or spoil what follows."""
    parameters, second, text = COMBINED[name]
    write(tmp_path, "a.csv", 1, 1)
    (tmp_path / "b.csv").write_bytes(second)
    write(tmp_path, "c.csv", 3, 1)
    with pytest.raises(AirflowFailException, match=text):
        upload(source=str(tmp_path / "*.csv"), combine=True, **parameters)
    assert not lab.jobs()


@pytest.mark.parametrize("name", WRONG)
def test_wrong_sources_are_refused_before_a_request(lab: Lab, upload: Callable[..., Any], name: str) -> None:
    parameters, text = WRONG[name]
    with pytest.raises(AirflowFailException, match=text):
        upload(**parameters)
    assert not lab.jobs()


def test_several_files_do_not_undo_each_other(lab: Lab, upload: Callable[..., Any], tmp_path: Path) -> None:
    for number in range(2):
        write(tmp_path, f"{number}.csv", number, 1)
    with pytest.raises(AirflowFailException, match="write_disposition"):
        upload(source=str(tmp_path / "*.csv"), write_disposition="WRITE_TRUNCATE")
