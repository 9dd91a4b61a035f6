"""A job that evaluates small expressions and prints what each comes to: a value, or the condition of an error."""

import json
from pathlib import Path

from pyspark.sql import SparkSession

SQL = {
    "cast text to int": "cast('a' as int)",
    "cast text with a fraction to int": "cast('1.5' as int)",
    "cast text that is too large to int": "int('2147483648')",
    "cast text to bigint": "bigint('1e3')",
    "cast text to double": "double('abc')",
    "cast text to boolean": "cast('maybe' as boolean)",
    "cast text to date": "cast('2024-13-01' as date)",
    "cast text to timestamp": "cast('2024-01-01 25:00:00' as timestamp)",
    "cast text to decimal": "cast('1.5x' as decimal(4,2))",
    "cast to a decimal that is too small": "cast(12345.678 as decimal(5,2))",
    "cast int to tinyint": "cast(300 as tinyint)",
    "cast double to int": "cast(1e20D as int)",
    "cast double to bigint": "bigint(1e30D)",
    "cast boolean to timestamp": "cast(true as timestamp)",
    "cast the elements of an array": "cast(array('1', 'a') as array<int>)",
    "cast the values of a map": "cast(map('k', 'x') as map<string, int>)",
    "int overflow": "int(2147483647) + int(1)",
    "bigint overflow": "9223372036854775807L + 1L",
    "negate the least int": "-int(-2147483648)",
    "absolute of the least int": "abs(int(-2147483648))",
    "decimal overflow": "cast(99999999999999999999999999999999999999 as decimal(38,0)) * 10",
    "divide by zero": "1 / 0",
    "divide integers by zero": "1 div 0",
    "remainder by zero": "1 % 0",
    "pmod by zero": "pmod(1, 0)",
    "decimal by zero": "1.0BD / 0",
    "array index": "array(1, 2)[5]",
    "element_at": "element_at(array(1, 2), 5)",
    "elt": "elt(5, 'a', 'b')",
    "to_date": "to_date('2024-02-30')",
    "to_date with a format": "to_date('2024-1-1', 'yyyy-MM-dd')",
    "to_timestamp": "to_timestamp('nope')",
    "unix_timestamp": "unix_timestamp('2024-01-01', 'yyyy-MM-dd HH:mm')",
    "make_date": "make_date(2024, 13, 1)",
    "make_timestamp": "make_timestamp(2024, 1, 32, 0, 0, 0)",
    "next_day": "next_day('2024-01-01', 'xx')",
    "hour of text": "hour('xx')",
    "datediff of text": "datediff('2024-01-02', 'x')",
    "months_between of text": "months_between('a', 'b')",
    "parse_url": "parse_url('https://a b/', 'HOST')",
    "conv": "conv('99999999999999999999', 10, 16)",
    "size of null": "size(null)",
    "text plus int": "typeof('5' + 1)",
    "text divided": "typeof('5' * 2)",
    "compare text with int": "'a' > 1",
    "compare text with int for equality": "'1.0' = 1",
    "coalesce of mixed types": "typeof(coalesce(1, 'a'))",
    "case of mixed types": "case when true then 1 else 'a' end",
    "array of mixed types": "array(1, 'a')",
    "encode": "encode('\\u00e9', 'US-ASCII')",
    "encode with another charset": "encode('a', 'windows-1252')",
    "decode": "decode(X'ff', 'UTF-8')",
    "map key of minus zero": "map(-0.0D, 1)",
    "exclamation mark for not": "'a' ! like 'b'",
    "listagg": "listagg(x) from values ('a'), ('b') as t(x)",
    "string_agg": "string_agg(x, ',') from values ('a'), ('b') as t(x)",
    "dayname": "dayname(date'2024-01-01')",
    "parse_json": "to_json(parse_json('[1]'))",
    "collation": "collation('a')",
    "shift operator": "1 << 2",
    "try_to_date": "try_to_date('x', 'yyyy')",
    "randstr": "length(randstr(3, 1))",
    "is_valid_utf8": "is_valid_utf8('a')",
    "round of an int": "round(int(2147483647), -1)",
    "unhex": "unhex('GG')",
    "sum of bigints": "sum(x) from values (9223372036854775807L), (1L) as t(x)",
    "avg of text": "avg(x) from values ('1'), ('a') as t(x)",
    "sum of decimals": "sum(x) from values (99999999999999999999999999999999999999BD), (1BD) as t(x)",
    "interval overflow": "make_interval(2147483647)",
    "timestamp to tinyint": "cast(timestamp'2024-01-01 00:00:00' as tinyint)",
    "date_format of text": "date_format('x', 'yyyy')",
    "json of text": "from_json('{\"a\": \"x\"}', 'a int')",
    "nvl of mixed types": "nvl('a', 1)",
    "if of mixed types": "if(true, 1, 'a')",
    "bround": "bround(2.5)",
    "time": "typeof(time'12:00:00')",
    "current_time": "typeof(current_time())",
    "unbase64": "unbase64('!')",
    "try_parse_url": "try_parse_url('https://a b/', 'HOST')",
}
STATEMENTS = {
    "union of mixed types": "select 1 as x union all select 'a'",
    "common table expressions of one name": """
        with t as (select 1), u as (with t as (select 2) select * from t) select * from u""",
    "pipe": "from values (1) as t(x) |> select x",
    "where with text": "select * from values ('1'), ('a') as t(x) where x = 1",
    "join of text with int": "select * from values ('1'), ('a') as a(x) join values (1) as b(y) on x = y",
    "lateral alias": "select 1 as a, a + 1 as b",
}
PYTHON = {
    "orc codec": lambda spark: written(spark, "orc"),
    "nested dictionaries": lambda spark: spark.createDataFrame([{"a": {"b": 1, "c": "x"}}]).schema.simpleString(),
    "pandas to int": lambda spark: from_pandas(spark, {"a": [5.7]}, "a int")[0],
    "pandas missing text": lambda spark: from_pandas(spark, {"a": ["x", None]})[1],
    "udf that gives int for text": lambda spark: udf(spark, lambda x: 7, "string"),
    "udf of binary": lambda spark: udf(spark, lambda x: type(x).__name__, "string", "X'41'"),
    "void column in parquet": lambda spark: spark.sql("select null as a").write.parquet("void"),
}


def from_pandas(spark, columns, schema=None):
    import pandas

    return [row[0] for row in spark.createDataFrame(pandas.DataFrame(columns), schema).collect()]


def udf(spark, function, returns, of="id"):
    from pyspark.sql import functions

    return spark.range(1).select(functions.udf(function, returns)(functions.expr(of))).collect()[0][0]


def written(spark, format):
    spark.range(1).write.mode("overwrite").format(format).save(f"written-{format}")
    return next(Path(f"written-{format}").glob("part-*")).name.rsplit("-", 1)[1].split(".", 1)[1]


def outcome(evaluate):
    """The value of an expression, as Python writes it, or the condition of its error."""
    try:
        return repr(evaluate())
    except Exception as error:
        condition = getattr(error, "getCondition", None) or getattr(error, "getErrorClass", None)
        found = condition and condition()
        return f"error {found or type(error).__name__}"


def main():
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    results = {"version": spark.version}
    for name, text in SQL.items():
        results[name] = outcome(lambda text=text: spark.sql(f"select {text}").collect()[0][0])
    for name, text in STATEMENTS.items():
        results[name] = outcome(lambda text=text: [list(row) for row in spark.sql(text).collect()])
    for name, evaluate in PYTHON.items():
        results[name] = outcome(lambda evaluate=evaluate: evaluate(spark))
    print("RESULTS " + json.dumps(results))


main()
