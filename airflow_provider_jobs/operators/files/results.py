"""The files that a task writes: those that ``results_path`` names."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_jobs.errors import ConfigurationError
from airflow_provider_jobs.operators.attempts import lasting_digest
from airflow_provider_jobs.operators.files.places import in_store, is_local, opened
from airflow_provider_jobs.words import shown

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow.sdk import Context

    from airflow_provider_jobs.clients.salesforce.results.files import Downloaded, LocalSink

log = logging.getLogger(__name__)

#: What a template may name and still be the same for all mapped tasks of a run.
_SAME_FOR_ALL = frozenset(
    {
        *("conf", "conn", "dag", "dag_run", "data_interval_end", "data_interval_start", "ds", "ds_nodash"),
        *("logical_date", "params", "run_id", "ts", "ts_nodash", "ts_nodash_with_tz", "var"),
    }
)
#: Parts as earlier builds named them: by the job, and not by the task.
_NOBODYS_PART = re.compile(r"750(\w{12}|\w{15})-\d{5,}\.csv(\.gz)?", re.ASCII)


def folder_and_name(path: Any, conn_id: str | None, parameter: str = "results_path") -> tuple[Any, str]:
    """Return the folder of a path, a URL or an ObjectStoragePath, and what follows it.

    :raises ConfigurationError: it is not one of them, or does not name a file.
    """
    whole = opened(path, conn_id, parameter)
    if not whole.name or str(path).endswith("/"):
        raise ConfigurationError(f"{parameter} {shown(path, 200)!r} names no file")
    if not in_store(whole) and whole.is_dir():
        raise ConfigurationError(f"{parameter} {whole} is a folder: name a file in it")
    return whole.parent, whole.name


def check_not_shared(task: Any, context: Context, apart: str | None = None) -> None:
    """See that mapped tasks do not all write to the one place that ``results_path`` names.

    :param apart: A parameter each of whose values has a place of its own there.
    :raises ConfigurationError: they would, each replacing what another has written.
    """
    ti = context["ti"]
    if getattr(ti, "map_index", -1) < 0 or not task.has_dag() or context.get("expanded_ti_count") == 1:
        return
    given = task.dag.task_dict.get(task.task_id)  # as the DAG has it, its templates not rendered
    parameters = getattr(given, "partial_kwargs", None)

    def one_for_all(name: str) -> str | None:
        value = parameters.get(name) if parameters is not None else getattr(given, name, None)
        return str(value) if value is not None and _is_same_for_all(str(value)) else None

    path = one_for_all("results_path")
    if path and not (apart and getattr(task, apart) and not one_for_all(apart)):
        what = "place" if apart else "file"
        raise ConfigurationError(
            f"results_path {shown(path, 200)} is one {what} for all mapped tasks, which would replace each "
            "other's results: add {{ ti.map_index }} to it"
        )


def _is_same_for_all(template: str) -> bool:
    from jinja2 import Environment, TemplateSyntaxError, meta  # noqa: PLC0415 - only mapped tasks pay for it

    try:
        named = meta.find_undeclared_variables(Environment(autoescape=True).parse(template))
    except TemplateSyntaxError:
        return False
    return named <= _SAME_FOR_ALL


def part_name(job_id: str, context: Context, suffix: str) -> str:
    """Return what parts are called, before their numbers are put in: by the job, and by the task.

    Each task thus knows the parts of its own earlier runs from those of others in the folder.
    """
    return f"{job_id}-{lasting_digest(context)[:8]}{suffix}"


def check_no_unknown_parts(sink: LocalSink) -> None:
    """See that a folder for parts has none of which nobody knows whose they are.

    :raises ConfigurationError: it has, or it cannot be listed.
    """
    if unknown := sorted(filter(_NOBODYS_PART.fullmatch, sink.listed())):
        raise ConfigurationError(
            f"the folder of results_path has {len(unknown)} parts of an earlier build, such as {unknown[0]}: "
            "whose they are is not known, and who reads the folder would take them for today's. Remove them, "
            "or name another folder"
        )


def remove_earlier_parts(sink: LocalSink, context: Context, keep: Collection[str]) -> None:
    """Remove the parts that earlier runs of this task have left in the folder.

    :param keep: Names of those of this run.
    """
    remove_others(sink, rf"\w{{15,18}}-{lasting_digest(context)[:8]}", keep)


def remove_others(sink: LocalSink, stem: str, keep: Collection[str]) -> None:
    """Remove the parts in a folder whose names begin in one way.

    :param stem: The pattern of what is before their numbers.
    :param keep: Names of those that stay.
    """
    own = re.compile(rf"{stem}-\d{{5,}}\.csv(\.gz)?")
    earlier = [name for name in sink.listed() if own.fullmatch(name) and name not in keep]
    for name in earlier:
        sink.remove(name)
    if earlier:
        log.info("%s parts of earlier runs of this task were removed, such as %s", len(earlier), earlier[0])


def found_elsewhere(folder: Any, executor: str | None) -> str:
    """Return what to know of a folder of this machine where tasks run on others too; empty if nothing.

    :param executor: The task's own, if it has one; otherwise Airflow's first one counts.
    """
    name = executor or conf.get("core", "executor", fallback="LocalExecutor").partition(",")[0]
    if "LocalExecutor" in name or (in_store(folder) and not is_local(folder)):
        return ""
    return (
        f"the results go to {folder} of this worker: with {name} a later task may run on another one,"
        " which has them only if the folder is shared; an object store is there for all"
    )


def written(downloaded: Downloaded) -> list[dict[str, Any]]:
    """Return what a result says about the files of a download."""
    return [
        {
            "path": file.place,
            "record_count": file.record_count,
            "size_bytes": file.size_bytes,
            "sha256": file.sha256,
        }
        for file in downloaded.files
    ]
