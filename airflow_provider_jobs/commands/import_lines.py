"""Import lines of Google's operators become ours, by libcst: comments and all else stay as they are."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
import warnings
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import libcst as cst
from libcst.helpers import get_full_name_for_node
from libcst.metadata import MetadataWrapper, PositionProvider

from airflow_provider_jobs.commands.import_names import dotted, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GOOGLE = "airflow.providers.google.cloud"
_OURS = "airflow_provider_jobs"
#: Modules of theirs, and those of ours that have the same names, with the same parameters.
MODULES = {
    f"{_GOOGLE}.operators.bigquery": f"{_OURS}.operators.bigquery",
    f"{_GOOGLE}.sensors.bigquery": f"{_OURS}.sensors.bigquery",
    f"{_GOOGLE}.transfers.gcs_to_bigquery": f"{_OURS}.transfers.gcs_to_bigquery",
    f"{_GOOGLE}.transfers.bigquery_to_gcs": f"{_OURS}.transfers.bigquery_to_gcs",
    f"{_GOOGLE}.transfers.bigquery_to_bigquery": f"{_OURS}.transfers.bigquery_to_bigquery",
}
#: Names of theirs that we have otherwise, or that SQL replaces, and what to do.
ADVICE = {
    "BigQueryCreateEmptyDatasetOperator": "or run CREATE SCHEMA by BigQueryQueryOperator",
    "BigQueryCreateEmptyTableOperator": "or run CREATE TABLE by BigQueryQueryOperator",
    "BigQueryCreateExternalTableOperator": "or run CREATE EXTERNAL TABLE by BigQueryQueryOperator",
    "BigQueryDeleteDatasetOperator": "or run DROP SCHEMA by BigQueryQueryOperator",
    "BigQueryDeleteTableOperator": "or run DROP TABLE by BigQueryQueryOperator",
    "BigQueryExecuteQueryOperator": "use BigQueryQueryOperator: sql, destination_table, write_disposition",
    "BigQueryOperator": "use BigQueryQueryOperator: sql, destination_table, write_disposition",
    "BigQueryHook": f"{_OURS}.hooks.bigquery has a class of this name with other methods",
    "SalesforceBulkOperator": "use SalesforceIngestOperator, which sends a file",
    "SalesforceHook": f"{_OURS}.hooks.salesforce has a class of this name with other methods",
    "SalesforceToGcsOperator": "use SalesforceToBigQueryOperator or SalesforceToObjectStorageOperator",
}
_TOO_DEEP = "it is nested too deep to be read"
#: Without one of these a file imports nothing of theirs.
_PACKAGES = (b"providers", b"contrib")
#: Checks whose SQL we write ourselves, and all that Google's ask in legacy SQL if they are told nothing.
_OWN_SQL = ("BigQueryIntervalCheckOperator", "BigQueryColumnCheckOperator", "BigQueryTableCheckOperator")
_CHECKS = ("BigQueryCheckOperator", "BigQueryValueCheckOperator", *_OWN_SQL)
_LEGACY = (
    "a query without useLegacySql was legacy SQL, and is GoogleSQL: "
    '"useLegacySql": True keeps it, False says that this is meant'
)
_UNREAD = (
    "its configuration is not written out here: a query in it without useLegacySql was legacy SQL, and is "
    "GoogleSQL"
)
#: What Google's operator pushes besides its result, and has deprecated.
_XCOM = "job_id_path"
_NOT_PUSHED = "ours does not push it: the result is the job's id, the XCom job has project and location"
#: Arguments that our class refuses when the DAG is read, and what to do.
_REFUSED = {
    ("GCSToBigQueryOperator", "external_table"): "run CREATE EXTERNAL TABLE, or keep Google's operator",
    **{(name, "use_legacy_sql"): "write SQL of it in GoogleSQL" for name in _OWN_SQL},
}
#: What tells a module of theirs that is about our services.
_ABOUT = ("bigquery", "salesforce")


@dataclass
class Rewritten:
    """A file after it was rewritten.

    :param changes: Lines, and what was changed there.
    :param hands: Lines, and what somebody has to do there.
    """

    code: bytes = b""
    changes: list[tuple[int, str]] = field(default_factory=list)
    hands: list[tuple[int, str]] = field(default_factory=list)


def rewrite(code: bytes) -> Rewritten:
    """Return a file's code with our imports in place of Google's, where we have the names.

    :raises ValueError: the code is not Python, or not text.
    """
    _check(code)
    if not any(word in code for word in _PACKAGES):
        return Rewritten(code)
    try:
        wrapper = MetadataWrapper(cst.parse_module(code), unsafe_skip_copy=True)
        change = _Change(_uses(wrapper.module))
        changed = wrapper.visit(change)
    except cst.ParserSyntaxError as error:
        raise ValueError(f"line {error.raw_line}: it is not Python: {error.message}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (SyntaxError, UnicodeDecodeError) as error:  # lines that end in \r alone, beside a codec
        raise ValueError(f"it is not text that can be read: {error}") from None
    return Rewritten(changed.bytes, change.changes, change.hands)


def _check(code: bytes) -> None:
    """Let Python read the code first: libcst takes the process along where it is nested too deep.

    :raises ValueError: it is not what this Python can read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the code that is read
        try:
            ast.parse(code)
        except SyntaxError as error:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            where = f"line {error.lineno}: " if error.lineno else ""
            raise ValueError(f"{where}it is not Python {version}: {error.msg}") from None
        except (RecursionError, MemoryError):
            raise ValueError(_TOO_DEEP) from None
        except ValueError as error:
            raise ValueError(f"it is not text that can be read: {error}") from None


