"""What is refused when a DAG file is parsed: values that no rendering can make right."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, get_args, get_origin

from airflow_emrs_ext.core.values import as_number, as_text, as_whole_number, is_rendered_later, parsed, wrong
from airflow_emrs_ext.exceptions import ConfigurationError

# Members whose own members have names of the author's.
_NAMED_BY_AUTHOR = frozenset(
    {"properties", "tags", "encryptionContext", "parameterConfiguration", "logTypes", "jobTags"}
)
_SNAKE_CASE = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)+")


def check_choice(parameter: str, value: Any, choices: Any) -> None:
    """Check a value that is one of a few.

    :param choices: a ``Literal``
    :raises ConfigurationError: it is none of them
    """
    if value not in get_args(choices):
        raise ConfigurationError(f"`{parameter}` is {value!r}; it takes one of {', '.join(get_args(choices))}.")


def check_parameters(operator: Any, constructor_of: type, given: Mapping[str, Any]) -> None:
    """Check what a constructor was given against the types that its signature has.

    :param operator: what is constructed
    :param constructor_of: the class whose constructor it is
    :param given: its arguments
    :raises ConfigurationError: one is of the wrong kind, and is no template that may be rendered
    """
    names = vars(sys.modules[constructor_of.__module__])
    for name, annotation in vars(constructor_of)["__init__"].__annotations__.items():
        value, kinds = given.get(name), [kind for kind in str(annotation).split(" | ") if kind != "None"]
        is_template = is_rendered_later(value) or (
            isinstance(value, str) and value.endswith(tuple(operator.template_ext))
        )
        if value is None or (is_template and name in operator.template_fields):
            continue
        if get_origin(choices := names.get(kinds[0])) is Literal:
            check_choice(name, value, choices)
        elif all(kind in _CHECKS for kind in kinds):
            _check_any(name, value, kinds)


def check_structure(name: str, value: Any) -> None:
    """Check a structure of the API that may be a template.

    :raises ConfigurationError: it is neither
    """
    if value is not None and not is_rendered_later(value):
        _structure(name, value)


def _check_any(name: str, value: Any, kinds: Sequence[str]) -> None:
    errors = []
    for kind in kinds:
        try:
            _CHECKS[kind](name, value)
        except ConfigurationError as error:
            errors.append(error)
        else:
            return
    raise errors[0]


def _flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise wrong(value, name, "True or False")


def _whole(name: str, value: Any) -> None:
    number = as_whole_number(value)
    if number is None or number < 0:
        raise wrong(value, name, "a whole number, 0 or more")


def _duration(name: str, value: Any) -> None:
    seconds = value.total_seconds() if isinstance(value, timedelta) else as_number(value)
    if seconds is None or not seconds >= 0:
        raise wrong(value, name, "a timedelta, or seconds; 0 or more")


def _text(name: str, value: Any) -> None:
    if as_text(value) is None:
        raise wrong(value, name, "a text")


def _mapping(name: str, value: Any) -> None:
    if not isinstance(parsed(value) if isinstance(value, str) else value, Mapping):
        raise wrong(value, name, "a mapping of names to values")


def _structure(name: str, value: Any) -> None:
    given = parsed(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise wrong(value, name, "a structure of the API, as a mapping of its members")
    _members(name, given)


def _structures(name: str, value: Any) -> None:
    given = parsed(value) if isinstance(value, str) else value
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise wrong(value, name, "a list of structures of the API", "Put a single one in brackets: [value].")
    for number, one in enumerate(given):
        if not is_rendered_later(one):
            _structure(f"{name}[{number}]", one)


def _members(path: str, structure: Mapping[Any, Any]) -> None:
    for name, value in structure.items():
        if isinstance(name, str) and _SNAKE_CASE.fullmatch(name):
            first, *rest = name.split("_")
            meant = first + "".join(word.capitalize() for word in rest)
            raise ConfigurationError(f"`{path}.{name}`: the API's members are spelled like {meant!r}.")
        if f"{str(name)[:1].lower()}{str(name)[1:]}" not in _NAMED_BY_AUTHOR:
            for one in _structures_in(value):
                _members(f"{path}.{name}", one)


def _structures_in(value: Any) -> Iterable[Mapping[Any, Any]]:
    if isinstance(value, Mapping):
        return [] if any(str(name).startswith("-") for name in value) else [value]
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, (list, tuple)) else []


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "Mapping[str, Any]": _mapping,
    "Mapping[str, str]": _mapping,
    "Sequence[Structure]": _structures,
    "Structure": _structure,
    "bool": _flag,
    "dict[str, Any]": _mapping,
    "float": _duration,
    "int": _whole,
    "str": _text,
    "timedelta": _duration,
}
