"""DAGs written for Google's operators are rewritten by ``python -m airflow_provider_jobs migrate``."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from airflow_provider_jobs.__main__ import main

pytest.importorskip("libcst")

from airflow_provider_jobs.commands.import_lines import MODULES, names_of, rewrite

GOOGLE = "airflow.providers.google.cloud"
OURS = "airflow_provider_jobs"
WRITTEN = Path(__file__).parents[2] / "system" / "dags" / "google_insert_job.py"
BEFORE = f"from {GOOGLE}.operators.bigquery import BigQueryInsertJobOperator\n"
AFTER = f"from {OURS}.operators.bigquery import BigQueryInsertJobOperator\n"
#: Files as they are before, and beside each what it is afterwards.
SHAPES = sorted((Path(__file__).parent / "shapes").glob("*.before"))
#: What stays as it is, and what is said of it.
LEFT = {
    f"from {GOOGLE}.hooks.bigquery import BigQueryHook\n": "BigQueryHook stays .* other methods",
    f"from {GOOGLE}.operators.bigquery import BigQueryCreateEmptyDatasetOperator\n": "or run CREATE SCHEMA",
    f"from {GOOGLE}.operators.bigquery import *\n": "name what is used",
    f"import {GOOGLE}.operators.bigquery\n": "import names from it",
    f"import {GOOGLE}.operators.bigquery as bq\nbq.BigQueryInsertJobOperator, bq.Other\n": "stays, for Other",
    f"from {GOOGLE}.operators import bigquery\nbigquery.Other\n": "stays, for Other",
    f"from {GOOGLE}.hooks import bigquery\nbigquery.BigQueryHook()\n": "import names from it",
    f"module = f'{GOOGLE}.operators.bigquery.{{name}}'\n": "a text names",
    "from airflow.contrib.operators.bigquery_operator import BigQueryOperator\n": "BigQueryQuery",
    "from airflow.providers.salesforce.operators.bulk import SalesforceBulkOperator\n": "SalesforceIngest",
    f"from {GOOGLE}.transfers.salesforce_to_gcs import SalesforceToGcsOperator\n": "SalesforceToBigQuery",
}
#: What is none of our business.
OTHERS = (
    f"from {GOOGLE}.operators.gcs import GCSListObjectsOperator\n",
    f"from {GOOGLE}.operators.bigquery import BigQueryUIColors\n",
    "from .bigquery import Something\nfrom . import bigquery\nimport bigquery as bq\n",
    "text = 'from airflow.providers.google.cloud.operators.bigquery import BigQueryInsertJobOperator'\n",
    "",
)


def migrate(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["migrate", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().out


def after(shape: Path) -> bytes:
    return shape.with_suffix(".after").read_bytes()


each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.stem)


@each_shape
def test_imports_become_ours_and_all_else_stays(shape: Path) -> None:
    found = rewrite(shape.read_bytes())
    assert found.code == after(shape)
    assert found.changes


@each_shape
def test_a_second_run_changes_nothing(shape: Path) -> None:
    found = rewrite(after(shape))
    assert (found.code, found.changes) == (after(shape), [])


@each_shape
def test_line_ends_stay_those_of_the_file(shape: Path) -> None:
    found = rewrite(shape.read_bytes().replace(b"\n", b"\r\n"))
    assert found.code == after(shape).replace(b"\n", b"\r\n")


@pytest.mark.parametrize("code", LEFT)
def test_what_has_no_counterpart_stays_and_is_named_with_its_line(code: str) -> None:
    found = rewrite(code.encode())
    assert found.code.decode() == code
    [(line, text)] = found.hands
    assert line == 1
    assert re.search(LEFT[code], text)


@pytest.mark.parametrize("code", OTHERS)
def test_other_imports_are_passed_over(code: str) -> None:
    found = rewrite(code.encode())
    assert (found.code.decode(), found.changes, found.hands) == (code, [], [])


def test_parameters_that_are_not_taken_are_named() -> None:
    """Of a call, of ``partial`` and ``expand``, of a name of a module."""
    code = f"""
