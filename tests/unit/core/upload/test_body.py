"""A body is exactly its source, or it does not leave."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from typing import Any

import pytest

from airflow_provider_jobs.core.sources.source import Media
from airflow_provider_jobs.core.upload.body import WholeBody
from airflow_provider_jobs.errors import SourceChanged, TransportError
from tests.unit.core.upload.storage import source_of

DATA = b"Id\n1\n2\n"


@pytest.mark.parametrize("size", [1, 3, 100, -1])
def test_it_is_read_to_its_end(size: int) -> None:
    told: list[tuple[int, int | None]] = []
    media = Media(source_of(DATA), on_progress=lambda sent, total: told.append((sent, total)))
    with closing(media.source.open()) as reader:
        body = WholeBody(reader, media)
        assert len(body) == len(DATA)
        assert b"".join(iter(lambda: body.read(size), b"")) == DATA
        assert body.read(size) == b""
    assert told[-1] == (len(DATA), len(DATA))
    assert [sent for sent, _ in told] == sorted(sent for sent, _ in told)


def test_the_last_of_a_changed_source_stays_here() -> None:
    media = Media(source_of(DATA, look=lambda: "another"))
    with closing(media.source.open()) as reader, pytest.raises(SourceChanged):
        b"".join(iter(lambda: WholeBody(reader, media).read(100), b""))


def test_a_source_that_is_shorter_is_an_error() -> None:
    source: Any = source_of(DATA)
    object.__setattr__(source, "size", len(DATA) + 1)
    with closing(source.open()) as reader, pytest.raises(SourceChanged, match="became shorter"):
        list(iter(lambda: WholeBody(reader, Media(source)).read(100), b""))


def test_a_source_that_is_longer_is_an_error() -> None:
    source: Any = source_of(DATA)
    object.__setattr__(source, "size", len(DATA) - 1)
    with closing(source.open()) as reader:
        body = WholeBody(reader, Media(source))
        with pytest.raises(SourceChanged, match="became longer"):
            list(iter(lambda: body.read(100), b""))


def test_a_source_that_cannot_be_read_is_blamed_itself() -> None:
    """An OSError of it would pass for one of the connection."""
    media = Media(source_of(DATA))
    with closing(media.source.open()) as reader:
        patched: Any = reader
        patched.read = refuse
        with pytest.raises(TransportError, match=r"rows\.csv cannot be read: Permission denied"):
            WholeBody(reader, media).read(100)


def refuse(size: int = -1, /) -> bytes:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
