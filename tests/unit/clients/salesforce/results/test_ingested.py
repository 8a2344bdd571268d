"""What became of ingested records: however a job tells it, the file has every record of every job."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.clients.salesforce.client import SalesforceClient
from airflow_provider_jobs.clients.salesforce.results.files import LocalSink, Output
from airflow_provider_jobs.errors import ProtocolError
from tests.unit.clients.salesforce.org import INGEST_REF, ORG, Csv, Script, job, job_id
from tests.unit.conftest import Clock

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_provider_jobs.clients.salesforce.results.files import Downloaded
    from airflow_provider_jobs.core.http.messages import Request

COLUMNS = ["sf__Id", "sf__Error", "Name", "Industry"]
VALUES = st.text(st.sampled_from('a,;"\n\r\0\u2028\U0001f600'), max_size=6)


@dataclass
class Told:
    """How one job tells of its failed records.

    :param nothing: What stands for no records: a header, an empty body, or no content at all.
    """

    columns: list[str]
    rows: list[dict[str, str]] = field(default_factory=list)
    nothing: str = "header"
    ends_a_line: bool = True
    line_end: str = "\n"

    def reply(self) -> Csv:
        if not self.rows and self.nothing != "header":
            return Csv(b"", {"Content-Length": "0"}, 204 if self.nothing == "no content" else 200)
        text = io.StringIO()
        writer = csv.DictWriter(
            text, self.columns, quoting=csv.QUOTE_ALL, lineterminator=self.line_end, extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(self.rows)
        body = text.getvalue().encode()
        body = body if self.ends_a_line else body.removesuffix(self.line_end.encode())
        return Csv(body, {"Content-Type": "text/csv", "Content-Length": str(len(body))}, block=7)


class Jobs(Script):
    """Ingest jobs, by their numbers."""

    def __init__(self, told: list[Told], **more: Any) -> None:
        super().__init__(Clock())
        self.told = told
        self.more = more
        #: Replies in place of the true ones, by what is asked for.
        self.answers: dict[str, Csv] = {}
        self.refs = [replace(INGEST_REF, id=job_id(number)) for number in range(len(told))]

    def answer(self, request: Request) -> Any:
        number = next(number for number, ref in enumerate(self.refs) if ref.id in request.url)
        count = len(self.told[number].rows)
        which = urlsplit(request.url).path.rstrip("/").rpartition("/")[2]
        if which in self.answers:
            return replace(self.answers[which])
        if which == "failedResults":
            return self.told[number].reply()
        counts: dict[str, Any] = {"numberRecordsProcessed": count + 3, "numberRecordsFailed": count}
        return job(id=self.refs[number].id, jobType="V2Ingest", **counts, **self.more)

    def download(self, folder: Path, which: str, resent: Collection[str] = (), **output: Any) -> Downloaded:
        client, written = SalesforceClient(self, ORG), Output("failed.csv", **output)
        return client.download_ingested(self.refs, which, written, LocalSink(folder), resent=resent)

    def failed(self, folder: Path, **output: Any) -> list[dict[str, str]]:
        """Return the records of the file that is written."""
        written = self.download(folder, "failedResults", **output)
        (file,) = written.files
        content = Path(file.place).read_bytes()
        rows = list(csv.DictReader(io.StringIO(unpacked(content).decode(), newline="")))
        assert file.record_count == len(rows)
        assert file.size_bytes == len(content)
        assert [path.name for path in folder.iterdir()] == ["failed.csv"]
        return rows


def unpacked(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


@st.composite
def tellings(draw: Any) -> Told:
    columns = draw(
        st.sampled_from([COLUMNS, COLUMNS[:2], COLUMNS[:3], [*COLUMNS[:2], "Industry", "Name"], COLUMNS])
    )
    rows = [{column: draw(VALUES) for column in columns} for _ in range(draw(st.integers(0, 3)))]
    return Told(
        columns,
        rows,
        draw(st.sampled_from(["header", "empty", "no content"])),
        draw(st.booleans()),
        draw(st.sampled_from(["\n", "\r\n"])),
    )


@settings(max_examples=300, deadline=None)
@given(told=st.lists(tellings(), min_size=1, max_size=4), compress=st.booleans())
def test_every_record_of_every_job_is_in_the_file(told: list[Told], *, compress: bool) -> None:
    """With the value of each column that its job tells, whatever columns the others have."""
    with tempfile.TemporaryDirectory() as folder:
        found = Jobs(told).failed(Path(folder), compress=compress)
    sent = [row for each in told for row in each.rows]
    assert [{name: row[name] for name in of} for row, of in zip(found, sent, strict=True)] == sent
    for row, of in zip(found, sent, strict=True):
        assert all(row[name] == "" for name in row.keys() - of.keys())


def test_equal_columns_stay_the_bytes_that_came(tmp_path: Path) -> None:
    told = [Told(COLUMNS[:2], [{"sf__Id": "1", "sf__Error": 'a "b"'}]), Told(COLUMNS[:3]), Told(COLUMNS[:2])]
    told[2].rows = [{"sf__Id": "2", "sf__Error": ""}]
    Jobs(told).failed(tmp_path)
    assert (tmp_path / "failed.csv").read_bytes() == b'"sf__Id","sf__Error"\n"1","a ""b"""\n"2",""\n'


