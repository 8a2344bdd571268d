"""How what the author of a DAG writes is rendered: text stays text, and JSON text holds what is put into it.

Jinja by itself knows nothing of JSON, and natively turns text that looks like a Python value into that value.
"""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateSyntaxError, nodes

from airflow_provider_jobs.errors import ConfigurationError

if TYPE_CHECKING:
    from jinja2 import Environment, Template
    from jinja2.nativetypes import NativeEnvironment

_MARKS = (
    *("variable_start_string", "block_start_string", "comment_start_string"),
    *("line_statement_prefix", "line_comment_prefix"),
)
#: Filters of our own, which no author can name.
_IN_TEXT, _AS_JSON, _BARE = "in JSON text", "as JSON", "bare in JSON"
#: Sequences that are left as they are: texts, and what has names for its parts or is a list already.
_SEQUENCES = (str, bytes, bytearray, memoryview, tuple, list)
#: A text in JSON.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_QUOTE = re.compile(r'\\.|"', re.DOTALL)


def marked(text: str, env: Environment) -> bool:
    """Return True if a text has one of the marks of templates that its DAG has chosen."""
    return any(mark and mark in text for mark in (getattr(env, name) for name in _MARKS))


def text_keeping(env: NativeEnvironment) -> Environment:
    """Return a native environment whose templates, macros and blocks give text where they are text.

    Jinja's own takes ``1_000``, ``007`` or ``'a'`` for Python, and loses an empty text.
    """
    own = env.overlay()
    own.concat = _joined
    return own


def _joined(values: Iterable[Any]) -> Any:
    """Return what a template gives: one value keeps its type, and text stays text."""
    found = list(values)
    return found[0] if len(found) == 1 and not isinstance(found[0], str) else "".join(map(str, found))


def native(template: Template, context: Any) -> Any:
    """Return what a template gives, joined as its environment does; Airflow's own joins as Jinja does."""
    env, known = template.environment, copy.copy(context)
    known.update({name: value for name, value in template.globals.items() if name not in known})
    try:
        made = env.context_class(env, known, template.name, template.blocks)
        return env.concat(template.root_render_func(made))
    except Exception:  # noqa: BLE001 - Jinja raises it again, its traceback naming the template's line
        env.handle_exception()


def collection(text: str) -> Any:
    """Return the list or mapping that a text spells in Python, or the text: what Airflow does natively."""
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value if isinstance(value, list | tuple | dict | set) else text


def as_lists(value: Any, field: str) -> Any:
    """Return the value with each sequence in it a list: what mapped tasks return is read piece by piece.

    :raises ConfigurationError: there is a generator, which gives its values once only.
    """
    made: Any = value
    if isinstance(value, dict):
        made = {name: as_lists(each, field) for name, each in value.items()}
        changed = any(each is not value[name] for name, each in made.items())
        return made if changed else value
    if type(value) in (list, tuple):
        made = [as_lists(each, field) for each in value]
        changed = any(one is not other for one, other in zip(made, value, strict=True))
        return type(value)(made) if changed else value
    if isinstance(value, Sequence) and not isinstance(value, _SEQUENCES):
        return [as_lists(each, field) for each in value]
    if isinstance(value, Iterator):
        raise ConfigurationError(
            f"{field} is a {type(value).__name__}, which can be read once only: give a list"
        )
    return value


# JSON text.


def file_text(name: str, env: Environment) -> str:
    """Return what a template file holds, as it is written.

    :raises jinja2.TemplateNotFound: it is not there.
    """
    path = Path(name)
    if path.is_absolute() and path.is_file():
        return path.read_text(encoding="utf-8")
    if env.loader is None:
        raise ConfigurationError(f"{name} is a file, and there is no folder of templates: give its DAG one")
    return env.loader.get_source(env, name)[0]


