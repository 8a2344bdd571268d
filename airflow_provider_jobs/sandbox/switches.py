"""What can be switched in a service, because the real one is not known to do it one way only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from airflow_provider_jobs.sandbox.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 1_000_000_000


@dataclass
class Switches:
    """The base of a service's settings: words, texts, whole numbers and numbers, each with its default."""

    def change(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Set some of them; give all.

        :raises Refusal: 400, naming what is wrong.
        """
        known = get_type_hints(type(self))
        for name, value in spec.items():
            if name not in known:
                raise Refusal(400, "invalid", f"There is no setting {name}; there are {', '.join(known)}.")
            check_value(name, value, known[name])
            if isinstance(value, int | float) and not 0 <= value <= MOST:
                raise Refusal(400, "invalid", f"{name} must not be negative.")
            if isinstance(value, str) and not value.isprintable():
                raise Refusal(400, "invalid", f"{name} must be printable.")
        for name, value in spec.items():
            setattr(self, name, value)
        return asdict(self)


def check_value(name: str, value: object, hint: Any) -> None:
    """Refuse what is not of the type that a setting is declared with; an int is a float, a bool is neither.

    :raises Refusal: 400.
    """
    options = get_args(hint)
    if get_origin(hint) is Literal:
        if value not in options:
            raise Refusal(400, "invalid", f"{name} must be one of {', '.join(map(str, options))}.")
        return
    if NoneType in options:
        if value is None:
            return
        hint = options[0]
    kind = get_origin(hint) or hint
    if not isinstance(value, (int, float) if kind is float else kind) or isinstance(value, bool):
        raise Refusal(400, "invalid", f"{name} must be of type {kind.__name__}.")