from {GOOGLE}.operators.bigquery import BigQueryInsertJobOperator as Run
import {GOOGLE}.operators.bigquery as bq
Run(task_id="a", configuration={{}}, force_rerun=False, deferrable=True, sql="x", retries=2)
Run.partial(task_id="a", use_legacy=1).expand(configuration=[{{}}], nonsense=[1])
bq.BigQueryInsertJobOperator(task_id="a", configuration={{}}, other=1)
"""
    assert rewrite(code.encode()).hands == [
        (4, "BigQueryInsertJobOperator takes no sql"),
        (5, "BigQueryInsertJobOperator takes no nonsense"),
        (5, "BigQueryInsertJobOperator takes no use_legacy"),
        (6, "BigQueryInsertJobOperator takes no other"),
    ]


def test_a_query_that_was_in_legacy_sql_is_named() -> None:
    line = f"from {GOOGLE}.operators.bigquery import BigQueryInsertJobOperator\n"
    legacy = 'BigQueryInsertJobOperator(task_id="a", configuration={"query": {"query": "SELECT 1"}})\n'
    said = legacy.replace('"SELECT 1"', '"SELECT 1", "useLegacySql": False')
    unread = (
        *('{"query": {**common}}', "CONFIGURATION", "made(1)", "dict(query=dict(query='x'))"),
        *('{**common, "labels": {}}', '"sql/job.json"'),
    )
    unknown = "".join(
        legacy.replace('{"query": {"query": "SELECT 1"}}', configuration) for configuration in unread
    )
    mapped = legacy.replace("(", '.partial(pool="p").expand(', 1).replace("={", "=[{").replace("}})", "}}])")
    hands = rewrite((line + said + legacy + mapped + unknown).encode()).hands
    assert [where for where, text in hands if '"useLegacySql": True keeps it' in text] == [3, 4]
    assert [where for where, text in hands if "is not written out here" in text] == [*range(5, 11)]
    for other in ('{"load": {}}', '{"query": {**common, "useLegacySql": False}}'):
        told = line + legacy.replace('{"query": {"query": "SELECT 1"}}', other)
        assert rewrite(told.encode()).hands == []


def test_a_configuration_among_other_arguments_is_named() -> None:
    """Of what stands for several arguments nobody sees whether a query in it says its dialect."""
    said = '{"query": {"query": "SELECT 1", "useLegacySql": False}}'
    code = f"""
from {GOOGLE}.operators.bigquery import BigQueryInsertJobOperator as Run
Run(task_id="a", **shared)
Run(task_id="b", configuration={said}, **shared)
Run.partial(task_id="c", **shared).expand(configuration=[{said}])
Run.partial(task_id="d").expand_kwargs(jobs())
Run.partial(task_id="e", configuration={said}).expand_kwargs(places())
Run.partial(task_id="f", nonsense=1).expand_kwargs([{{"configuration": {said}}}])
"""
    hands = rewrite(code.encode()).hands
    assert [line for line, text in hands if "is not written out here" in text] == [3, 6, 8]
    assert [line for line, text in hands if "takes no nonsense" in text] == [8]


def test_an_xcom_that_is_not_pushed_any_more_is_named() -> None:
    """It would be None, without an error."""
    pull = "{{ ti.xcom_pull(task_ids='a', key='job_id_path') }}"
    code = f"{BEFORE}Run = BigQueryInsertJobOperator\nx = \"{pull}\"\ny = ti.xcom_pull(key='job_id_path')\n"
    hands = rewrite(code.encode()).hands
    assert [line for line, text in hands if "job_id_path" in text] == [3, 4]
    assert rewrite(code.replace(BEFORE, "import airflow.providers\n").encode()).hands == []


def test_what_our_class_refuses_or_has_otherwise_is_named() -> None:
    """Arguments that would fail the DAG when it is read, checks in legacy SQL, overridden methods, texts."""
    code = f"""
