"""The reference: every public class of the package, from its docstrings and signatures."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import airflow_provider_jobs
from website.docstrings import Docstring, markdown, read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

PACKAGE = airflow_provider_jobs.__name__
#: Of a signature on one line, its name left out.
_MOST_CHARACTERS = 80
#: What users import from these layers, by the ends of its names.
LAYERS = {
    "operators": "Operator",
    "transfers": "Operator",
    "sensors": "Sensor",
    "hooks": "Hook",
    "links": "Link",
}
#: Their methods are for whoever writes a class of this package, not for whoever writes a DAG.
ONLY_PARAMETERS = ("Operator", "Sensor", "Link")
#: These are given to users, as errors are, and never made by them.
NOT_MADE = ("JobsSandbox",)
#: What stands in modules of other kinds: the page that it goes to, the module, the names.
OTHERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("bigquery", "clients.bigquery.client", ("BigQueryClient",)),
    ("salesforce", "clients.salesforce.client", ("SalesforceClient",)),
    ("redivis", "clients.redivis.client", ("RedivisClient",)),
    ("testing", "testing.jobs_sandbox", ("JobsSandbox",)),
    ("testing", "testing.dag_runs", ("DagRunResult",)),
    ("testing", "testing.effects", ("Job",)),
    ("testing", "sandbox", ("Sandbox",)),
    ("jobs", "jobs", ("JobRef", "JobState", "JobStatus", "JobProblem")),
)
#: The pages, in this order, with their headings.
PAGES = {
    "bigquery": "BigQuery",
    "salesforce": "Salesforce",
    "redivis": "Redivis",
    "transfers": "Transfers",
    "jobs": "Jobs",
    "errors": "Errors",
    "testing": "Testing",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a constructor.

    :param default: As Python writes it, empty if the parameter has to be given.
    """

    name: str
    type: str
    default: str
    text: str
    templated: bool


@dataclass
class Entry:
    """A public class, and where it is imported from."""

    kind: type
    module: str
    page: str
    says: Docstring = field(init=False)

    def __post_init__(self) -> None:
        self.says = read(self.kind)

    @property
    def name(self) -> str:
        """The class's name."""
        return self.kind.__name__

    @cached_property
    def parameters(self) -> list[Parameter]:
        """What the constructor takes: its own parameters first, then those of each base of ours."""
        if issubclass(self.kind, Exception) or self.name in NOT_MADE:
            return []
        texts: dict[str, str] = {}
        for base in reversed(_ours(self.kind)):
            texts |= read(base).parameters
            texts |= read(vars(base)["__init__"]).parameters if "__init__" in vars(base) else {}
        templates = set(getattr(self.kind, "template_fields", ()))
        return [
            Parameter(
                each.name, _type(each), _default(each), texts.get(each.name, ""), each.name in templates
            )
            for each in _accepted(self.kind)
        ]

    @cached_property
    def methods(self) -> list[tuple[str, Any]]:
        """Public methods and properties that classes of ours define, inherited ones too."""
        if self.name.endswith(ONLY_PARAMETERS):
            return []
        found: dict[str, Any] = {}
        for base in reversed(_ours(self.kind)):
            found |= {name: thing for name, thing in vars(base).items() if _is_method(name, thing)}
        return list(found.items())

    def undocumented(self) -> Iterator[str]:
        """Yield what has no word said about it."""
        if not self.says.text:
            yield self.name
        yield from (f"{self.name}({each.name})" for each in self.parameters if not each.text)
        yield from (f"{self.name}.{name}" for name, thing in self.methods if not _says(thing).text)


def _ours(kind: type) -> list[type]:
    return [each for each in kind.__mro__ if each.__module__.split(".")[0] == PACKAGE]


def _accepted(kind: type) -> Iterator[inspect.Parameter]:
    """Yield parameters as long as one constructor hands what it does not know to the next."""
    seen = set[str]()
    for base in _ours(kind):
        if "__init__" not in vars(base):
            continue
        own = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        named = [each for each in own if each.kind not in {each.VAR_KEYWORD, each.VAR_POSITIONAL}]
        yield from (each for each in named if each.name not in seen)
        seen |= {each.name for each in named}
        if not any(each.kind is each.VAR_KEYWORD for each in own):
            return


def _type(parameter: inspect.Parameter) -> str:
    given = parameter.annotation
    return (
        ""
        if given is inspect.Parameter.empty
        else given
        if isinstance(given, str)
        else inspect.formatannotation(given)
    )


def _default(parameter: inspect.Parameter) -> str:
    if parameter.default is inspect.Parameter.empty:
        return ""
    shown = repr(parameter.default)
    return shown if re.fullmatch(r"[\w.'\"()\[\]{} /:,+-]{1,60}", shown) else "…"


def _is_method(name: str, thing: Any) -> bool:
    method = inspect.isfunction(thing) or isinstance(
        thing, classmethod | staticmethod | property | cached_property
    )
    return method and not name.startswith("_")


