"""The parameters of a request as the service's model has them, whatever templates and XComs made of them.

A value of another type is converted where its meaning is certain: a number to text, a text or a float that is whole to
a number, ``"true"`` to a flag, JSON text to a structure, a policy to its JSON, options to a command line. ``None``
within a structure leaves the member out. Everything else is refused, with its place and the remedy.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from airflow_emrs_ext.core.command_options import command_line
from airflow_emrs_ext.core.values import (
    as_flag,
    as_number,
    as_text,
    as_whole_number,
    is_undefined,
    pairs_of,
    parsed,
    wrong,
)
from airflow_emrs_ext.exceptions import ConfigurationError

# What is a text to the service and has parts to its author, by the model's name of it.
_COMMAND_LINES = frozenset({"SparkSubmitParameters", "SparkSqlParameters", "HiveCliParameters"})
_DOCUMENTS = frozenset({"PolicyDocument"})
# What is a list of keys and values to the service, and a mapping to its author.
_TAGS = "TagList"
# The members of a policy's statement that are one text or several.
_POLICY_LISTS = frozenset({"Action", "NotAction", "Resource", "NotResource"})
# What is a flag to its author.
_SWITCH = {"ENABLED", "DISABLED"}


def converted(service: str, operation: str, members: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    """The members of a request with values of the types that the service's model has.

    :param service: botocore's name of the service
    :param operation: botocore's client method, e.g. ``start_job_run``
    :param members: by the API's names; ``None`` leaves one out
    :param paths: where the members were given, if their own names do not say it
    :raises ConfigurationError: a value is of the wrong kind, or there is no such member
    """
    shape = input_of(service, operation)
    if shape is None:
        # A botocore that does not know the operation says so when it is called.
        return {name: value for name, value in members.items() if value is not None}
    return _members(shape, members.items(), lambda name: paths.get(name, name))


def converted_member(service: str, operation: str, *place: str, value: Any, path: str) -> Any:
    """One member of a request, somewhere within it, with values of the types that the service's model has.

    :param place: the API's names on the way to it; lists on the way are those of one kind of entry
    :param path: where it was given
    :raises ConfigurationError: a value is of the wrong kind, or there is no such member
    """
    shape = input_of(service, operation)
    for name in place:
        shape = shape.members[name]
        shape = shape.member if shape.type_name == "list" else shape
    return _value(shape, value, path)


def longest(service: str, operation: str, member: str) -> int | None:
    """How many entries a member of a request may have; ``None``: the model does not say.

    :param operation: botocore's client method
    :param member: by the API's name
    """
    shape = input_of(service, operation)
    found: int | None = shape.members[member].metadata.get("max") if shape and member in shape.members else None
    return found


@cache
def input_of(service: str, operation: str) -> Any:
    """The shape of an operation's input in the service's model; ``None``: botocore does not know the operation.

    :param service: botocore's name of the service
    :param operation: botocore's client method
    """
    model = load_model(service)
    name = "".join(word.capitalize() for word in operation.split("_"))
    return model.operation_model(name).input_shape if name in model.operation_names else None


@cache
def load_model(service: str) -> Any:
    """The service's model, read once in a process; which is not for an event loop.

    :param service: botocore's name of the service
    """
    from botocore.session import get_session

    from airflow_emrs_ext.shared.service_model import extend

    return extend(get_session(), service).get_service_model(service)


def _members(shape: Any, given: Iterable[tuple[Any, Any]], path_of: Any) -> dict[str, Any]:
    found = {}
    for name, value in given:
        path = path_of(name)
        if name not in shape.members:
            raise _unknown(name, path, shape)
        if value is None:
            continue
        member = shape.members[name]
        converted_value = _value(member, value, path)
        # Options of which none has a value.
        if not (converted_value == "" and member.name in _COMMAND_LINES):
            found[name] = converted_value
    return found


def _value(shape: Any, value: Any, path: str) -> Any:
    if is_undefined(value):
        raise wrong(value, path, "a value")
    convert = _CONVERSIONS.get(shape.type_name)
    return value if convert is None else convert(shape, value, path)


def _structure(shape: Any, value: Any, path: str) -> dict[str, Any]:
    given = parsed(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise wrong(value, path, f"a mapping with {_listed(shape.members)}")
    return _members(shape, given.items(), lambda name: f"{path}.{name}")


def _list(shape: Any, value: Any, path: str) -> list[Any]:
    given = parsed(value) if isinstance(value, str) else value
    if shape.name == _TAGS and isinstance(given, Mapping):
        given = [{"Key": name, "Value": one} for name, one in pairs_of(given, path)]
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes, bytearray)):
        raise wrong(value, path, "a list", "Put a single value in brackets: [value]." if as_text(value) else "")
    if shape.name == "PolicyArnList":
        # A template that stands for several has rendered their list.
        given = [one for entry in map(_list_in, given) for one in (entry if isinstance(entry, list) else [entry])]
    return [_value(shape.member, one, f"{path}[{number}]") for number, one in enumerate(given)]


def _list_in(value: Any) -> Any:
    return parsed(value) if isinstance(value, str) and value.strip().startswith("[") else value


def _map(shape: Any, value: Any, path: str) -> dict[str, Any]:
    return {name: _value(shape.value, one, f"{path}.{name}") for name, one in pairs_of(value, path) if one is not None}


def _string(shape: Any, value: Any, path: str) -> str:
    given = parsed(value) if isinstance(value, str) else value
    if shape.name in _COMMAND_LINES and isinstance(given, (Mapping, list, tuple)):
        return command_line(given, path)
    if shape.name in _DOCUMENTS and isinstance(given, (Mapping, list, tuple)):
        return value if isinstance(value, str) and _is_json(value) else _document(given, path)
    if set(shape.enum) == _SWITCH and (flag := as_flag(value)) is not None:
        return "ENABLED" if flag else "DISABLED"
    text = as_text(value)
    if text is None:
        raise wrong(value, path, "a text", _REMEDIES.get(type(value), ""))
    if shape.enum and not isinstance(value, str):
        raise wrong(value, path, f"one of {', '.join(shape.enum)}")
    spelled = [one for one in shape.enum if one.lower() == text.lower()]
    if spelled and text not in shape.enum:
        raise ConfigurationError(f"`{path}` is {text!r}; the service spells it {spelled[0]!r}.")
    return text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _document(value: Any, path: str) -> str:
    try:
        return json.dumps(_with_lists(value))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"`{path}` cannot be written as JSON: {error}") from None


def _with_lists(value: Any) -> Any:
    """A policy whose statements have lists where templates have rendered the text of one."""
    if isinstance(value, Mapping):
        return {
            name: _list_in(one) if name in _POLICY_LISTS and isinstance(one, str) else _with_lists(one)
            for name, one in value.items()
        }
    return [_with_lists(one) for one in value] if isinstance(value, (list, tuple)) else value


def _number(shape: Any, value: Any, path: str) -> int:
    whole = as_whole_number(value)
    if whole is None:
        raise wrong(value, path, "a whole number")
    return whole


def _decimal(shape: Any, value: Any, path: str) -> float:
    number = as_number(value)
    if number is None:
        raise wrong(value, path, "a number")
    return number


def _flag(shape: Any, value: Any, path: str) -> bool:
    flag = as_flag(value)
    if flag is None:
        raise wrong(value, path, "True or False")
    return flag


_CONVERSIONS = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "integer": _number,
    "long": _number,
    "float": _decimal,
    "double": _decimal,
    "boolean": _flag,
}

_REMEDIES: Mapping[type, str] = {
    dict: "Name the member of it that you mean, or write it as JSON: `| tojson`.",
    list: "Name the entry of it that you mean, or give each as a text of its own.",
}


def _unknown(name: Any, path: str, shape: Any) -> ConfigurationError:
    known = list(shape.members)
    folded = {one.lower(): one for one in known}
    squeezed = str(name).replace("_", "").replace("-", "").lower()
    close = folded.get(squeezed) or next(iter(difflib.get_close_matches(squeezed, folded, 1, 0.8)), None)
    if close is not None:
        meant = folded.get(close, close)
        return ConfigurationError(f"`{path}`: there is no {name!r}; it is {meant!r} (the API's own spelling).")
    return ConfigurationError(
        f"`{path}`: there is no {name!r}; there is {_listed(known)}. If the service has added it, upgrade boto3: the "
        "installed one does not know it."
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