def test_the_jobs_own_delimiter_divides_the_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = Jobs([Told(["a;b", "c"], [{"a;b": "1", "c": "2"}]), Told(["c"], [{"c": "3"}])])
    jobs.more = {"columnDelimiter": "SEMICOLON"}
    reply = Told.reply
    monkeypatch.setattr(
        Told, "reply", lambda told: replace(reply(told), body=reply(told).body.replace(b",", b";"))
    )
    jobs.failed(tmp_path)
    lines = (tmp_path / "failed.csv").read_bytes().splitlines()
    assert lines == [b'"a;b";"c"', b'"1";"2"', b'"";"3"']


@pytest.mark.parametrize("nothing", ["empty", "no content"])
def test_nothing_in_place_of_records_is_an_error(tmp_path: Path, nothing: str) -> None:
    told = Told(COLUMNS, [{"sf__Id": "1"}])
    told.reply = lambda: Told([], nothing=nothing).reply()  # type: ignore[method-assign]
    with pytest.raises(ProtocolError, match="an empty page came, and the job has records"):
        Jobs([told]).failed(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("which", ["failedResults", "successfulResults", "unprocessedrecords"])
@pytest.mark.parametrize("state", ["JobComplete", "Failed", "Aborted"])
def test_a_reply_that_ends_with_its_connection_may_be_a_part(tmp_path: Path, which: str, state: str) -> None:
    """Cut behind a record it looks whole: only a count tells."""
    jobs = Jobs([Told(COLUMNS, [{"sf__Id": "1"}, {"sf__Id": "2"}])])
    jobs.more = {"state": state}
    whole = jobs.told[0].reply().body
    replies = {"cut": b"".join(whole.splitlines(keepends=True)[:2]), "header": whole.split(b"\n")[0] + b"\n"}
    for body in (*replies.values(), b""):
        jobs.answers = {which: Csv(body, {"Content-Type": "text/csv"})}
        with pytest.raises(ProtocolError, match=r"may have been cut|records, and|an empty page came"):
            jobs.download(tmp_path, which)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("framed", [True, False])
def test_a_reply_that_holds_what_the_job_counts_is_whole(tmp_path: Path, *, framed: bool) -> None:
    jobs = Jobs([Told(COLUMNS, [{"sf__Id": "1"}, {"sf__Id": "2"}])])
    reply = jobs.told[0].reply()
    jobs.answers = {"failedResults": reply if framed else Csv(reply.body)}
    assert jobs.download(tmp_path, "failedResults").record_count == 2


def test_no_rejected_records_are_not_believed_of_what_may_be_cut(tmp_path: Path) -> None:
    """The job may be complete before its counters are."""
    jobs = Jobs([Told(COLUMNS)])
    jobs.answers = {"failedResults": Csv(jobs.told[0].reply().body)}
    with pytest.raises(ProtocolError, match=rf"{jobs.refs[0].id}/failedResults/: .* may have been cut"):
        jobs.download(tmp_path, "successfulResults")


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("columns", [COLUMNS[:3], COLUMNS])
def test_what_went_to_a_later_job_is_left_out_of_files_that_are_as_told(
    tmp_path: Path, columns: list[str], *, split: bool, compress: bool
) -> None:
    """No line is empty where the last record of a job was left out; names and hashes are the files' own."""
    lock, other = "UNABLE_TO_LOCK_ROW:x", "DUPLICATE_VALUE:x"
    told = [
        Told(
            of,
            [{"sf__Error": error, "Name": f"{job_number}{n}"} for n, error in enumerate(errors)],
            ends_a_line=ends,
        )
        for job_number, (of, errors, ends) in enumerate(
            [
                (columns, [other, lock], False),
                (COLUMNS[:3], [lock], False),
                (COLUMNS[:3], [lock, other], False),
                (COLUMNS[:3], [other], True),
            ]
        )
    ]
    jobs = Jobs(told)
    resent = [ref.id for ref in jobs.refs[:3]]
    done = jobs.download(tmp_path, "failedResults", resent, split=split, compress=compress)
    names = [f"failed-{number:05d}.csv" for number in range(4)] if split else ["failed.csv"]
    assert [file.name for file in done.files] == names == sorted(path.name for path in tmp_path.iterdir())
    found = list[dict[str, str]]()
    for file in done.files:
        content = Path(file.place).read_bytes()
        assert (file.size_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert content.startswith(b"\x1f\x8b") is compress
        text = unpacked(content).decode()
        assert "" not in text.split("\n")[:-1]
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        assert file.record_count == len(rows)
        found += rows
    assert [row["Name"] for row in found] == ["00", "21", "30"]
    assert done.record_count == 3
