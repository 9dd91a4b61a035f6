"""What of a driver's log says why it failed."""

from __future__ import annotations

import pytest

from airflow_emrs_ext.workflows.driver_logs.causes import cause_in, last_lines

TRACEBACK = """\
counting
Traceback (most recent call last):
  File "/tmp/spark-1b2c/job.py", line 12, in <module>
    main()
  File "/tmp/spark-1b2c/job.py", line 9, in main
    raise ValueError("the third column is empty")
ValueError: the third column is empty
"""

CHAINED = """\
Traceback (most recent call last):
  File "/tmp/spark-1b2c/job.py", line 3, in load
    return {}["x"]
KeyError: 'x'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/tmp/spark-1b2c/job.py", line 7, in <module>
    load()
RuntimeError: no configuration
"""

ANALYSIS = """\
Traceback (most recent call last):
  File "/tmp/spark-1b2c/job.py", line 4, in <module>
    spark.read.parquet("s3://bucket/in")
  File "/usr/lib/spark/python/lib/pyspark.zip/pyspark/sql/readwriter.py", line 544, in parquet
  File "/usr/lib/spark/python/lib/py4j-0.10.9.7-src.zip/py4j/java_gateway.py", line 1322, in __call__
  File "/usr/lib/spark/python/lib/pyspark.zip/pyspark/errors/exceptions/captured.py", line 185, in deco
pyspark.errors.exceptions.captured.AnalysisException: [PATH_NOT_FOUND] Path does not exist: s3://bucket/in.
"""

PY4J = """\
Traceback (most recent call last):
  File "/tmp/spark-1b2c/job.py", line 6, in <module>
    frame.write.parquet("s3://bucket/out")
  File "/usr/lib/spark/python/lib/pyspark.zip/pyspark/sql/readwriter.py", line 1721, in parquet
py4j.protocol.Py4JJavaError: An error occurred while calling o36.parquet.
: org.apache.spark.SparkException: Job aborted.
\tat org.apache.spark.sql.execution.datasources.FileFormatWriter$.write(FileFormatWriter.scala:1)
\tat org.apache.spark.sql.execution.X.a(X.scala:2)
\tat org.apache.spark.sql.execution.X.b(X.scala:3)
Caused by: java.nio.file.AccessDeniedException: s3://bucket/out: Access Denied
\tat org.apache.hadoop.fs.s3a.S3AUtils.translateException(S3AUtils.java:1)
\t... 40 more
"""

WORKER = """\
Traceback (most recent call last):
  File "/tmp/spark-1b2c/job.py", line 8, in <module>
    frame.collect()
pyspark.errors.exceptions.captured.PythonException:
  An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "/usr/lib/spark/python/lib/pyspark.zip/pyspark/worker.py", line 1247, in main
  File "/tmp/spark-1b2c/job.py", line 5, in parse
ValueError: bad row 7

JVM stacktrace:
"""

JAVA = """\
26/01/01 00:00:00 INFO SparkContext: Running Spark
Exception in thread "main" org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 failed
\tat org.apache.spark.scheduler.DAGScheduler.x(DAGScheduler.scala:1)
\tat org.apache.spark.scheduler.DAGScheduler.y(DAGScheduler.scala:2)
\tat org.apache.spark.scheduler.DAGScheduler.z(DAGScheduler.scala:3)
\tat com.acme.Report$.main(Report.scala:42)
Caused by: java.lang.RuntimeException: outer
\tat com.acme.Report$.lines(Report.scala:17)
Caused by: java.lang.ArithmeticException: / by zero
\tat com.acme.Ratio.of(Ratio.scala:5)
\t... 3 more
26/01/01 00:00:01 INFO ShutdownHookManager: Shutdown hook called
"""

USER_APP = """\
Exception in thread "main" org.apache.spark.SparkUserAppException: User application exited with 3
\tat org.apache.spark.deploy.PythonRunner$.main(PythonRunner.scala:1)
"""