def _function(thing: Any) -> Any:
    return getattr(thing, "fget", None) or getattr(thing, "func", None) or getattr(thing, "__func__", thing)


def _says(thing: Any) -> Docstring:
    return read(_function(thing))


def modules() -> Iterator[ModuleType]:
    """Yield the modules that users import from: of packages those, not the modules inside."""
    for layer in LAYERS:
        package = importlib.import_module(f"{PACKAGE}.{layer}")
        for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(each.name)


def entries() -> list[Entry]:
    """Return everything public."""
    found = [entry for module in modules() for entry in _of_module(module)]
    errors = importlib.import_module(f"{PACKAGE}.errors")
    found += [
        Entry(kind, errors.__name__, "errors") for kind in _defined(errors) if issubclass(kind, Exception)
    ]
    for page, name, names in OTHERS:
        module = importlib.import_module(f"{PACKAGE}.{name}")
        found += [Entry(getattr(module, each), module.__name__, page) for each in names]
    return found


def _defined(module: ModuleType) -> list[type]:
    named = vars(module).get("__all__")
    own = [each for each in vars(module).values() if isinstance(each, type)]
    return [
        each
        for each in own
        if (each.__name__ in named if named else each.__module__ == module.__name__)
        and not each.__name__.startswith("_")
    ]


def _of_module(module: ModuleType) -> list[Entry]:
    _, layer, service = module.__name__.split(".")[:3]
    page = service if service in PAGES else "transfers"
    public = hasattr(module, "__all__") or layer in {"hooks", "links", "transfers"}
    if not public or service == "base":
        return []
    kinds = [each for each in _defined(module) if each.__name__.endswith(LAYERS[layer])]
    return [Entry(each, module.__name__, page) for each in kinds]


def anchors(found: list[Entry]) -> dict[str, str]:
    """Return where each class is, from the reference's other pages."""
    return {each.name: f"{each.page}.md#{each.name.lower()}" for each in found}


def pages() -> dict[str, str]:
    """Return the reference's pages by name, in Markdown."""
    found = entries()
    links = anchors(found)
    return {
        page: "\n".join(
            [f"# {title}: reference", *(_section(each, links) for each in found if each.page == page)]
        )
        for page, title in PAGES.items()
    }


def _section(entry: Entry, links: Mapping[str, str]) -> str:
    lines = [f"\n## {entry.name}\n", f"`from {entry.module} import {entry.name}`\n"]
    bases = [each.__name__ for each in entry.kind.__mro__[1:] if each.__name__ in links]
    if bases:
        lines.append("Is also: " + ", ".join(f"[`{name}`]({links[name]})" for name in bases) + "\n")
    lines.append(markdown(entry.says.text, links) + "\n")
    if entry.parameters:
        lines += ["| parameter | type | default | meaning |", "|---|---|---|---|"]
        lines += [_row(each, links) for each in entry.parameters]
        if any(each.templated for each in entry.parameters):
            lines.append("\nParameters in *italics* are templated.")
    for name, thing in entry.methods:
        lines += _method(entry, name, thing, links)
    return "\n".join(lines)


def _cell(text: str) -> str:
    return f"`{text}`".replace("|", "\\|") if text else ""


def _row(parameter: Parameter, links: Mapping[str, str]) -> str:
    name = f"*`{parameter.name}`*" if parameter.templated else f"`{parameter.name}`"
    default = _cell(parameter.default) or "required"
    meaning = markdown(parameter.text, links).replace("|", "\\|")
    return f"| {name} | {_cell(parameter.type)} | {default} | {meaning} |"


def _method(entry: Entry, name: str, thing: Any, links: Mapping[str, str]) -> list[str]:
    says, takes = _says(thing), ""
    if not isinstance(thing, property | cached_property):
        takes = _call(_function(thing))
    lines = [
        f"\n### {entry.name}.{name}\n",
        f"```python\n{name}{takes}\n```\n",
        markdown(says.text, links) + "\n",
    ]
    lines += [f"- `{each}`: {markdown(text, links)}" for each, text in says.parameters.items()]
    lines += [f"- raises `{what}`: {markdown(text, links)}" for what, text in says.raises]
    return lines


def _call(function: Any) -> str:
    """Return what a function takes and gives, a parameter a line if one line would be too long."""
    signature = inspect.signature(function)
    shown = [each for each in signature.parameters.values() if each.name not in {"self", "cls"}]
    if not shown:
        return "()"
    line = str(signature.replace(parameters=shown)).replace("'", "")
    if len(line) <= _MOST_CHARACTERS:
        return line
    words = [str(each) for each in shown]
    named = [place for place, each in enumerate(shown) if each.kind is each.KEYWORD_ONLY]
    if named and not any(each.kind is each.VAR_POSITIONAL for each in shown):
        words.insert(named[0], "*")
    result = line.rpartition(")")[2]
    return ("(\n" + "".join(f"    {each},\n" for each in words) + ")").replace("'", "") + result
