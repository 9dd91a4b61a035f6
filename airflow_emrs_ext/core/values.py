"""Values that templates and XComs gave: converted where their meaning is certain, else refused with their place."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from airflow_emrs_ext.exceptions import ConfigurationError

_LONGEST = 120


_TEMPLATES = ("{{", "{%")
LISTS = frozenset(
    {
        "spark.archives",
        "spark.files",
        "spark.jars",
        "spark.jars.packages",
        "spark.jars.repositories",
        "spark.sql.extensions",
        "spark.submit.pyFiles",
    }
)
"""Spark properties that have several values with commas between them."""

# A whole number as people and templates write it.
_WHOLE = re.compile(r"([+-]?[0-9]+)(?:\.0*)?")


def is_rendered_later(value: Any) -> bool:
    """Whether a value is a reference to a task's result, or a template, as a DAG file has it."""
    return hasattr(value, "resolve") or (isinstance(value, str) and any(mark in value for mark in _TEMPLATES))


def is_undefined(value: Any) -> bool:
    """Whether a value is what a template found nothing for."""
    return hasattr(type(value), "_undefined_name")


def _plain(value: Any) -> Any:
    """The value of an enumeration's member, or of another library's number."""
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "item") and hasattr(value, "dtype") and not getattr(value, "shape", ()):
        return value.item()
    return None if is_undefined(value) else value


def as_text(value: Any) -> str | None:
    """A text or a number as text, a flag as ``true`` or ``false``; ``None``: its text is not certain."""
    value = _plain(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if hasattr(value, "__float__") and not isinstance(value, Iterable) else None


def as_whole_number(value: Any) -> int | None:
    """A number that is whole, or its text; ``None``: it is not one."""
    value = _plain(value)
    if isinstance(value, str):
        return int(found[1]) if (found := _WHOLE.fullmatch(value.strip())) else None
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    try:
        whole = int(value)
    except (OverflowError, TypeError, ValueError):
        return None
    return whole if whole == value else None


def as_number(value: Any) -> float | None:
    """A number, or its text; ``None``: it is not one."""
    value = _plain(value)
    if isinstance(value, bool) or not (isinstance(value, str) or hasattr(value, "__float__")):
        return None
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def as_flag(value: Any) -> bool | None:
    """A flag, or its word in whatever letters; ``None``: it is not one."""
    value = _plain(value)
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def parsed(text: str) -> Any:
    """A structure or list that is written as JSON, or as Python writes it; ``None``: it is neither."""
    if not text.strip().startswith(("{", "[", "(")):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return None


def list_of(value: Any, parameter: str) -> list[Any]:
    """The entries of a list, or of the text of one; a text or mapping by itself is a list of it.

    :raises ConfigurationError: it is none
    """
    given = parsed(value) if isinstance(value, str) else value
    if isinstance(given, Mapping):
        return [given]
    if given is None and isinstance(value, str) and value not in ("", "None") and value.strip()[:1] not in "[({":
        return [value]
    if isinstance(given, (bytes, bytearray)) or not isinstance(given, Iterable) or is_undefined(given):
        raise wrong(value, parameter, "a list")
    return list(given)


def pairs_of(value: Any, path: str) -> Iterable[tuple[str, Any]]:
    """The names and values of a mapping, of several that are merged, or of pairs, as Airflow renders no keys.

    :param value: it, or its text
    :param path: where it is given, for the message
    :raises ConfigurationError: it is none, a name is no text, or is there with two values
    """
    found: dict[str, Any] = {}
    for key, one in _pairs_of(value, path):
        name = as_text(key)
        if name is None:
            raise wrong(key, path, "texts as names")
        found[name] = _either(found.get(name), one, name, path)
    return found.items()


def _pairs_of(value: Any, path: str) -> Iterable[tuple[Any, Any]]:
    given = parsed(value) if isinstance(value, str) else value
    if isinstance(given, Mapping):
        return given.items()
    if not isinstance(given, (list, tuple)):
        raise wrong(value, path, "a mapping of names to values")
    if all(map(_is_pair, given)):
        return [(one[0], one[1]) for one in given]
    fragments = [parsed(one) if isinstance(one, str) else one for one in given]
    if not all(isinstance(one, (Mapping, list, tuple)) for one in fragments):
        raise wrong(value, path, "a mapping of names to values")
    return [pair for number, one in enumerate(fragments) for pair in _pairs_of(one, f"{path}[{number}]")]


def _is_pair(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and not isinstance(value[0], (list, tuple, Mapping))


def _either(first: Any, second: Any, name: str, path: str) -> Any:
    """The value of a name that may be there twice."""
    if first is None or second is None or first == second:
        return second if first is None else first
    texts = as_text(first), as_text(second)
    if name in LISTS and None not in texts:
        # A template may have commas of its own.
        parts = [[text] if is_rendered_later(text) else text.split(",") for text in texts if text is not None]
        entries = [entry for part in parts for entry in part]
        return ",".join(dict.fromkeys(entry for entry in entries if entry))
    raise ConfigurationError(
        f"`{path}`: {name!r} is there twice, as {shown(first, name)} and as {shown(second, name)}. Leave one of them "
        "out."
    )


def wrong(value: Any, path: str, takes: str, remedy: str = "") -> ConfigurationError:
    """The error of a value that is of the wrong kind.

    :param path: the parameter, and the place within it
    :param takes: what it takes
    :param remedy: what else would help
    """
    if value is None or is_undefined(value):
        # What a reference or template leads to that gives nothing.
        return ConfigurationError(f"`{path}` is None: what it is to be taken from gave nothing. It takes {takes}.")
    kind = "" if isinstance(value, str) else f", of type {type(value).__name__}"
    return ConfigurationError(f"`{path}` is {shown(value, path)}{kind}; it takes {takes}.{remedy and ' ' + remedy}")


def shown(value: Any, path: str) -> str:
    """A value as a message shows it: short, and without secrets.

    :param path: its place, whose name may say that it is a secret
    """
    from airflow_emrs_ext.core.redaction import hidden  # imports Airflow's configuration

    text = repr(hidden(value, path))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
