"""References to results: a task's result is one XCom, and ``operator.output["state"]`` is a member of it.

Airflow makes of that a reference to an XCom with the key ``state``, so that an operator whose result has thirty members
would have to store thirty XComs, whether anybody asks for them or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from airflow_emrs_ext._compat import MappedOperator, OperatorPartial, PlainXComArg, XComNotFound

_RESULT = "return_value"


class ResultArg(PlainXComArg):
    """A reference to the result of an operator of this package, or to a member of it.

    Dependencies, serialization and what Airflow refuses, such as mapping over a member, are those of its own class.
    """

    def __getitem__(self, item: str) -> ResultArg:
        """The reference to a member."""
        if not isinstance(item, str):
            raise ValueError(f"A result has members with names; {item!r} is none.")
        return ResultArg(self.operator, item)

    def resolve(self, context: Any, *args: Any, **kwargs: Any) -> Any:
        """The result or its member.

        Whatever was stored under the member's own name is taken where there is no result, as after a failure: ids.

        :return: of a mapped task: a list of those of its instances
        """
        if self.key == _RESULT:
            return super().resolve(context, *args, **kwargs)
        result = PlainXComArg(self.operator, _RESULT).resolve(context, *args, **kwargs)
        if isinstance(result, Mapping) and self.key in result:
            return result[self.key]
        stored: Any = None
        with suppress(XComNotFound):
            stored = super().resolve(context, *args, **kwargs)
        if not _are_several(result) or (_are_several(stored) and len(stored)):
            return stored
        return [one.get(self.key) for one in result[:] if isinstance(one, Mapping)]

    def __str__(self) -> str:
        """The Jinja template that pulls it, for what formats a reference into a string."""
        if self.key == _RESULT:
            return super().__str__()
        key, place = f"'{self.key}'", f"task_ids='{self.operator.task_id}', dag_id='{self.operator.dag_id}'"
        several = f"result | map(attribute={key}, default=none) | list"
        stored = f"task_instance.xcom_pull({place}, key={key})"
        return (
            f"{{% set result = task_instance.xcom_pull({place}) %}}"
            f"{{{{ result.get({key}) if result is mapping else {several} if result else {stored} }}}}"
        )


class _MappedOperator(MappedOperator):
    """A mapped operator whose output is a :class:`ResultArg`."""

    __slots__: Iterable[str] = ()

    @property
    def output(self) -> ResultArg:
        return ResultArg(self)


class _Partial(OperatorPartial):
    """What ``partial()`` of an operator of this package gives."""

    __slots__: Iterable[str] = ()

    def _expand(self, *args: Any, **kwargs: Any) -> Any:
        mapped = super()._expand(*args, **kwargs)
        # Airflow names no class of its own choice here; ours adds nothing to what it has made.
        mapped.__class__ = _MappedOperator
        return mapped


class HasResult:
    """What has a result whose members others refer to: comes before Airflow's own class."""

    @property
    def output(self) -> ResultArg:
        """The reference to the result; ``output["state"]`` is one to a member of it."""
        return ResultArg(self)  # type: ignore[arg-type]  # an operator by its other base

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """As Airflow's; what comes of it has such an output, too."""
        partial: Any = super().partial(**kwargs)  # type: ignore[misc]
        # Nor does it let anybody name this one.
        partial.__class__ = _Partial
        return partial


def _are_several(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
