"""The lines that a task's log has about its jobs: what they are called, and what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_jobs.jobs import JobState
from airflow_provider_jobs.words import one_line, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_provider_jobs.jobs import JobRef, JobStatus

#: Characters of SQL, or of a configuration, that the log shows.
MOST_WORK_CHARACTERS = 1000
#: Entries of a list, such as URIs, that a line names.
_MOST_NAMED = 3
_THE_JOB = "the job"


def work_line(kind: str, text: str) -> str:
    """Return what a task runs: SQL or a configuration, secrets masked, on one line, shortened."""
    return f"{kind}: {one_line(text, MOST_WORK_CHARACTERS)}"


def called_each(refs: Sequence[JobRef]) -> dict[JobRef, str]:
    """Return what lines after the first call each job of a task; the first line has its id."""
    if len(refs) == 1:
        return {refs[0]: _THE_JOB}
    return {ref: f"job {number} of {len(refs)}" for number, ref in enumerate(refs, 1)}


def called(ref: JobRef, names: Mapping[JobRef, str]) -> str:
    """Return what a line calls a job, also one that has only now turned out to be elsewhere.

    :param names: As :func:`called_each` gives them.
    """
    return names.get(ref, _THE_JOB)


def begun_lines(status: JobStatus, names: Mapping[JobRef, str], verb: str, what: str = "") -> Iterator[str]:
    """Yield the lines that say which job does the work, its link by itself.

    :param names: As :func:`called_each` gives them.
    :param what: What this one of several jobs does, such as the name of its file.
    """
    number = f"{called(status.ref, names)}, " if len(names) > 1 else ""
    yield f"{verb} {number}{status.ref or 'a dry run'}" + (f", for {shown(what)}" if what else "")
    if status.url:
        yield status.url


def outcome_line(summary: Mapping[str, Any], statuses: Sequence[JobStatus]) -> str:
    """Return what came of the jobs of a task: how they ended, how long they took, and their numbers.

    :param summary: What the task's XCom ``job`` says.
    """
    took = max((seconds for each in statuses if (seconds := _seconds(each)) is not None), default=None)
    facts = ", ".join(_facts(summary))
    line = _ending(summary, statuses) + ("" if took is None else f" in {took:,.1f} s")
    return f"{line}: {facts}" if facts else line


def skipped_lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each row that was left out, as far as the service names them."""
    for name, verb in (("bad_records", "skipped"), ("warnings", "warning")):
        entries: Sequence[Mapping[str, str]] = summary.get(name) or ()
        for each in entries:
            place = f" ({each['location']})" if each.get("location") else ""
            yield f"{verb}: {each.get('reason', 'unknown')}{place}: {each.get('message', '')}"
    named, count = len(summary.get("bad_records") or ()), summary.get("bad_record_count") or 0
    if 0 < named < count:
        yield f"and {count - named:,} more"


def _ending(summary: Mapping[str, Any], statuses: Sequence[JobStatus]) -> str:
    if summary.get("dry_run"):
        return "the dry run"
    if len(statuses) == 1:
        return f"the job {summary.get('state')}"
    ends = [state for state in JobState if any(each.state is state for each in statuses)]
    counts = [sum(each.state is state for each in statuses) for state in ends]
    return ", ".join(
        f"{count} of {len(statuses)} jobs {state}" for count, state in zip(counts, ends, strict=True)
    )


def _seconds(status: JobStatus) -> float | None:
    """Return how long a job took, as its service tells it, or as the task saw it."""
    milliseconds = status.statistics.get("processing_ms")
    seconds = status.statistics.get("duration_seconds")
    return seconds if milliseconds is None else milliseconds / 1000


def _facts(summary: Mapping[str, Any]) -> Iterator[str]:
    for name, say in _SAID:
        value = summary.get(name)
        if value is not None and value != [] and (value or name not in _UNLESS_ZERO):
            yield say(value)
    table = str(summary.get("destination_table") or "")
    # The dataset of a result that nobody has named a table for begins with an underscore.
    if table and not table.rpartition(".")[0].rpartition(".")[2].startswith("_"):
        yield f"in {table}"


def _many(noun: str) -> Callable[[Any], str]:
    return lambda count: f"{count:,} {noun}{'' if count == 1 else 's'}"


def size_of(count: float) -> str:
    """Return a number of bytes in the unit that fits."""
    size = float(count)
    if size < 1000:  # noqa: PLR2004 - the step between units
        return f"{count} bytes"
    unit = ""
    for unit in ("kB", "MB", "GB", "TB", "PB"):  # noqa: B007 - the last one is used
        size /= 1000
        if size < 1000:  # noqa: PLR2004 - as above
            break
    return f"{size:,.1f} {unit}"


def _bytes(verb: str) -> Callable[[Any], str]:
    return lambda count: f"{size_of(count)} {verb}"


def _named(found: Any) -> str:
    each = [found] if isinstance(found, str) else list(found)
    more = f" and {len(each) - _MOST_NAMED} more" if len(each) > _MOST_NAMED else ""
    return f"in {', '.join(map(str, each[:_MOST_NAMED]))}{more}"


#: What a line says of a summary, in this order.
_SAID: tuple[tuple[str, Callable[[Any], str]], ...] = (
    ("version", lambda tag: f"version {tag}"),
    ("row_count", _many("row")),
    ("record_count", _many("record")),
    ("failed_record_count", lambda count: f"{count:,} rejected"),
    ("bad_record_count", lambda count: f"{count:,} skipped"),
    ("size_bytes", _bytes("stored")),
    ("bytes_processed", _bytes("processed")),
    ("bytes_billed", _bytes("billed")),
    ("cache_hit", lambda _hit: "from the cache"),
    ("slot_ms", lambda count: f"{count / 1000:,.1f} s of slots"),
    ("child_job_count", _many("statement")),
    ("input_file_count", lambda count: f"from {count:,} file{'' if count == 1 else 's'}"),
    ("input_bytes", _bytes("read")),
    ("output_bytes", _bytes("written")),
    ("output_file_counts", lambda counts: _many("file")(sum(counts))),
    ("destination_uris", _named),
    ("table", lambda table: f"in {table}"),
    ("dataset", lambda dataset: f"of {dataset}"),
    ("files", lambda files: _named([each["path"] for each in files])),
    ("session_id", lambda session: f"session {session}"),
)
#: What is worth no word if there is none.
_UNLESS_ZERO = frozenset({"failed_record_count", "bad_record_count", "cache_hit"})