from {GOOGLE}.operators.bigquery import BigQueryCheckOperator, BigQueryTableCheckOperator
from {GOOGLE}.operators.bigquery import BigQueryInsertJobOperator as Run
from {GOOGLE}.transfers.gcs_to_bigquery import GCSToBigQueryOperator
GCSToBigQueryOperator(task_id="a", bucket="b", external_table=True)
GCSToBigQueryOperator(task_id="b", bucket="b", external_table=False)
BigQueryTableCheckOperator(task_id="c", table="t", use_legacy_sql=True)
BigQueryCheckOperator(task_id="d", sql="SELECT 1")
BigQueryCheckOperator(task_id="e", sql="SELECT 1", use_legacy_sql=False)
BigQueryCheckOperator(task_id="f", **shared)
class Mine(Run):
    def __init__(self, **more): super().__init__(**more)
    def execute_complete(self, context, event): return event["job_id"]
class Plain(Run):
    def __init__(self, **more): super().__init__(**more)
patch("{GOOGLE}.operators.bigquery.BigQueryHook")
"""
    hands = rewrite(code.encode()).hands
    assert [line for line, _ in hands] == [5, 7, 8, 11, 16]
    for (_, text), words in zip(
        hands,
        (
            *("refuses external_table=True", "refuses use_legacy_sql=True", "without use_legacy_sql"),
            *("Mine overrides execute_complete", f"a text names {GOOGLE}.operators.bigquery"),
        ),
        strict=True,
    ):
        assert words in text


@pytest.mark.parametrize(
    ("written", "mark", "codec"),
    [
        ("", b"\xef\xbb\xbf", "utf-8"),
        ("# -*- coding: latin-1 -*-\n", b"", "latin-1"),
        ("\x0c\n", b"", "utf-8"),
    ],
    ids=["a BOM", "a codec", "a form feed"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_bytes_around_imports_stay(written: str, mark: bytes, codec: str, end: str) -> None:
    """Tabs, the mark of UTF-8, another encoding, no end of the last line."""
    code = f"{written}if 1:\n\t{BEFORE}\tx = 'é'  # é\ny = 1"
    wanted = code.replace(BEFORE, AFTER)
    before, after = (mark + text.replace("\n", end).encode(codec) for text in (code, wanted))
    assert rewrite(before).code == after


def test_a_codec_that_only_python_can_read_is_skipped() -> None:
    code = f"# -*- coding: latin-1 -*-\r{BEFORE}x = 'é'\r".replace("\n", "\r")
    with pytest.raises(ValueError, match="not text"):
        rewrite(code.encode("latin-1"))


@pytest.mark.parametrize(
    "code",
    [f"x = {'(' * 5000}1{')' * 5000}\n", f"x = 1{'+1' * 20_000}\n", f"{BEFORE}x = 1{'+1' * 900}\n"],
    ids=["brackets", "a long sum", "a long sum beside an import"],
)
def test_what_is_nested_too_deep_is_skipped(code: str) -> None:
    """A parser that is not Python's own ends the process there, and all files after it stay as they are."""
    with pytest.raises(ValueError, match=r"too deep|too many nested"):
        rewrite(code.encode())


def test_every_module_that_is_mapped_leads_to_one_of_ours_or_is_left() -> None:
    """A module that is not there yet has no names, so nothing is rewritten to it."""
    assert "BigQueryInsertJobOperator" in names_of(MODULES[f"{GOOGLE}.operators.bigquery"])
    assert names_of("airflow_provider_jobs.operators.absent") == frozenset()
    assert names_of("absent.module") == frozenset()


def test_nothing_is_changed_unless_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dags = [tmp_path / "dags" / "a.py", tmp_path / "dags" / "team" / "b.py"]
    for path in dags:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(BEFORE)
        path.chmod(0o640)
    code, told = migrate(capsys, str(tmp_path))
    assert (code, {path.read_text() for path in dags}) == (1, {BEFORE})
    assert f"{dags[0]}:1: BigQueryInsertJobOperator from {OURS}.operators.bigquery\n" in told
    assert "2 files: 2 to change, by --write; 0 lines need a hand; 0 files skipped" in told
    code, told = migrate(capsys, str(tmp_path), "--write")
    assert (code, {path.read_text() for path in dags}) == (0, {AFTER})
    assert {path.stat().st_mode & 0o777 for path in dags} == {0o640}
    assert sorted(each.name for each in tmp_path.rglob("*") if each.is_file()) == ["a.py", "b.py"]
    assert migrate(capsys, str(tmp_path)) == (
        0,
        "2 files: 0 to change, by --write; 0 lines need a hand; 0 files skipped\n",
    )


