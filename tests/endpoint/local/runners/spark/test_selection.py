"""Which Spark a driver of a release runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_emrs_ext.local.base.releases import software_of
from airflow_emrs_ext.local.runners.spark.java import SparkRuntime
from airflow_emrs_ext.local.runners.spark.selection import Selection, select
from airflow_emrs_ext.local.runners.spark.submit import SubmitError


@pytest.fixture
def sparks(tmp_path: Path) -> dict[str, SparkRuntime]:
    found = {}
    for version, java, has_connect in (("3.5.6", 17, False), ("4.0.2", 17, True), ("4.1.4", 21, True)):
        home = tmp_path / version / "lib" / "python3.11" / "site-packages" / "pyspark"
        (home / "jars").mkdir(parents=True)
        if has_connect:
            (home / "jars" / f"spark-connect_2.13-{version}.jar").touch()
        found[version] = SparkRuntime(Path("/java"), java, home, version, Path("/python"))
    return found


def chosen(sparks: dict[str, SparkRuntime], label: str, *installed: str, for_connect: bool = False) -> Selection:
    others = [sparks[version] for version in installed]
    return select(label, software_of(label), sparks["4.1.4"], others, for_connect=for_connect)


@pytest.mark.parametrize(
    ("label", "installed", "version", "for_connect"),
    [
        ("emr-7.9.0", ["3.5.6", "4.0.2"], "3.5.6", False),
        ("emr-7.9.0", ["4.0.2"], "4.0.2", False),
        ("emr-7.9.0", [], "4.1.4", False),
        ("emr-7.13.0", ["3.5.6"], "4.1.4", True),
        ("emr-7.13.0", ["3.5.6", "4.0.2"], "4.0.2", True),
        ("emr-6.15.0", ["3.5.6", "4.0.2"], "3.5.6", False),
        ("emr-spark-8.0.0", ["3.5.6"], "4.1.4", False),
        ("emr-spark-8.0.0", ["3.5.6", "4.0.2"], "4.0.2", False),
        ("emr-spark-8.1.0", ["3.5.6", "4.0.2"], "4.1.4", False),
    ],
)
def test_the_release_s_own_or_the_nearest(
    sparks: dict[str, SparkRuntime], label: str, installed: list[str], version: str, for_connect: bool
) -> None:
    assert chosen(sparks, label, *installed, for_connect=for_connect).runtime == sparks[version]


def test_settings_stand_in_for_spark_3_on_spark_4_only(sparks: dict[str, SparkRuntime]) -> None:
    assert chosen(sparks, "emr-7.9.0").defaults["spark.sql.ansi.enabled"] == "false"
    assert "spark.sql.ansi.enabled" not in chosen(sparks, "emr-7.9.0", "3.5.6").defaults
    assert chosen(sparks, "emr-spark-8.0.0").defaults == {}


def test_what_is_said(sparks: dict[str, SparkRuntime]) -> None:
    own = chosen(sparks, "emr-7.9.0", "3.5.6")
    assert own.note == (
        "emr-7.9.0 has Spark 3.5.5, Python 3.9 and Java 17; this runs on Spark 3.5.6, Python 3.11 and Java 17"
    )
    assert own.stand_in == ""
    other = chosen(sparks, "emr-7.9.0")
    assert other.stand_in == (
        "Ran on Spark 4.1.4, not 3.5.5 as in emr-7.9.0: `emrs-local runtimes install 3.5` brings Spark 3.5.6."
    )
    assert "settings as in Spark 3.5: results may differ from the release's. `emrs-local" in other.note
    session = chosen(sparks, "emr-7.13.0", "3.5.6", for_connect=True)
    assert session.note.endswith("No package has a Spark Connect server of Spark 3.5")
    assert chosen(sparks, "emr-7.13.0", for_connect=True).note == session.note
    assert "no package brings Spark 3.4" in chosen(sparks, "emr-6.15.0").stand_in
    assert "a guess: it is newer than this package" in chosen(sparks, "emr-7.30.0").note


def test_one_for_all_that_has_no_connect_server(sparks: dict[str, SparkRuntime]) -> None:
    with pytest.raises(SubmitError, match=r"Spark 3\.5\.6 of --runtime has no Spark Connect server"):
        select("emr-7.13.0", software_of("emr-7.13.0"), sparks["3.5.6"], (), for_connect=True)
