"""SQL as text and rows as JSON: what the SQL operator does without Spark."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

# What may hide a semicolon, each up to its end or that of the text, and the semicolon. A raw literal has no escapes.
# A quote always begins something, also where the text ends with a backslash: else what follows each quote would be read
# to the end again.
_TOKENS = re.compile(
    r"""
      (?<![\w]) [rR] (?: '[^']*' | "[^"]*" )
    | ' (?: [^'\\] | \\.? )* (?: ' | \Z )
    | " (?: [^"\\] | \\.? )* (?: " | \Z )
    | ` [^`]* (?: ` | \Z )
    | -- [^\n]*
    | (?P<comment> /\* )
    | (?P<end> ; )
    # What opens and closes the blocks of a compound statement. What END IF and the like close opens no such block; a
    # member of a structure is none of these words.
    | (?<! [\w.:] ) (?P<opens> BEGIN | CASE ) \b
    | (?<! [\w.:] ) (?P<closes> END (?: \s+ (?P<of> IF | WHILE | LOOP | REPEAT | FOR | CASE ) )? ) \b
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


def split_statements(sql: str) -> list[str]:
    """The statements of a text that separates them with semicolons, without empty ones.

    Semicolons in literals, quoted names, comments and compound statements (``BEGIN … END``) separate nothing.

    :param sql: one or more statements in Spark's SQL
    """
    statements, begin, at, depth = [], 0, 0, 0
    while found := _TOKENS.search(sql, at):
        at = found.end()
        if found["comment"]:
            at = _end_of_comment(sql, at)
        elif found["end"] and not depth:
            statements.append(sql[begin : found.start()])
            begin = at
        elif found["opens"] and (depth or (_is(found, "BEGIN") and not _says_something(sql[begin : found.start()]))):
            depth += 1
        elif found["closes"] and depth and (found["of"] or "CASE").upper() == "CASE":
            depth -= 1
    statements.append(sql[begin:])
    return [statement.strip() for statement in statements if _says_something(statement)]


def _is(found: re.Match[str], word: str) -> bool:
    return found["opens"].upper() == word


def _end_of_comment(sql: str, at: int) -> int:
    """Where a comment ends that began before ``at``; Spark's nest."""
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(sql, at)):
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
    return len(sql) if depth else at


def _says_something(statement: str) -> bool:
    at = 0
    while at < len(statement):
        if statement[at].isspace():
            at += 1
        elif statement.startswith("--", at):
            at = statement.find("\n", at)
            if at == -1:
                return False
        elif statement.startswith("/*", at) and not statement.startswith("/*+", at):
            at = _end_of_comment(statement, at + 2)
        else:
            return True
    return False


def brief(statement: str, width: int = 120) -> str:
    """A statement in one line for the log."""
    line = " ".join(statement.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def to_json(value: Any, data_type: Any = None) -> Any:
    """A value of a row as plain JSON.

    Times become ISO 8601 (TIMESTAMP in UTC, TIMESTAMP_NTZ without a zone), decimals strings, so that no digit is lost,
    binaries Base64, intervals seconds, structures and maps dictionaries, and numbers that JSON does not have, NaN and
    the infinities, strings.

    :param data_type: Spark's type of the value; the client hands TIMESTAMP and TIMESTAMP_NTZ out alike
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime):
        # Spark's client gives an instant in this machine's zone, and does not say so.
        is_instant = value.tzinfo or (data_type is not None and data_type.typeName() == "timestamp")
        return (value.astimezone(timezone.utc) if is_instant else value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if hasattr(value, "asDict"):
        fields = {field.name: field.dataType for field in getattr(data_type, "fields", ())}
        return {name: to_json(one, fields.get(name)) for name, one in value.asDict().items()}
    if isinstance(value, Mapping):
        return dict(_items(value, data_type))
    if isinstance(value, Sequence):
        return [to_json(one, getattr(data_type, "elementType", None)) for one in value]
    # Spark's own further types (intervals of months, variants, geometries) have a text.
    return str(value)


def _items(mapping: Mapping[Any, Any], data_type: Any) -> Iterator[tuple[str, Any]]:
    key_type, value_type = getattr(data_type, "keyType", None), getattr(data_type, "valueType", None)
    for key, value in mapping.items():
        yield key if isinstance(key, str) else str(to_json(key, key_type)), to_json(value, value_type)
