"""Values that are worked out once, without a lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class lockless_property(Generic[T]):  # noqa: N801 - as functools.cached_property, in whose place it stands
    """As :class:`functools.cached_property`, which before Python 3.12 holds a lock that all instances of a class share.

    A value here is often what AWS has answered: whoever waits for that must not make others wait, least of all those of
    Airflow's own parts that have nothing to do with it.
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> lockless_property[T]: ...

    @overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...

    def __get__(self, instance: object | None, owner: type | None = None) -> T | lockless_property[T]:
        if instance is None:
            return self
        value = vars(instance)[self._name] = self._function(instance)
        return value
