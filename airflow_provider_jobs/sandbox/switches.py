"""What can be switched in a service, because the real one is not known to do it one way only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_jobs.sandbox.replies import Refusal, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_jobs.sandbox.call import Call, Handler

MOST = 1_000_000_000


@dataclass
class Switches:
    """The base of a service's settings: texts, whole numbers and numbers, each with its default."""

    #: The words, or the numbers, that a setting may be.
    choices: ClassVar[Mapping[str, tuple[str | int, ...]]] = {}

    def change(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """Set some of them; give all.

        :raises Refusal: 400, naming what is wrong.
        """
        known = {item.name: str(item.type) for item in fields(self)}
        for name, value in spec.items():
            if name not in known:
                raise Refusal(400, "invalid", f"There is no setting {name}; there are {', '.join(known)}.")
            if name in self.choices and value not in self.choices[name]:
                raise Refusal(
                    400, "invalid", f"{name} must be one of {', '.join(map(str, self.choices[name]))}."
                )
            _check_type(name, value, known[name])
        for name, value in spec.items():
            setattr(self, name, value)
        return asdict(self)

    def handlers(self, path: str) -> list[tuple[str, str, Handler]]:
        """Give method, path and handler of the control endpoints that show and change them."""

        async def show(_call: Call) -> Reply:
            return Reply(asdict(self))

        async def change(call: Call) -> Reply:
            return Reply(self.change(await call.document()))

        return [("GET", path, show), ("POST", path, change)]


def _check_type(name: str, value: Any, wanted: str) -> None:
    kind, _, null = wanted.partition(" | ")
    if null and value is None:
        return
    accepted = {"str": (str,), "int": (int,), "float": (int, float)}[kind]
    right = isinstance(value, accepted) and not isinstance(value, bool)
    if not right or (wanted != "str" and not 0 <= value <= MOST):
        raise Refusal(400, "invalid", f"{name} must be of type {wanted} and not negative.")
    if wanted == "str" and not value.isprintable():
        raise Refusal(400, "invalid", f"{name} must be printable.")
