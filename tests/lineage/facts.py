"""What a consumer of events learns of one task: facts, so that those of two tasks can be told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lineage.events import Told

    Fact = tuple[Any, ...]

#: What Google's provider calls otherwise than the specification.
_SPELLED = {"symlink": "symlinks"}
#: The same in every event, of whichever operator: of Airflow's provider of OpenLineage, or about the code.
_GENERAL = frozenset(
    {
        *("airflow", "airflowState", "debug", "documentation", "nominalTime", "ownership"),
        *("processing_engine", "tags", "unknownSourceAttribute", "airflowDagRun", "execution_parameters"),
    }
)


def events_of(told: Told, job: str) -> list[dict[str, Any]]:
    """Return the events of a task's end, and of the queries in it."""
    names = (job, f"{job}.query.")
    return [
        each
        for each in told.events
        if each["eventType"] in {"COMPLETE", "FAIL"}
        and (each["job"]["name"] == names[0] or each["job"]["name"].startswith(names[1]))
    ]


def facts_of(told: Told, job: str) -> set[Fact]:
    """Return what is learned of a task, whichever of its events tells it."""
    return {fact for event in events_of(told, job) for fact in _facts(event)}


def facets(facts: set[Fact]) -> set[str]:
    """Return the names of the facets that facts are of."""
    found = {f"{fact[0]} {fact[3]}" if fact[0] in {"input", "output"} else fact[0] for fact in facts}
    return found - {"jobType", "parent"}  # in every event, and looked for all the same


def _facts(event: dict[str, Any]) -> Iterator[Fact]:
    for place in (event["run"]["facets"], event["job"]["facets"]):
        for name, facet in place.items():
            if name not in _GENERAL:
                yield from _of_run(name, facet)
    for side in ("input", "output"):
        for dataset in event[f"{side}s"]:
            if not _is_result(dataset):
                yield from _of_dataset(side, dataset)


def _is_result(dataset: dict[str, Any]) -> bool:
    """Return True of a table that BigQuery has made for the rows of a query: nobody asks for it by name."""
    name = str(dataset["name"])
    return dataset["namespace"] == "bigquery" and name.rsplit(".", maxsplit=1)[-1].startswith("anon")


def _of_run(name: str, facet: dict[str, Any]) -> Iterator[Fact]:
    yield (name,)
    if name == "sql":
        yield (name, " ".join(facet["query"].split()))
    if name == "externalQuery":
        yield (name, facet["source"])
    if name == "bigQueryJob":
        yield (name, "cached", facet["cached"])
        yield from [(name, "billedBytes")] * (facet.get("billedBytes") is not None)
        yield from [(name, "properties")] * bool(facet.get("properties"))


def _of_dataset(side: str, dataset: dict[str, Any]) -> Iterator[Fact]:
    key = (side, dataset["namespace"], dataset["name"])
    yield (*key, "name")
    found = {**(dataset.get("facets") or {}), **(dataset.get(f"{side}Facets") or {})}
    for name, facet in found.items():
        yield from ((*key, _SPELLED.get(name, name), *fact) for fact in _of_facet(name, facet))


def _of_facet(name: str, facet: dict[str, Any]) -> Iterator[Fact]:
    if name == "schema":
        for column in facet["fields"]:
            yield (column["name"], column.get("type"), column.get("description"))
    elif name == "columnLineage":
        for column, made in facet["fields"].items():
            for source in made["inputFields"]:
                yield (column, source["namespace"], source["name"], source["field"])
    elif name in {"outputStatistics", "inputStatistics"}:
        yield from ((what, facet[what]) for what in ("rowCount", "size") if facet.get(what) is not None)
    elif name in {"symlink", "symlinks"}:
        yield from ((each["namespace"], each["name"]) for each in facet["identifiers"])
    else:
        yield ()
