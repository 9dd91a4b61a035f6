"""What of a driver's log matters: the Python traceback, or the chain of Java's exceptions, and where it began."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

_MOST_LINES = 60
_LAST_LINES = 20
_LONGEST_LINE = 600
# Frames of a Java stack trace that are kept of each exception in the chain.
_FRAMES = 2

_TRACEBACK = "Traceback (most recent call last):"
_CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_PYTHON_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?')
# The line that ends a traceback: not indented, a dotted name, and for most a message.
_PYTHON_ERROR = re.compile(r"^(?P<module>(?:\w+\.)*)(?P<name>[A-Za-z_]\w*)(?::\s?(?P<message>.*))?$")
# One that has no traceback, because the script was not even begun.
_SYNTAX_ERROR = re.compile(r"^(SyntaxError|IndentationError|TabError): ")
# Files that are not the user's: Python's and Spark's own, and installed packages.
_FOREIGN = re.compile(r"(site|dist)-packages/|/lib(64)?/python\d|/pyspark(\.zip)?/|py4j|^<|/usr/lib/spark/")

_JAVA_ERROR = re.compile(
    r"^(?:Exception in thread \"[^\"]*\" |Caused by: |: )(?P<name>(?:[\w$]+\.)+[\w$]+)(?::\s?(?P<message>.*))?$"
)
_JAVA_FRAME = re.compile(r"^\s+at (?P<method>[\w$.<>/@-]+)\((?P<file>[^:()]+)(?::(?P<line>\d+))?\)")
_FOREIGN_JAVA = re.compile(
    r"^(?:[\w.]+/)?(?:java|javax|jdk|sun|scala|com\.sun|org\.apache|py4j|com\.amazonaws|software\.amazon|com\.amazon)\."
)
_SUBMIT_ERROR = re.compile(r"^(?:Error:|Error in query:|.*\bERROR (?:SparkSubmit|SparkSQL\w*Driver)\b:) ?(?P<said>.+)$")
_SQL_ERROR = re.compile(r"^(?P<said>\[[A-Z][A-Z_0-9.]+\] .+|FAILED: \w*(?:Exception|Error)\b.*)$")
# These only report that something else went wrong.
_WRAPPERS = ("SparkUserAppException", "Py4JJavaError", "PythonException", "Job aborted", "Writing job aborted")


@dataclass(frozen=True)
class Cause:
    """Why a driver failed.

    :param exception: the line that says it
    :param place: where in the user's own code, e.g. ``job.py, line 5, in main``; empty if it is not there
    :param lines: what of the log shows it
    :param stream: of which log
    """

    exception: str
    place: str
    lines: tuple[str, ...]
    stream: str = "stdout"


def cause_in(stdout: str, stderr: str) -> Cause | None:
    """The exception that a driver's log ends with; ``None``: there is none.

    :param stdout: where PySpark's tracebacks are
    :param stderr: where those of the Java virtual machine are
    """
    texts = {"stdout": stdout.splitlines(), "stderr": stderr.splitlines()}
    looks = (
        (_python, "stdout"),
        (_python, "stderr"),
        (_java, "stderr"),
        (_java, "stdout"),
        (_said, "stderr"),
        (_said, "stdout"),
    )
    for look, stream in looks:
        if cause := look(texts[stream]):
            return replace(cause, stream=stream)
    return None


def last_lines(text: str, most: int = _LAST_LINES) -> tuple[str, ...]:
    """The end of a log, where nothing in it says what matters."""
    return _shown([line for line in text.splitlines() if line.strip()][-most:])


def _python(lines: Sequence[str]) -> Cause | None:
    starts = [number for number, line in enumerate(lines) if line.rstrip().endswith(_TRACEBACK)]
    if not starts:
        return _syntax(lines)
    begin, last = _first_of_chain(lines, starts), starts[-1]
    end = next((n for n in range(last + 1, len(lines)) if _is_end(lines[n])), None)
    if end is None:
        return None
    match = _PYTHON_ERROR.match(lines[end])
    assert match
    message, rest = match.group("message") or "", lines[end + 1 :]
    if not message and rest and rest[0][:1].isspace() and not _JAVA_FRAME.match(rest[0]):
        message = rest[0].strip()  # PySpark begins some messages on the next line
    # Classes of exceptions are told by their own names, as Python does with its own.
    exception = f"{match.group('name')}: {message}" if message else match.group("name")
    place = _python_place(lines[last:end]) or _python_place(lines[begin:end])
    java = _java(lines[end:])
    if java and any(wrapper in lines[end] for wrapper in _WRAPPERS):
        exception, place = java.exception, place or java.place
    tail = java.lines if java else _message_lines(rest)
    head = _within(lines[begin : end + 1], _MOST_LINES - len(tail))
    return Cause(_cut(exception), place, _shown([*head, *tail]))


def _first_of_chain(lines: Sequence[str], starts: Sequence[int]) -> int:
    """Where the first traceback is of those that Python says led to the last."""
    begin = starts[-1]
    for start, following in zip(reversed(starts[:-1]), reversed(starts[1:]), strict=True):
        if following != begin or not any(line.strip() in _CHAINED for line in lines[start:following]):
            break
        begin = start
    return begin


def _is_end(line: str) -> bool:
    return bool(line) and not line[0].isspace() and _PYTHON_ERROR.match(line) is not None


def _syntax(lines: Sequence[str]) -> Cause | None:
    for number in range(len(lines) - 1, -1, -1):
        if _SYNTAX_ERROR.match(lines[number]):
            begin = next((n for n in range(number, max(-1, number - 6), -1) if _PYTHON_FRAME.match(lines[n])), number)
            shown = lines[begin : number + 1]
            return Cause(_cut(lines[number]), _python_place(shown), _shown(shown))
    return None


def _message_lines(rest: Sequence[str]) -> list[str]:
    """What goes on of a message of several lines, up to what something else has printed."""
    kept: list[str] = []
    for line in rest[:10]:
        if not line.strip() or re.match(r"^(\d\d/\d\d/\d\d|\d{4}-\d\d-\d\d)|^JVM stacktrace", line):
            break
        kept.append(line)
    return kept


def _python_place(lines: Sequence[str]) -> str:
    """The innermost frame of the user's own code."""
    for line in reversed(lines):
        frame = _PYTHON_FRAME.match(line)
        if frame and not _FOREIGN.search(frame.group("file")):
            function = frame.group("function")
            inside = f", in {function}" if function and function != "<module>" else ""
            return f"{frame.group('file').rpartition('/')[2]}, line {frame.group('line')}{inside}"
    return ""


