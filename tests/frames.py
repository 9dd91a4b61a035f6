"""What ``createDataFrame`` of a Spark Connect client has to make of rows and of pandas, whatever the versions."""

from __future__ import annotations

from typing import Any

import pandas as pd

WORDS = ["b", None, "a"]
"""In pandas 3 a missing text is NaN, which is no text."""


def rows_become_a_data_frame(spark: Any) -> None:
    frame = spark.createDataFrame([("b", 1), ("a", None), (None, 3)], "word string, n bigint")
    assert sorted(map(str, map(tuple, frame.collect()))) == ["('a', None)", "('b', 1)", "(None, 3)"]
    maps = spark.createDataFrame([({"x": 1},), ({"y": 2, "z": None},)], "of map<string, int>")
    assert [row[0] for row in maps.collect()] == [{"x": 1}, {"y": 2, "z": None}]


def a_frame_of_pandas_becomes_a_data_frame(spark: Any) -> None:
    kinds = {"objects": "object", "strings": "string", "categories": "category"}
    texts = {"word": pd.Series(WORDS), **{name: pd.Series(WORDS, dtype=kind) for name, kind in kinds.items()}}
    missing = pd.Series([1, None, 2], dtype="Int64")
    frame = spark.createDataFrame(pd.DataFrame({"n": [1, 2, 3], **texts, "missing": missing}))
    assert [tuple(row) for row in frame.orderBy("n").collect()] == [
        (1, "b", "b", "b", "b", 1),
        (2, None, None, None, None, None),
        (3, "a", "a", "a", "a", 2),
    ]
    named = "n:bigint,word:string,objects:string,strings:string,categories:string,missing:bigint"
    assert frame.schema.simpleString() == f"struct<{named}>"
    with_schema = spark.createDataFrame(
        pd.DataFrame({"n": [1, 2, 3], **texts}), "n int, a string, b string, c string, d string"
    )
    assert [tuple(row)[1:] for row in with_schema.orderBy("n").collect()] == [("b",) * 4, (None,) * 4, ("a",) * 4]
    # There and back.
    back = spark.createDataFrame(frame.select("n", "word").toPandas()).orderBy("n").collect()
    assert [row["word"] for row in back] == WORDS
    # More than is sent in one piece by default.
    assert (
        spark.createDataFrame(pd.DataFrame({"n": range(300_000)})).selectExpr("sum(n)").collect()[0][0] == 44999850000
    )
