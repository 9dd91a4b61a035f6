"""The line of a driver's log that says why it failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_emrs_ext.local.base.lifecycle import DETAILS_LIMIT
from airflow_emrs_ext.local.runners.spark.details import failure_details

TRACEBACK = 'Traceback (most recent call last):\n  File "job.py", line 3, in <module>\n    main()\n'

JAVA = """\
26/01/01 00:00:00 INFO SparkContext: Running Spark
Exception in thread "main" org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 failed
	at org.apache.spark.x(Y.scala:1)
Caused by: java.io.FileNotFoundException: s3://b/x does not exist
	at z(Z.java:1)
	... 3 more
26/01/01 00:00:01 INFO ShutdownHookManager: Shutdown hook called
"""

NESTED = (
    TRACEBACK
    + """\
pyspark.errors.exceptions.captured.PythonException:
  An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "worker.py", line 1, in main
ValueError: bad row 7

\tat org.apache.spark.api.python.BasePythonRunner(PythonRunner.scala:1)
"""
)

PY4J = (
    TRACEBACK
    + """\
py4j.protocol.Py4JJavaError: An error occurred while calling o36.save.
: org.apache.spark.SparkException: Job aborted.
\tat org.apache.x(Y.scala:1)
Caused by: java.io.IOException: disk full
\tat z(Z.java:1)
"""
)


RDD = (
    TRACEBACK
    + """\
py4j.protocol.Py4JJavaError: An error occurred while calling z:org.apache.spark.api.python.PythonRDD.collectAndServe.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 0.0 failed 1 times
Driver stacktrace:
\tat x
Caused by: org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "worker.py", line 1, in main
ValueError: bad row 8

\tat y
"""
)


@pytest.mark.parametrize(
    ("stdout", "stderr", "status", "expected"),
    [
        (TRACEBACK + "ValueError: no such column\n", "", 1, "ValueError: no such column"),
        (TRACEBACK + "KeyError: 'x'\nafterwards\n", "", 1, "KeyError: 'x'"),
        (TRACEBACK + "KeyboardInterrupt\n", "", 1, "KeyboardInterrupt"),
        ("", TRACEBACK + "RuntimeError: on stderr\n", 1, "RuntimeError: on stderr"),
        (
            TRACEBACK + "ModuleNotFoundError: No module named 'pandas'\n",
            "",
            1,
            "ModuleNotFoundError: No module named 'pandas'. Please refer to the user guide on how to use python "
            "libraries with EMR Serverless.",
        ),
        (
            TRACEBACK
            + "pyspark.errors.exceptions.captured.AnalysisException: [PATH_NOT_FOUND] Path does not exist: s3://b/x.\n",
            JAVA,
            1,
            "AnalysisException: [PATH_NOT_FOUND] Path does not exist: s3://b/x.",
        ),
        (NESTED, "", 1, "ValueError: bad row 7"),
        (RDD, "", 1, "ValueError: bad row 8"),
        (PY4J, "", 1, "java.io.IOException: disk full"),
        ("", JAVA, 1, "java.io.FileNotFoundException: s3://b/x does not exist"),
        (
            "",
            'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space\n\tat x\n',
            52,
            "java.lang.OutOfMemoryError: Java heap space",
        ),
        ("", "Error: Failed to load class org.example.Main.\n", 101, "Failed to load class org.example.Main."),
        (
            "",
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view `t` cannot be found.\nTo tolerate the error use IF EXISTS\n",
            1,
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view `t` cannot be found.",
        ),
        (
            "",
            'Exception in thread "main" org.apache.hadoop.security.AccessControlException: s3://b/x\n',
            1,
            "S3 access is denied. Please check S3 access permissions of the job runtime role on the required S3 "
            "resources. org.apache.hadoop.security.AccessControlException: s3://b/x",
        ),
        (
            "",
            'Exception in thread "main" java.io.IOException: Could not initialize target File System for URI : '
            "s3://gone/\n",
            1,
            "The bucket gone does not exist",
        ),
        (
            "counting\nno input today\n",
            "",
            3,
            "The driver exited with status 3; its last line of output: no input today",
        ),
        ("", "", 3, "The driver exited with status 3"),
        ("working\n", "", 137, "The driver was ended by signal 9"),
        ("working\n", "", 255, "The driver exited with status 255; its last line of output: working"),
        (
            "",
            'Exception in thread "main" org.apache.spark.SparkUserAppException: User application exited with 3\n',
            3,
            "The driver exited with status 3",
        ),
    ],
)
def test_the_last_meaningful_line(tmp_path: Path, stdout: str, stderr: str, status: int, expected: str) -> None:
    (tmp_path / "stdout").write_text(stdout)
    (tmp_path / "stderr").write_text(stderr)

    assert failure_details(status, tmp_path / "stdout", tmp_path / "stderr", "EMR Serverless") == expected


def test_it_is_one_line_of_limited_length_however_much_was_written(tmp_path: Path) -> None:
    (tmp_path / "stdout").write_text("x" * 3_000_000 + "\n" + TRACEBACK + "ValueError: " + "y" * 1000 + "\n")

    details = failure_details(1, tmp_path / "stdout", tmp_path / "missing", "EMR Serverless")

    assert details.startswith("ValueError: yyy")
    assert len(details) == DETAILS_LIMIT
