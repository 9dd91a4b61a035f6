"""Structures of requests as authors write them: values that Airflow renders, of which text is made last."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_emrs_ext.core.command_options import command_line
from airflow_emrs_ext.core.values import LISTS, as_flag, as_text, is_rendered_later, pairs_of, wrong
from airflow_emrs_ext.exceptions import ConfigurationError

if TYPE_CHECKING:
    from airflow_emrs_ext._compat import XComArg

Text: TypeAlias = "str | float | XComArg"
"""A text or a number, a template that renders one, or a reference to a task's result."""

Flag: TypeAlias = "bool | str | XComArg"
"""``True`` or ``False``, a template that renders one, or a reference to a task's result."""

Texts: TypeAlias = "str | Sequence[Text] | XComArg"
"""Several of them; one by itself counts as a list of it."""

Properties: TypeAlias = "Mapping[str, Text | None] | str | XComArg"
"""Values by name, ``None`` leaves one out; or a template that renders them, or a reference to a task's result."""

Conf: TypeAlias = "Properties | Sequence[Properties]"
"""Properties, or several fragments of them that are merged; where two differ about one, that is an error."""

Classification: TypeAlias = "Mapping[str, Text | Properties | None] | Sequence[Properties] | str | XComArg"
"""The properties of a classification; a mapping among them is a classification within it."""

# What is a command line in a request, and has parts until then.
_OPTIONS = frozenset({"sparkSubmitParameters", "sparkSqlParameters", "parameters"})


class Spec(dict[str, Any]):
    """A structure of a request, with options as values; an ordinary dictionary to whoever takes it as one."""

    def request(self) -> dict[str, Any]:
        """The structure as the API has it: what is not rendered yet stands in it as its template.

        :raises ConfigurationError: a value cannot be said so
        """
        structure: dict[str, Any] = _as_request(self, "")
        return structure

    def __str__(self) -> str:
        """The structure as the API has it, as JSON; as a dictionary, where templates cannot be said so yet."""
        try:
            return json.dumps(self.request(), indent=2, ensure_ascii=False)
        except ConfigurationError:
            return repr(self)


def given(**members: Any) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None and value != []}


def options(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """The options that have a value; ``None``: none has."""
    return {option: value for option, value in values.items() if value not in (None, (), [], {})} or None


def single(value: Any, path: str, *, may_be_empty: bool = False) -> Any:
    """One text or number, as text; a template or reference as it is.

    :raises ConfigurationError: it is neither
    """
    if is_rendered_later(value):
        return value
    text = as_text(value)
    if text is None or not (text or may_be_empty):
        raise wrong(value, path, "a text or a number")
    return text


def optional(value: Any, path: str) -> Any:
    """The same of what may be left out.

    :raises ConfigurationError: it is neither
    """
    return None if value is None else single(value, path)


def flag(value: Any, path: str) -> Any:
    """One flag; a template or reference as it is.

    :raises ConfigurationError: it is neither
    """
    if is_rendered_later(value):
        return value
    found = as_flag(value)
    if found is None:
        raise wrong(value, path, "True or False")
    return found


def several(values: Any, path: str) -> Any:
    """A list of texts; one text by itself may have commas between several.

    :raises ConfigurationError: it is none
    """
    if is_rendered_later(values) or isinstance(values, str):
        return values
    if not isinstance(values, Sequence) or isinstance(values, (bytes, bytearray)):
        raise wrong(values, path, "a list of texts")
    return [single(value, f"{path}[{number}]") for number, value in enumerate(values)]


def listed(values: Any, path: str, takes: str) -> Any:
    """A list of texts, for which a text by itself is none.

    :param takes: what it takes, for the message
    :raises ConfigurationError: it is none
    """
    if is_rendered_later(values):
        return values
    if isinstance(values, str):
        raise wrong(values, path, takes, f"Write {values.split()!r}.")
    if not isinstance(values, Sequence) or isinstance(values, (bytes, bytearray)):
        raise wrong(values, path, takes)
    return [single(one, f"{path}[{number}]", may_be_empty=True) for number, one in enumerate(values)]


def properties(value: Any, path: str) -> Any:
    """Properties as a mapping, merged if there are several.

    A list of pairs, if Airflow is to render their names, too; of fragments, if it is to render one of them.

    :raises ConfigurationError: they are none, or two of them differ
    """
    if value is None or is_rendered_later(value):
        return value
    if isinstance(value, Mapping):
        return _renderable(_checked(value, path))
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes, bytearray)):
        raise wrong(value, path, "a mapping of names to values")
    fragments = [
        one if is_rendered_later(one) else _checked(one, f"{path}[{number}]")
        for number, one in enumerate(value)
        if one is not None
    ]
    if any(is_rendered_later(one) or _has_listed_reference(one) for one in fragments):
        return [one if is_rendered_later(one) else _renderable(one) for one in fragments]
    return _renderable(dict(pairs_of(fragments, path)))


