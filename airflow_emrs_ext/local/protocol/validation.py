"""Values of requests and responses held against the shapes of an API model."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, cast

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from airflow_emrs_ext.local.base.errors import ApiError, validation_error

_MAX_DEPTH = 100
_SHOWN_CHARACTERS = 200
_SHOWN_PROBLEMS = 100

_INTEGER_BITS = {"integer": 32, "long": 64}
_INTEGER_TEXT = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER_TEXT = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")
_SURROGATE = re.compile("[\ud800-\udfff]")

# Patterns of the models that backtrack without end in a backtracking engine, and the same made unambiguous: the dot
# of a host name stands for itself.
_AMBIGUOUS = {"(.[0-9A-Za-z]{2,4})+": r"(\.[0-9A-Za-z]{2,4})+"}


class Reader:
    """Turns the values of one request into what an operation is called with, and notes everything that is wrong."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def raise_problems(self) -> None:
        """Raise one ValidationException for all that was noted, if anything was."""
        count = len(self.problems)
        if count:
            listed = "; ".join(self.problems[:_SHOWN_PROBLEMS])
            raise validation_error(f"{count} validation error{'s' if count > 1 else ''} detected: {listed}")

    def fail(self, path: str, constraint: str) -> None:
        """Note that the value at ``path`` does not satisfy ``constraint``."""
        self.problems.append(f"Value at '{path}' failed to satisfy constraint: Member must {constraint}")

    def read(self, shape: Shape, value: Any, path: str = "", depth: int = 0) -> Any:
        """The value as an operation is given it, where it satisfies the shape; else an undefined one.

        :param shape: what the value must be
        :param value: JSON value
        :param path: where it is, in the service's own notation
        """
        if depth > _MAX_DEPTH:
            raise ApiError("SerializationException", f"'{path[:40]}…' is nested deeper than {_MAX_DEPTH} levels")
        kind = shape.type_name
        if kind == "structure":
            return self._structure(cast("StructureShape", shape), value, path, depth)
        if kind == "list":
            return self._list(cast("ListShape", shape), value, path, depth)
        if kind == "map":
            return self._map(cast("MapShape", shape), value, path, depth)
        if kind == "string":
            return self._string(cast("StringShape", shape), value, path)
        if kind == "boolean":
            if not isinstance(value, bool):
                self.fail(path, "be true or false")
            return value
        if kind == "timestamp":
            return self._timestamp(value, path)
        return self._number(shape, value, path)

    def read_text(self, shape: Shape, text: str, path: str) -> Any:
        """The same for a value that came as text, in the URI, the query string or a header."""
        kind = shape.type_name
        if kind == "boolean":
            value: Any = {"true": True, "false": False}.get(text, text)
        elif kind in _INTEGER_BITS:
            value = int(text) if _INTEGER_TEXT.fullmatch(text) else text
        elif kind in ("double", "float") or kind == "timestamp":
            value = float(text) if _NUMBER_TEXT.fullmatch(text) else text
        else:
            value = text
        return self.read(shape, value, path)

    def limits(self, shape: Shape, size: float, path: str, shown: str | None = None, verb: str = "have length") -> bool:
        """Whether ``size`` is within the shape's limits; noted if not."""
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        if least is not None and size < least:
            self._fail_value(path, shown, f"{verb} greater than or equal to {least}")
            return False
        if most is not None and size > most:
            self._fail_value(path, shown, f"{verb} less than or equal to {most}")
            return False
        return True

    def _structure(self, shape: StructureShape, value: Any, path: str, depth: int) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fail(path, "be a structure")
            return {}
        prefix = f"{path}." if path else ""
        members = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        result: dict[str, Any] = {}
        for key, item in value.items():
            name = members.get(key)
            if name is None:
                self.fail(prefix + _shorten(key), f"be one of the members [{', '.join(sorted(members))}]")
            elif item is not None:
                result[name] = self.read(shape.members[name], item, prefix + key, depth + 1)
        for name in shape.required_members:
            if name not in result:
                self.problems.append(
                    f"Value null at '{prefix}{name}' failed to satisfy constraint: Member must not be null"
                )
        if shape.is_tagged_union and len(result) != 1:
            self.fail(path, f"have exactly one of the members [{', '.join(sorted(members))}] set")
        return result

    def _list(self, shape: ListShape, value: Any, path: str, depth: int) -> list[Any]:
        if not isinstance(value, list):
            self.fail(path, "be a list")
            return []
        self.limits(shape, len(value), path)
        return [
            self.read(shape.member, item, f"{path}.{index}.member", depth + 1)
            for index, item in enumerate(value, start=1)
        ]

    def _map(self, shape: MapShape, value: Any, path: str, depth: int) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fail(path, "be a map")
            return {}
        self.limits(shape, len(value), path)
        result = {}
        for key, item in value.items():
            self.read(shape.key, key, f"{path}.key", depth + 1)
            result[key] = self.read(shape.value, item, f"{path}.{_shorten(key)}.member", depth + 1)
        return result

    def _string(self, shape: StringShape, value: Any, path: str) -> str:
        if not isinstance(value, str):
            self.fail(path, "be a string")
            return ""
        if not value.isascii() and _SURROGATE.search(value):
            self.fail(path, "be valid Unicode")
            return ""
        shown = None if shape.metadata.get("sensitive") else value
        fits = self.limits(shape, len(value), path, shown)
        if shape.enum and value not in shape.enum:
            self._fail_value(path, shown, f"satisfy enum value set: [{', '.join(shape.enum)}]")
        pattern = shape.metadata.get("pattern")
        # A value that is too long anyhow is not worth the time that a pattern may take on it.
        if pattern is not None and fits and (compiled := compile_pattern(pattern)) and not compiled.fullmatch(value):
            self._fail_value(path, shown, f"satisfy regular expression pattern: {pattern}")
        return value

    def _number(self, shape: Shape, value: Any, path: str) -> float:
        kind = shape.type_name
        if isinstance(value, bool) or not isinstance(value, int if kind in _INTEGER_BITS else int | float):
            self.fail(path, "be an integer" if kind in _INTEGER_BITS else "be a number")
            return 0
        if kind in _INTEGER_BITS:
            limit = 1 << (_INTEGER_BITS[kind] - 1)
            fits = -limit <= value < limit
        else:
            fits = -1.8e308 < value < 1.8e308 and math.isfinite(value)
        if not fits:
            self.fail(path, f"be in the range of type {kind}")
            return 0
        self.limits(shape, value, path, str(value), "have value")
        return cast("float", value)

    def _timestamp(self, value: Any, path: str) -> datetime:
        try:
            if isinstance(value, datetime):
                return value
            if isinstance(value, int | float) and not isinstance(value, bool):
                return datetime.fromtimestamp(value, timezone.utc)
            if isinstance(value, str):
                return _from_text(value)
        # The platform's range of times is narrower than that of numbers.
        except (ValueError, OverflowError, OSError):
            pass
        self.fail(path, "be a timestamp: seconds since the epoch or ISO 8601")
        return datetime.fromtimestamp(0, timezone.utc)

    def _fail_value(self, path: str, value: str | None, constraint: str) -> None:
        given = "Value" if value is None else f"Value '{_shorten(value)}'"
        self.problems.append(f"{given} at '{path}' failed to satisfy constraint: Member must {constraint}")


def violations(shape: Shape, document: Mapping[str, Any]) -> list[str]:
    """Where a response body differs from its shape."""
    reader = Reader()
    reader.read(shape, document)
    return reader.problems


@cache
def compile_pattern(pattern: str) -> re.Pattern[str] | None:
    r"""A pattern of a model as Python's own, ``None`` where Python cannot take it.

    The service's expressions are Java's: classes such as ``\d`` are ASCII. A dot takes line ends too, since queries
    and parameters of several lines are accepted by the service under ``.*\S.*``.
    """
    for ambiguous, unambiguous in _AMBIGUOUS.items():
        pattern = pattern.replace(ambiguous, unambiguous)
    try:
        return re.compile(pattern, re.ASCII | re.DOTALL)
    except re.error:
        return None


def _from_text(text: str) -> datetime:
    """ISO 8601 or the date format of HTTP headers; without an offset it is UTC."""
    if len(text) > 64:
        raise ValueError(text)
    if text[:1].isalpha():
        moment = parsedate_to_datetime(text)
    else:
        # Python 3.10 does not take the Z.
        moment = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith(("Z", "z")) else text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
