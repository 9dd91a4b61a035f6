"""The command ``emrs-local runtimes``: the Sparks that releases have, on this machine."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from airflow_emrs_ext.local.base.releases import RELEASES_OF, Software, software_of
from airflow_emrs_ext.local.runners.spark.java import MissingRuntime, SparkRuntime, find_runtime, line_of
from airflow_emrs_ext.local.runners.spark.runtimes import (
    LINES,
    find_python,
    install,
    installed,
    remove,
    runtimes_dir,
    size_mb,
    text_of,
)

_COLUMNS = "{:<7} {:<7} {:<5} {:<39} {}"


def main(arguments: Sequence[str]) -> int:
    """List, install or remove the Sparks of releases.

    :param arguments: those after ``emrs-local runtimes``
    :return: the exit status
    """
    parser = argparse.ArgumentParser(
        prog="emrs-local runtimes",
        description="The versions of Spark that releases have: job runs use the one of their release label.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("list", help="what there is (the default)")
    installing = commands.add_parser("install", help="install the Spark of a release from packages")
    installing.add_argument(
        "line", type=_line, metavar="VERSION", help="a line of Spark such as 3.5, or a release label"
    )
    installing.add_argument("--python", type=Path, help="its Python; default: the release's version if it is found")
    removing = commands.add_parser("remove", help="remove it again")
    removing.add_argument("line", type=_line, metavar="VERSION", help="a line of Spark such as 3.5, or a release label")
    parsed = parser.parse_args(arguments)
    try:
        if parsed.command == "install":
            _install(parsed.line, parsed.python)
        elif parsed.command == "remove":
            was_there = remove(parsed.line)
            print(f"Spark {text_of(parsed.line)} {'is removed' if was_there else 'was not installed'}")
        else:
            _list()
    except MissingRuntime as error:
        print(f"emrs-local: {error}", file=sys.stderr)
        return 1
    return 0


def _install(line: tuple[int, int], python: Path | None) -> None:
    there = next((runtime for runtime in installed() if runtime.line == line), None)
    if there is not None:
        # Drivers may run on it.
        print(f"{_described(there)} is installed; `emrs-local runtimes remove {text_of(line)}` before another")
        return
    preferred = _python_of(line)
    minors = [preferred, *(minor for minor in reversed(LINES[line].pythons) if minor != preferred)]
    chosen = python or find_python(minors)
    if chosen is None:
        raise MissingRuntime(
            f"Spark {LINES[line].spark} runs on Python {', '.join(LINES[line].pythons)}, and none of them is on the"
            " PATH with its venv module: install one, or name it with --python"
        )
    began = time.monotonic()
    runtime = install(line, chosen, lambda step: _say(began, step), progress=sys.stderr.isatty())
    _say(began, f"done: {_described(runtime)}, {size_mb(runtime)} MB in {runtime.python.parent.parent}")
    if runtime.python_minor != preferred:
        print(
            f"The releases have Python {preferred}, which is not on the PATH; jobs run on {runtime.python_minor}.",
            file=sys.stderr,
        )


def _list() -> None:
    own = find_runtime()
    there = {runtime.line: runtime for runtime in installed()}
    print(_COLUMNS.format("Spark", "Python", "Java", "Releases", "Where"))
    for line, releases in RELEASES_OF.items():
        runtime = own if own.line == line else there.get(line)
        if runtime is not None:
            where = "the environment of emrs-local" if runtime is own else str(runtime.python.parent.parent)
            facts = (runtime.spark_version, runtime.python_minor, str(runtime.java_version))
        else:
            remedy = f"emrs-local runtimes install {text_of(line)}" if line in LINES else "no package has it"
            where, facts = f"not installed: {remedy}", (text_of(line), "", "")
        print(_COLUMNS.format(*facts, releases, where))
    print(f"\nInstalled ones are in {runtimes_dir()}.")


def _line(text: str) -> tuple[int, int]:
    try:
        line = line_of(software_of(text).spark if text.startswith("emr-") else text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no line of Spark such as 3.5, and no release label") from None
    if line not in LINES:
        own = find_runtime()
        there = f"; Spark {text_of(line)} is the one of this environment" if own.line == line else ""
        raise argparse.ArgumentTypeError(f"can be installed: Spark {', '.join(map(text_of, LINES))}{there}")
    return line


def _python_of(line: tuple[int, int]) -> str:
    """The Python of the newest release with a line of Spark."""
    return next(software for software in _newest_first() if line_of(software.spark) == line).python


def _newest_first() -> list[Software]:
    labels = [f"emr-spark-8.{minor}.0" for minor in range(20, -1, -1)]
    labels += [f"emr-7.{minor}.0" for minor in range(20, -1, -1)]
    return [software for label in labels if (software := software_of(label)).is_known]


def _described(runtime: SparkRuntime) -> str:
    return f"Spark {runtime.spark_version}, Python {runtime.python_minor}, Java {runtime.java_version}"


def _say(began: float, step: str) -> None:
    print(f"[{time.monotonic() - began:4.0f} s] {step}", file=sys.stderr, flush=True)
