"""Whether a value is of a type that says what a result holds."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

from typing_extensions import NotRequired, get_type_hints, is_typeddict


def misfits(value: Any, hint: Any, place: str = "") -> Iterator[str]:
    """Where a value is not of its type."""
    if get_origin(hint) is NotRequired:
        (hint,) = get_args(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if not any(not list(misfits(value, one)) for one in args):
            yield f"{place}: {value!r} is no {hint}"
    elif is_typeddict(hint):
        if not isinstance(value, dict):
            yield f"{place}: {value!r} is no {hint.__name__}"
            return
        hints = get_type_hints(hint, include_extras=True)
        required = {name for name, one in hints.items() if get_origin(one) is not NotRequired}
        yield from (f"{place}.{name} is missing" for name in sorted(required - value.keys()))
        yield from (f"{place}.{name} is not said" for name in sorted(value.keys() - hints.keys()))
        for name in hints.keys() & value.keys():
            yield from misfits(value[name], hints[name], f"{place}.{name}")
    elif origin is list:
        for number, one in enumerate(value if isinstance(value, list) else [value]):
            yield from misfits(one, args[0], f"{place}[{number}]")
    elif hint is not Any:
        plain = (int, float) if hint is float else type(None) if hint is None else origin or hint
        if not isinstance(value, plain):
            yield f"{place}: {value!r} is no {hint}"
