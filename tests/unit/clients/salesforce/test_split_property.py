"""Generated CSV files in parts: together they hold the records of the whole file, or it is refused."""

from __future__ import annotations

import csv
import io
import re
from contextlib import closing
from typing import TYPE_CHECKING

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from airflow_provider_jobs.clients.salesforce.split import split_csv
from airflow_provider_jobs.errors import ConfigurationError
from tests.integration.files import Dialect, csv_files
from tests.unit.core.upload.storage import source_of

if TYPE_CHECKING:
    from airflow_provider_jobs.core.sources.source import Source

#: As Salesforce takes them: a header row, quotes, one of six delimiters.
DIALECTS = [
    Dialect(each, '"', quoted_newlines=True, skip=1, autodetect=False, encoding=None) for each in ",;\t|^`"
]
#: A quote in the middle of a value without quotes, which CSV has not.
STRAY = re.compile(rb'[^",;\t|^`\r\n]"[^",;\t|^`\r\n]')


def read(source: Source) -> bytes:
    with closing(source.open()) as reader:
        return b"".join(iter(lambda: reader.read(7), b""))


def records_of(text: bytes, dialect: Dialect) -> list[list[str]]:
    found = csv.reader(io.StringIO(text.decode("utf-8-sig"), newline=""), delimiter=dialect.delimiter)
    return [record for record in found if record]


@settings(max_examples=300, deadline=None)
@given(dialect=st.sampled_from(DIALECTS), data=st.data(), room=st.integers(8, 40))
def test_the_parts_are_the_whole(dialect: Dialect, data: st.DataObject, room: int) -> None:
    content = data.draw(csv_files(dialect))[0]
    assume(not STRAY.search(content))
    try:
        with split_csv(source_of(content), most_bytes=room) as parts:
            texts = [read(part.source) for part in parts]
    except ConfigurationError:
        return
    header, *whole = records_of(content, dialect)
    assert whole == [record for text in texts for record in records_of(text, dialect)[1:]]
    assert {tuple(records_of(text, dialect)[0]) for text in texts} == ({tuple(header)} if whole else set())
