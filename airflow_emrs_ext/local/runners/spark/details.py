"""Finds the one line in a driver's logs that says why it failed."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from airflow_emrs_ext.local.base.lifecycle import shorten

_TAIL_BYTES = 256 * 1024
_TRACEBACK = "Traceback (most recent call last):"
# The line that ends a Python traceback: not indented, a dotted name, and for most a message.
_PYTHON_ERROR = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?::\s?(?P<message>.*))?$")
_JAVA_ERROR = re.compile(
    r"^(?:Caused by:|: |Exception in thread \"[^\"]*\") ?(?P<name>[\w.$]+)(?::\s?(?P<message>.*))?$"
)
_SUBMIT_ERROR = re.compile(
    r"^(?:Error:|.*\bERROR (?:SparkSubmit|SparkSQLDriver|SparkSQLCLIDriver)\b:) ?(?P<message>.+)$"
)
_SQL_ERROR = re.compile(r"^(?:Error in query: )?(?P<message>\[[A-Z][A-Z_.]+\] .+)$")
_NO_MODULE = re.compile(r"^ModuleNotFoundError: No module named '(?P<module>[^']+)'")
# A bucket that does not exist when it is first used, and that neither the job nor S3 has named before.
_NO_BUCKET = re.compile(r"Could not initialize target File System for URI : s3[an]?://(?P<bucket>[^/]+)")
_ACCESS_DENIED = ("AccessControlException", "AccessDenied", "Access Denied")
# These only report that something else went wrong.
_WRAPPERS = ("SparkUserAppException", "SparkException: Job aborted", "Py4JJavaError", "PythonException")


def failure_details(status: int, stdout: Path, stderr: Path, product: str) -> str:
    """The last meaningful error line of a driver that failed, short enough for ``stateDetails``.

    :param status: exit status of the driver, 128 + n after signal n
    :param stdout: its standard output, where PySpark's tracebacks are
    :param stderr: its standard error, where the Java virtual machine's are
    :param product: the service's name for people, e.g. ``EMR Serverless``
    """
    out, err = _tail(stdout), _tail(stderr)
    line = (
        _python_error(out)
        or _python_error(err)
        or _last_message(_SQL_ERROR, err)
        or _java_error(err)
        or _last_message(_SUBMIT_ERROR, err)
    )
    return shorten(_known(line, product) if line else _exit_status(status, out))


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _python_error(lines: list[str]) -> str | None:
    starts = [number for number, line in enumerate(lines) if line.rstrip().endswith(_TRACEBACK)]
    if not starts:
        return None
    found = None
    for number in range(starts[-1] + 1, len(lines)):
        match = _PYTHON_ERROR.match(lines[number])
        if match and not lines[number].startswith((" ", "\t")):
            found = lines[number]
            break
    if found is None:
        return None
    if any(wrapper in found for wrapper in _WRAPPERS):
        # The cause is in the Java part below the Python line.
        return _java_error(lines[starts[-1] :]) or found
    # An exception of PySpark's: the class that was raised in Java says nothing that the message does not.
    return re.sub(r"^pyspark\.errors\.exceptions\.\w+\.", "", found)


def _java_error(lines: list[str]) -> str | None:
    errors = [match for line in lines if (match := _JAVA_ERROR.match(line.rstrip()))]
    for match in reversed(errors):
        text = match.group(0)
        if not any(wrapper in text for wrapper in _WRAPPERS):
            message = match.group("message")
            return f"{match.group('name')}: {message}" if message else match.group("name")
    return None


def _last_message(pattern: re.Pattern[str], lines: list[str]) -> str | None:
    return next((match["message"] for line in reversed(lines) if (match := pattern.match(line))), None)


def _known(line: str, product: str) -> str:
    module = _NO_MODULE.match(line)
    if module:
        return (
            f"ModuleNotFoundError: No module named '{module.group('module')}'. Please refer to the user guide "
            f"on how to use python libraries with {product}."
        )
    bucket = _NO_BUCKET.search(line)
    if bucket:
        return f"The bucket {bucket.group('bucket')} does not exist"
    if any(mark in line for mark in _ACCESS_DENIED):
        return (
            "S3 access is denied. Please check S3 access permissions of the job runtime role on the required "
            f"S3 resources. {line}"
        )
    return line


def _exit_status(status: int, stdout: list[str]) -> str:
    # 255 is no signal: Java's System.exit(-1).
    if 128 < status < 128 + signal.NSIG:
        return f"The driver was ended by signal {status - 128}"
    last = next((line for line in reversed(stdout) if line.strip()), None)
    return f"The driver exited with status {status}" + (f"; its last line of output: {last}" if last else "")