def configurations(spark_defaults: Any, classifications: Any) -> list[dict[str, Any]]:
    """Classifications in the API's form.

    :param spark_defaults: properties of the classification ``spark-defaults``
    :param classifications: properties of others, by their names; without any, one removes what would be inherited
    :raises ConfigurationError: they are none
    """
    others = {} if classifications is None else classifications
    if not isinstance(others, Mapping):
        raise wrong(others, "classifications", "a mapping of classifications to their properties")
    if spark_defaults is not None and "spark-defaults" in others:
        raise ConfigurationError("Give `spark_defaults`, or 'spark-defaults' in `classifications`, not both.")
    found = [_configuration(name, one, f"classifications.{name}") for name, one in others.items()]
    if spark_defaults is not None and (own := properties(spark_defaults, "spark_defaults")):
        return [{"classification": "spark-defaults", "properties": own}, *found]
    return found


def _configuration(name: str, value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {"classification": name, "properties": properties({} if value is None else value, path)}
    within = {key: one for key, one in value.items() if isinstance(one, Mapping)}
    own = {key: one for key, one in value.items() if key not in within}
    nested = [_configuration(key, one, f"{path}.{key}") for key, one in within.items()]
    return given(classification=name, properties=properties(own, path), configurations=nested)


def _checked(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise wrong(value, path, "a mapping of names to values")
    found = {}
    for name, one in value.items():
        if not isinstance(name, str) or not name or (_is_no_name(name) and not is_rendered_later(name)):
            raise ConfigurationError(f"`{path}`: {name!r} is no name of a property: those have no `=` and no blanks.")
        if one is not None:
            found[name] = single(one, f"{path}.{name}", may_be_empty=True)
    return found


def _is_no_name(name: str) -> bool:
    return "=" in name or any(map(str.isspace, name))


def _has_listed_reference(fragment: Mapping[str, Any]) -> bool:
    """Whether a property of several values is a reference, which is put together with others once it is resolved."""
    return any(hasattr(fragment.get(name), "resolve") for name in LISTS)


def _renderable(found: Mapping[str, Any]) -> Any:
    """Airflow renders the names of pairs, but none of a mapping."""
    return [[name, one] for name, one in found.items()] if any(map(is_rendered_later, found)) else dict(found)


def _as_request(value: Any, member: str) -> Any:
    if hasattr(value, "resolve"):
        return str(value)
    if isinstance(value, Mapping) and member == "policy":
        return json.dumps(value)
    if isinstance(value, Mapping):
        parts = {name: _as_request(one, name) for name, one in value.items() if one is not None}
        if member in _OPTIONS:
            return command_line(parts, member)
        return {name: one for name, one in parts.items() if not (name in _OPTIONS and one == "")}
    if isinstance(value, (list, tuple)):
        return dict(pairs_of(value, member)) if member == "properties" else [_as_request(one, member) for one in value]
    return value
