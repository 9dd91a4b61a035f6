"""SQL as text, and rows as JSON."""

from __future__ import annotations

import json
import time
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from airflow_emrs_ext.operators._base import sql_statements
from airflow_emrs_ext.operators._base.sql_statements import brief, split_statements, to_json


@pytest.mark.parametrize(
    ("sql", "statements"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;\n SELECT 2 ;", ["SELECT 1", "SELECT 2"]),
        (";; ;\n", []),
        ("-- nothing; here\n", []),
        ("/* nothing; /* nested; */ here */;", []),
        ("SELECT ';' AS a; SELECT \";\"", ["SELECT ';' AS a", 'SELECT ";"']),
        (r"SELECT 'it\'s; one'; SELECT 2", [r"SELECT 'it\'s; one'", "SELECT 2"]),
        ("SELECT 'it''s; one'; SELECT 2", ["SELECT 'it''s; one'", "SELECT 2"]),
        (r"SELECT r'\'; SELECT 2", [r"SELECT r'\'", "SELECT 2"]),
        (r"SELECT 1 AS r, '\\'; SELECT 2", [r"SELECT 1 AS r, '\\'", "SELECT 2"]),
        ("SELECT `a;b` FROM t; SELECT 2", ["SELECT `a;b` FROM t", "SELECT 2"]),
        ("SELECT 1 -- one; two\n + 1; SELECT 2", ["SELECT 1 -- one; two\n + 1", "SELECT 2"]),
        ("SELECT /* a; /* b; */ c; */ 1; SELECT 2", ["SELECT /* a; /* b; */ c; */ 1", "SELECT 2"]),
        ("SELECT /*+ BROADCAST(a) */ 1", ["SELECT /*+ BROADCAST(a) */ 1"]),
        ("-- the first\nSELECT 1; -- the last", ["-- the first\nSELECT 1"]),
        ("SELECT 'open; end", ["SELECT 'open; end"]),
        ("SELECT 1 /* open; end", ["SELECT 1 /* open; end"]),
        ("SELECT 'open; \\' ; end\\", ["SELECT 'open; \\' ; end\\"]),
        ('SELECT "open; \\" ; end\\', ['SELECT "open; \\" ; end\\']),
        ("SELECT 5 - -3; SELECT 4 / 2", ["SELECT 5 - -3", "SELECT 4 / 2"]),
        ("BEGIN SET x = 1; SELECT x; END; SELECT 2", ["BEGIN SET x = 1; SELECT x; END", "SELECT 2"]),
        ("SELECT 1; begin\nselect 2; end", ["SELECT 1", "begin\nselect 2; end"]),
        ("/* a; */ BEGIN SELECT 'END;'; END;", ["/* a; */ BEGIN SELECT 'END;'; END"]),
        (
            "BEGIN a: BEGIN SELECT 1; END a; IF x > 1 THEN SELECT CASE WHEN x THEN 2 END; END IF; END; SELECT 3",
            ["BEGIN a: BEGIN SELECT 1; END a; IF x > 1 THEN SELECT CASE WHEN x THEN 2 END; END IF; END", "SELECT 3"],
        ),
        (
            "BEGIN CASE x WHEN 1 THEN SELECT 1; END CASE; WHILE x > 1 DO SET x = 1; END WHILE; END; SELECT 2",
            ["BEGIN CASE x WHEN 1 THEN SELECT 1; END CASE; WHILE x > 1 DO SET x = 1; END WHILE; END", "SELECT 2"],
        ),
        (
            "SELECT CASE WHEN a THEN 1 END; SELECT begin, t.end FROM t",
            ["SELECT CASE WHEN a THEN 1 END", "SELECT begin, t.end FROM t"],
        ),
        ("BEGIN SELECT t.end, t.begin FROM t; END; SELECT 2", ["BEGIN SELECT t.end, t.begin FROM t; END", "SELECT 2"]),
        ("BEGIN SELECT 1; SELECT 2", ["BEGIN SELECT 1; SELECT 2"]),
    ],
)
def test_statements(sql: str, statements: list[str]) -> None:
    assert split_statements(sql) == statements


@pytest.mark.parametrize("quote", ["'", '"', "`", "/*", "--"])
@pytest.mark.parametrize("before", ["", "\\", "r", "\\r", ";"])
@pytest.mark.parametrize("end", ["", "\\", "\n", ";"])
def test_wherever_a_quote_begins_something_it_is_read_once(quote: str, before: str, end: str) -> None:
    text = (before + quote) * 4 + end
    # What fails at its beginning has been read to the end of the text for nothing: with many of them, so many times.
    assert all(sql_statements._TOKENS.match(text, at) for at in range(len(text)) if text.startswith(quote, at))


def test_a_statement_in_short() -> None:
    assert brief("SELECT\n  1") == "SELECT 1"
    assert brief("x" * 200, 10) == "xxxxxxxxx…"


class Structure:
    def asDict(self) -> dict[str, Any]:  # noqa: N802 - Spark's own name
        return {"a": Decimal("1.50"), "b": [b"\x00"]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (10**20, 10**20),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (Decimal("1.10"), "1.10"),
        (date(2026, 5, 1), "2026-05-01"),
        (datetime(2026, 5, 1, 12), "2026-05-01T12:00:00"),
        (datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))), "2026-05-01T10:00:00+00:00"),
        (timedelta(minutes=2), 120.0),
        (bytearray(b"\x00\xff"), "AP8="),
        ([1, (2, None)], [1, [2, None]]),
        ({1: date(2026, 5, 1), "x": 2}, {"1": "2026-05-01", "x": 2}),
        (Structure(), {"a": "1.50", "b": ["AA=="]}),
        (frozenset(), "frozenset()"),
    ],
)
def test_values(value: Any, expected: Any) -> None:
    assert to_json(value) == expected
    json.dumps(to_json(value), allow_nan=False)


def test_an_instant_is_in_utc_wherever_the_worker_is(monkeypatch: pytest.MonkeyPatch) -> None:
    types = pytest.importorskip("pyspark.sql.types", reason="needs the extra: spark")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        noon = datetime(2026, 1, 1, 21)
        assert to_json(noon, types.TimestampType()) == "2026-01-01T12:00:00+00:00"
        assert to_json(noon, types.TimestampNTZType()) == "2026-01-01T21:00:00"
        assert to_json([noon], types.ArrayType(types.TimestampType())) == ["2026-01-01T12:00:00+00:00"]
        mapped = types.MapType(types.StringType(), types.TimestampType())
        assert to_json({"a": noon}, mapped) == {"a": "2026-01-01T12:00:00+00:00"}
        row = types.Row(at=noon)
        fields = types.StructType([types.StructField("at", types.TimestampType())])
        assert to_json(row, fields) == {"at": "2026-01-01T12:00:00+00:00"}
    finally:
        monkeypatch.undo()
        time.tzset()