def test_what_is_not_python_is_named_and_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = {
        "a_syntax.py": b"def (:\n",
        "b_bytes.py": b"x = '\xff'\n",
        "c_codec.py": b"# -*- coding: klingon -*-\n",
        "d_null.py": b"x = 1\x00\n",
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "good.py").write_text(BEFORE)
    code, told = migrate(capsys, str(tmp_path), "--write")
    assert code == 1
    assert [line.partition(": ")[0] for line in told.splitlines()[:4]] == [
        str(tmp_path / name) for name in broken
    ]
    assert "a_syntax.py: skipped: line 1: it is not Python" in told
    assert "5 files: 1 changed; 0 lines need a hand; 4 files skipped" in told
    assert {name: (tmp_path / name).read_bytes() for name in broken} == broken
    assert (tmp_path / "good.py").read_text() == AFTER


def test_hidden_folders_and_links_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (".venv/lib/a.py", "lib/site-packages/b.py", "elsewhere.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(BEFORE)
    (tmp_path / "link.py").symlink_to(tmp_path / "elsewhere.txt")
    assert migrate(capsys, str(tmp_path))[1].startswith("0 files")


def test_whoever_reads_on_no_longer_gets_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``| head`` does."""
    (tmp_path / "dag.py").write_text(BEFORE)
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stdout:  # noqa: PTH123 - a pipe
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(SystemExit) as ended:
            main(["migrate", str(tmp_path)])
    assert ended.value.code == 1


def test_names_that_are_not_text_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file system takes any bytes as a name, a terminal does not."""
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.py")  # noqa: PTH118 - bytes
    with open(path, "wb") as file:  # noqa: PTH123 - bytes
        file.write(BEFORE.encode())
    code, told = migrate(capsys, str(tmp_path), "--write")
    assert code == 0
    assert "caf\\udce9.py:1: BigQueryInsertJobOperator" in told


def test_a_notebook_is_not_taken_for_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path := tmp_path / "dag.ipynb").write_text('{"cells": []}')
    code, told = migrate(capsys, str(path))
    assert code == 1
    assert f"{path}: skipped: its name does not end in .py" in told


def test_a_link_that_is_named_stays_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path := tmp_path / "dag.py").write_text(BEFORE)
    (link := tmp_path / "link.py").symlink_to(path)
    assert migrate(capsys, str(link), "--write")[0] == 0
    assert link.is_symlink()
    assert path.read_text() == AFTER


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can give a file to somebody else")
def test_a_file_stays_whose_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else Airflow's user could not read a DAG of mode 0640 any more once root has moved it here."""
    (path := tmp_path / "dag.py").write_text(BEFORE)
    os.chown(path, 4711, 4712)
    assert migrate(capsys, str(path), "--write")[0] == 0
    assert (path.stat().st_uid, path.stat().st_gid) == (4711, 4712)


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="does not exist"):
        main(["migrate", str(tmp_path / "absent")])


def test_a_whole_dag_of_googles_works_afterwards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one that the tests on a real Airflow run with its import line replaced."""
    path = tmp_path / "dag.py"
    path.write_bytes(WRITTEN.read_bytes())
    code, told = migrate(capsys, str(path), "--write")
    assert (code, "1 files: 1 changed; 1 lines need a hand" in told) == (1, True), told
    assert ":90: its configuration is not written out here" in told  # it is a file's
    lines = path.read_text().splitlines()
    changed = [
        line for line, before in zip(lines, WRITTEN.read_text().splitlines(), strict=True) if line != before
    ]
    assert len(changed) == 1
    assert changed[0].startswith(f"from {OURS}.operators.bigquery import")
    compile(path.read_text(), path, "exec")