def held(text: str, env: Environment) -> dict[str, Any] | list[Any] | None:
    """Return the templates that JSON text holds; None if it becomes JSON only once it is rendered."""
    value = parsed(text)
    if value is None:
        return None
    try:
        for each in _texts(value):
            env.parse(each)
    except TemplateSyntaxError:  # one begins in a text, and ends in another
        return None
    return value


def parsed(text: str) -> dict[str, Any] | list[Any] | None:
    """Return the object or the list that JSON text holds, None if it holds none."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from (name, *_texts(each))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def written(text: str, env: Environment) -> set[str]:
    """Return the texts in a template of JSON that stand there as they are, with no template in them."""
    plain = "".join(piece if kind == "data" else "\0" for _line, kind, piece in env.lex(text))
    found = set()
    for each in _QUOTED.findall(plain):
        try:
            found.add(json.loads(each))
        except ValueError:  # a line end in it, or what a template stands for
            continue
    return found


def json_template(text: str, env: Environment, *, natively: bool) -> Template:
    """Return a template of JSON text: whatever value is put into a text in it arrives as it is.

    A value that stands by itself becomes JSON, but text, which is JSON already, as of the filter ``tojson``.

    :param natively: A value that a text consists of keeps its type.
    """
    own = env.overlay()
    own.filters = {**env.filters, _IN_TEXT: _in_text, _AS_JSON: _as_json, _BARE: _bare}
    tree = own.parse(text)
    _escape(tree.body, inside=False, natively=natively)
    return own.from_string(tree)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) else str(value)


def _in_text(value: Any) -> str:
    return json.dumps(str(value), ensure_ascii=False)[1:-1]


def _bare(value: Any) -> str:
    return str(value) if isinstance(value, str) else _as_json(value)


def _escape(body: list[nodes.Node], *, inside: bool, natively: bool) -> bool:
    """Let what is put into texts of JSON be escaped; return whether a text goes on after this.

    What is written for a variable or a macro is no JSON yet: it is escaped where it is used.
    """
    for at, node in enumerate(body):
        if isinstance(node, nodes.Output):
            inside = _escape_values(node.nodes, inside=inside, natively=natively)
        elif isinstance(node, nodes.Include | nodes.CallBlock):
            if inside:
                body[at] = nodes.FilterBlock([node], _filter(None, _IN_TEXT, node.lineno), lineno=node.lineno)
        elif isinstance(node, nodes.If | nodes.For):
            before = inside
            inside = _escape(node.body, inside=before, natively=natively)
            for other in getattr(node, "elif_", ()):
                _escape(other.body, inside=before, natively=natively)
            _escape(node.else_, inside=before, natively=natively)
        elif not isinstance(node, nodes.Macro | nodes.AssignBlock) and hasattr(node, "body"):
            inside = _escape(node.body, inside=inside, natively=natively)
    return inside


def _escape_values(pieces: list[nodes.Expr], *, inside: bool, natively: bool) -> bool:
    for at, piece in enumerate(pieces):
        if isinstance(piece, nodes.TemplateData):
            inside ^= _QUOTE.findall(piece.data).count('"') % 2 == 1
            continue
        around = pieces[at - 1 : at] + pieces[at + 1 : at + 2]
        kind = _IN_TEXT if inside else _BARE
        if inside and natively and _alone(around):
            before, after = around
            before.data, after.data = before.data[:-1], after.data[1:]  # type: ignore[attr-defined]
            kind, inside = _AS_JSON, False
        pieces[at] = _filter(piece, kind, piece.lineno)
    return inside


def _alone(around: list[nodes.Expr]) -> bool:
    """Return True if quotes are on both sides of a value."""
    texts = [each.data for each in around if isinstance(each, nodes.TemplateData)]
    if len(texts) != 2:  # noqa: PLR2004 - before and after
        return False
    before, after = texts
    return before.endswith('"') and _QUOTE.findall(before)[-1] == '"' and after.startswith('"')


def _filter(value: nodes.Expr | None, name: str, line: int) -> nodes.Filter:
    return nodes.Filter(value, name, [], [], None, None, lineno=line)