@pytest.mark.parametrize(
    ("stdout", "stderr", "exception", "place"),
    [
        (TRACEBACK, "", "ValueError: the third column is empty", "job.py, line 9, in main"),
        ("", TRACEBACK, "ValueError: the third column is empty", "job.py, line 9, in main"),
        (TRACEBACK + "closing\n", USER_APP, "ValueError: the third column is empty", "job.py, line 9, in main"),
        (CHAINED, "", "RuntimeError: no configuration", "job.py, line 7"),
        (
            ANALYSIS,
            USER_APP,
            "AnalysisException: [PATH_NOT_FOUND] Path does not exist: s3://bucket/in.",
            "job.py, line 4",
        ),
        (PY4J, "", "java.nio.file.AccessDeniedException: s3://bucket/out: Access Denied", "job.py, line 6"),
        (WORKER, "", "ValueError: bad row 7", "job.py, line 5, in parse"),
        ("", JAVA, "java.lang.ArithmeticException: / by zero", "Ratio.scala, line 5"),
        (
            'Traceback (most recent call last):\n  File "/tmp/x/job.py", line 1, in <module>\n    import pandas\n'
            "ModuleNotFoundError: No module named 'pandas'\n",
            "",
            "ModuleNotFoundError: No module named 'pandas'",
            "job.py, line 1",
        ),
        (
            '  File "/tmp/x/job.py", line 3\n    total = = 1\n            ^\nSyntaxError: invalid syntax\n',
            "",
            "SyntaxError: invalid syntax",
            "job.py, line 3",
        ),
        ("", "Error: Failed to load class com.acme.Main.\n", "Failed to load class com.acme.Main.", ""),
        (
            "",
            "Error in query: [TABLE_OR_VIEW_NOT_FOUND] The table `t` cannot be found.\n",
            "[TABLE_OR_VIEW_NOT_FOUND] The table `t` cannot be found.",
            "",
        ),
        (
            "",
            'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space\n',
            "java.lang.OutOfMemoryError: Java heap space",
            "",
        ),
    ],
)
def test_the_exception_and_the_place(stdout: str, stderr: str, exception: str, place: str) -> None:
    cause = cause_in(stdout, stderr)
    assert cause is not None
    assert (cause.exception, cause.place) == (exception, place)


def test_the_lines_are_the_traceback_and_nothing_else() -> None:
    cause = cause_in(TRACEBACK + "", "noise\n")
    assert cause is not None
    assert list(cause.lines) == TRACEBACK.splitlines()[1:]
    assert cause.stream == "stdout"


def test_a_chain_of_exceptions_is_shown_whole() -> None:
    cause = cause_in(CHAINED, "")
    assert cause is not None
    assert list(cause.lines) == CHAINED.splitlines()


def test_of_javas_chain_each_exception_is_shown_with_its_first_frames() -> None:
    cause = cause_in("", JAVA)
    assert cause is not None
    assert [line.partition(":")[0].strip() for line in cause.lines if not line.startswith("\t")] == [
        'Exception in thread "main" org.apache.spark.SparkException',
        "Caused by",
        "Caused by",
    ]
    assert len(cause.lines) == 3 + 2 + 2 + 1
    assert cause.stream == "stderr"


def test_a_python_error_shows_javas_part_in_short() -> None:
    cause = cause_in(PY4J, "")
    assert cause is not None
    assert "Caused by: java.nio.file.AccessDeniedException: s3://bucket/out: Access Denied" in cause.lines
    assert not [line for line in cause.lines if "X.b" in line]


@pytest.mark.parametrize(("stdout", "stderr"), [("", ""), ("done\n", "26/01/01 INFO bye\n"), ("", USER_APP)])
def test_a_log_without_a_reason_has_none(stdout: str, stderr: str) -> None:
    assert cause_in(stdout, stderr) is None


def test_a_long_traceback_loses_its_middle() -> None:
    frames = "".join(f'  File "/tmp/x/job.py", line {n}, in f\n    f()\n' for n in range(500))
    cause = cause_in(f"Traceback (most recent call last):\n{frames}RecursionError: {'deep ' * 1000}\n", "")
    assert cause is not None
    assert len(cause.lines) <= 61
    assert cause.place == "job.py, line 499, in f"
    assert len(cause.exception) < 700
    assert max(map(len, cause.lines)) < 700


def test_the_last_lines_are_not_blank() -> None:
    assert last_lines("\n".join([*map(str, range(30)), "", ""]), most=3) == ("27", "28", "29")