def _java(lines: Sequence[str]) -> Cause | None:
    found = [(number, match) for number, line in enumerate(lines) if (match := _JAVA_ERROR.match(line.rstrip()))]
    if not found:
        return None
    # Of several stack traces the last one counts, of its chain the exception that caused the others.
    heads = [number for number, match in found if not match.group(0).startswith("Caused by")]
    begin = heads[-1] if heads else found[0][0]
    chain = [(number, match) for number, match in found if number >= begin]
    telling = [one for one in chain if not any(wrapper in one[1].group(0) for wrapper in _WRAPPERS)]
    if not telling:
        return None
    root, match = telling[-1]
    name, message = match.group("name", "message")
    shown: list[str] = []
    for number, _ in chain:
        shown.append(lines[number])
        frames = [line for line in lines[number + 1 : number + 40] if _JAVA_FRAME.match(line)]
        shown += frames[:_FRAMES]
    exception = f"{name}: {message}" if message else name
    return Cause(_cut(exception), _java_place(lines[root:]) or _java_place(lines[begin:]), _shown(shown))


def _java_place(lines: Sequence[str]) -> str:
    for line in lines:
        frame = _JAVA_FRAME.match(line)
        if frame and frame.group("line") and not _FOREIGN_JAVA.match(frame.group("method")):
            return f"{frame.group('file')}, line {frame.group('line')}"
    return ""


def _said(lines: Sequence[str]) -> Cause | None:
    for line in reversed(lines):
        match = _SUBMIT_ERROR.match(line) or _SQL_ERROR.match(line)
        if match:
            return Cause(_cut(match.group("said")), "", _shown([line]))
    return None


def _within(lines: Sequence[str], most: int) -> list[str]:
    """Lines without their middle, if they are more than so many."""
    most = max(most, 10)
    if len(lines) <= most:
        return list(lines)
    return [*lines[: most // 3], "  …", *lines[-(most - most // 3) :]]


def _shown(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(_cut(line.rstrip()) for line in _within(lines, _MOST_LINES))


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