@cache
def names_of(module: str) -> frozenset[str]:
    """Return the public names of a module of ours, read and not imported; none if it is not there."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return frozenset()
    if found is None or found.origin is None:
        return frozenset()
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return frozenset(cast("Sequence[str]", ast.literal_eval(node.value)))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.ClassDef))


@cache
def parameters_of(module: str, name: str) -> frozenset[str]:
    """Return what the constructor of a class of ours takes, and those of its bases."""
    kind = getattr(importlib.import_module(module), name)
    inits = [vars(base)["__init__"] for base in kind.__mro__ if "__init__" in vars(base)]
    return frozenset(each for init in inits for each in inspect.signature(init).parameters)


def _is_theirs(module: str) -> bool:
    theirs = module.startswith((f"{_GOOGLE}.", "airflow.providers.salesforce.", "airflow.contrib."))
    return theirs and any(word in module for word in _ABOUT)


def _uses(module: cst.Module) -> dict[str, set[str]]:
    """Return what is taken from each name by a dot: ``{"bq": {"BigQueryInsertJobOperator"}}``."""
    found: dict[str, set[str]] = {}

    class Uses(cst.CSTVisitor):
        def visit_Attribute(self, node: cst.Attribute) -> None:
            if whole := get_full_name_for_node(node):
                first, _, rest = whole.rpartition(".")
                found.setdefault(first, set()).add(rest)

    module.visit(Uses())
    return found


class _Change(cst.CSTTransformer):
    """Rewrites one file.

    :param uses: See :func:`_uses`.
    """

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, uses: dict[str, set[str]]) -> None:
        super().__init__()
        self.uses = uses
        self.changes: list[tuple[int, str]] = []
        self.hands: list[tuple[int, str]] = []
        #: What a name of the file stands for: a module of ours, and a class of it; or a module alone.
        self.bound: dict[str, tuple[str, str]] = {}

    def line(self, node: cst.CSTNode) -> int:
        """Return where a node begins."""
        return int(cast("Any", self.get_metadata(PositionProvider, node)).start.line)

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]:
        """Put what is ours of an import on a line of its own, after what stays."""
        if len(updated_node.body) < 2 or len(original_node.body) > 1:  # noqa: PLR2004 - two parts of one
            return updated_node
        first, second = updated_node.body
        return cst.FlattenSentinel(
            [
                updated_node.with_changes(
                    body=[first.with_changes(semicolon=cst.MaybeSentinel.DEFAULT)],
                    trailing_whitespace=cst.TrailingWhitespace(
                        newline=updated_node.trailing_whitespace.newline
                    ),
                ),
                updated_node.with_changes(body=[second], leading_lines=[]),
            ]
        )

    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.FlattenSentinel[cst.ImportFrom]:
        """Rewrite ``from module import names``, or a part of it."""
        module = "" if original_node.relative else get_full_name_for_node(original_node.module or "") or ""
        line = self.line(original_node)
        if isinstance(original_node.names, cst.ImportStar):
            if _is_theirs(module):
                self.hands.append((line, f"import * from {module}: name what is used, and run this again"))
            return updated_node
        if module in {whole.rpartition(".")[0] for whole in MODULES}:
            return self._modules(module, original_node.names, updated_node, line)
        if not _is_theirs(module):
            for each in original_node.names:
                self._stays_whole(f"{module}.{each.evaluated_name}", line)
            return updated_node
        return self._names(module, original_node.names, updated_node, line)

    def _names(
        self, module: str, names: Sequence[cst.ImportAlias], updated: cst.ImportFrom, line: int
    ) -> cst.ImportFrom | cst.FlattenSentinel[cst.ImportFrom]:
        target = MODULES.get(module)
        moves = [bool(target) and each.evaluated_name in names_of(str(target)) for each in names]
        ours = [each for each, moved in zip(names, moves, strict=True) if moved]
        self._stays(module, [each for each in names if each not in ours], line)
        if not target or not ours:
            return updated
        for each in ours:
            self.bound[each.evaluated_alias or each.evaluated_name] = (target, each.evaluated_name)
        self.changes.append((line, f"{', '.join(each.evaluated_name for each in ours)} from {target}"))
        return split(updated, moves, target)

    def _modules(
        self, package: str, names: Sequence[cst.ImportAlias], updated: cst.ImportFrom, line: int
    ) -> cst.ImportFrom | cst.FlattenSentinel[cst.ImportFrom]:
        """Rewrite ``from package import module``, where we have all that is used of the module."""
        moves = []
        for each in names:
            target = MODULES.get(f"{package}.{each.evaluated_name}", "")
            local = each.evaluated_alias or each.evaluated_name
            moves.append(
                bool(target) and self._moves(f"{package}.{each.evaluated_name}", local, target, line)
            )
        if not any(moves):
            return updated
        return split(updated, moves, f"{_OURS}.{package.rpartition('.')[2]}")

    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> cst.Import:
        """Rewrite ``import module as name``, where we have all that is used of the module."""
        names, line = [], self.line(original_node)
        for each in updated_node.names:
            whole, local = each.evaluated_name, each.evaluated_alias
            target = MODULES.get(whole, "")
            if target and local and self._moves(whole, local, target, line):
                names.append(each.with_changes(name=dotted(target)))
                continue
            if not (target and local):
                self._stays_whole(whole, line)
            names.append(each)
        return updated_node.with_changes(names=names)

    def _moves(self, whole: str, local: str, target: str, line: int) -> bool:
        used = self.uses.get(local, set())
        if lacking := used - names_of(target):
            self.hands.append(
                (line, f"{whole} stays, for {', '.join(sorted(lacking))}: import names one by one")
            )
            return False
        self.bound |= {f"{local}.{name}": (target, name) for name in used}
        self.changes.append((line, f"{local} is {target}"))
        return True

    def _stays_whole(self, module: str, line: int) -> None:
        if _is_theirs(module):
            self.hands.append((line, f"import {module}: import names from it, and run this again"))

    def _stays(self, module: str, names: Sequence[cst.ImportAlias], line: int) -> None:
        for each in names:
            advice = ADVICE.get(each.evaluated_name)
            if advice or each.evaluated_name.endswith(("Operator", "Sensor", "Hook", "Trigger")):
                self.hands.append(
                    (line, f"{each.evaluated_name} stays that of {module}, {advice or 'as it is'}")
                )

    def visit_Call(self, node: cst.Call) -> None:
        """Note arguments that our class does not take, and queries that were in legacy SQL."""
        name = get_full_name_for_node(node.func) or ""
        kind, partial, rest = name.partition(".partial")
        mapped = rest in {".expand", ".expand_kwargs"}
        found = self.bound.get(name) or (self.bound.get(kind) if mapped or not rest else None)
        if found is None:
            return
        given = _keywords(node)
        if unknown := given.keys() - parameters_of(*found):
            self.hands.append((self.line(node), f"{found[1]} takes no {', '.join(sorted(unknown))}"))
        for argument, value in given.items():
            advice = _REFUSED.get((found[1], argument))
            if advice and isinstance(value, cst.Name) and value.value == "True":
                self.hands.append((self.line(node), f"{found[1]} refuses {argument}=True: {advice}"))
        starred = any(each.star for each in node.args)
        if found[1] == "BigQueryInsertJobOperator":
            hidden, before = starred and not partial, given
            if rest == ".expand_kwargs":
                hidden, before = True, _keywords(cst.ensure_type(node.func, cst.Attribute).value)
            words = _of_dialect(given.get("configuration"))
            if words := _UNREAD if hidden and "configuration" not in before else words:
                self.hands.append((self.line(node), words))
        if found[1] in _CHECKS and not (mapped or starred) and "use_legacy_sql" not in given:
            self.hands.append(
                (self.line(node), "a check without use_legacy_sql was legacy SQL, and is GoogleSQL")
            )

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        """Note classes that build on one of theirs, and change how it works."""
        bases = [self.bound.get(get_full_name_for_node(each.value) or "") for each in node.bases]
        names = [each.name.value for each in node.body.body if isinstance(each, cst.FunctionDef)]
        if any(bases) and (own := [name for name in names if name != "__init__"]):
            self.hands.append(
                (self.line(node), f"{node.name.value} overrides {', '.join(own)}: ours may work otherwise")
            )

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        """Note names of theirs in texts, such as those that tests patch and that are imported by name."""
        self._note_names(node, node.evaluated_value)

    def visit_FormattedStringText(self, node: cst.FormattedStringText) -> None:
        """Do the same in what an f-string says by itself."""
        self._note_names(node, node.value)

    def _note_names(self, node: cst.CSTNode, text: str | bytes) -> None:
        if isinstance(text, str) and _XCOM in text and self.bound:
            self.hands.append((self.line(node), f"a text names the XCom {_XCOM}: {_NOT_PUSHED}"))
        for theirs, ours in MODULES.items():
            if isinstance(text, str) and f"{text}.".startswith(f"{theirs}.") and " " not in text:
                self.hands.append((self.line(node), f"a text names {theirs}: ours is {ours}"))


def _of_dialect(configuration: cst.BaseExpression | None) -> str | None:
    """Return what is to be said of a configuration, or of several, whose query may name no dialect."""
    if configuration is None:
        return None
    if isinstance(configuration, cst.List | cst.Tuple):
        return next(filter(None, (_of_dialect(each.value) for each in configuration.elements)), None)
    query = dict(_entries(configuration)).get("query")
    if query is None:
        return None if _is_written_out(configuration) else _UNREAD
    if {key for key, _ in _entries(query)} & {"useLegacySql", "use_legacy_sql"}:
        return None
    return _LEGACY if _is_written_out(query) else _UNREAD


def _keywords(call: cst.BaseExpression) -> dict[str, cst.BaseExpression]:
    """Return the arguments of a call that are named, none of what is not one."""
    arguments = call.args if isinstance(call, cst.Call) else ()
    return {each.keyword.value: each.value for each in arguments if each.keyword is not None}


def _is_written_out(value: cst.BaseExpression) -> bool:
    return isinstance(value, cst.Dict) and all(
        isinstance(each, cst.DictElement) and isinstance(each.key, cst.SimpleString)
        for each in value.elements
    )


def _entries(value: cst.BaseExpression) -> Iterator[tuple[str, cst.BaseExpression]]:
    for each in value.elements if isinstance(value, cst.Dict) else ():
        if isinstance(each, cst.DictElement) and isinstance(each.key, cst.SimpleString):
            yield str(each.key.evaluated_value), each.value
