"""Jars of the service's images and of repositories, on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_emrs_ext.local.runners.spark.jars import JarSources
from airflow_emrs_ext.local.runners.spark.submit import SubmitError

ICEBERG = "/usr/share/aws/iceberg/lib/iceberg-spark3-runtime.jar"
JARS = (
    *("iceberg-spark-runtime-3.5_2.12-1.9.2.jar", "iceberg-spark-runtime-3.5_2.12-1.10.2.jar"),
    *("iceberg-spark-runtime-3.5_2.13-1.11.0.jar", "iceberg-spark-runtime-4.0_2.13-1.10.1.jar"),
    *("delta-spark_2.12-3.3.2.jar", "delta-storage-3.3.2.jar", "delta-storage-s3-dynamodb-3.3.2.jar"),
    *("hudi-spark3.5-bundle_2.12-1.0.2.jar", "hudi-spark3.5.x-bundle_2.13-1.0.2.jar", "a-tool.jar"),
)


@pytest.fixture
def jars(tmp_path: Path) -> JarSources:
    for name in JARS:
        (tmp_path / name).touch()
    return JarSources(tmp_path)


def named(sources: JarSources, value: str, line: tuple[int, int] = (3, 5), name: str = "spark.jars") -> list[str]:
    found = sources.resolved({name: value}, line)[name]
    return [Path(entry).name for entry in found.split("," if name == "spark.jars" else ":")]


@pytest.mark.parametrize("spelling", [ICEBERG, f"local://{ICEBERG}", f"local:{ICEBERG}"])
def test_the_newest_for_the_line_of_spark(jars: JarSources, spelling: str) -> None:
    assert named(jars, spelling) == ["iceberg-spark-runtime-3.5_2.12-1.10.2.jar"]
    assert named(jars, spelling, (4, 0)) == ["iceberg-spark-runtime-4.0_2.13-1.10.1.jar"]


def test_several_and_those_of_the_job(jars: JarSources) -> None:
    delta = "/usr/share/aws/delta/lib/delta-"
    listed = f"{delta}spark.jar, {delta}storage.jar,s3://b/own.jar,/usr/lib/hudi/hudi-spark-bundle.jar"
    assert named(jars, listed) == [
        *("delta-spark_2.12-3.3.2.jar", "delta-storage-3.3.2.jar", "own.jar", "hudi-spark3.5-bundle_2.12-1.0.2.jar")
    ]
    assert named(jars, f"/x/*:{ICEBERG}", name="spark.driver.extraClassPath") == [
        *("*", "iceberg-spark-runtime-3.5_2.12-1.10.2.jar")
    ]
    assert named(jars, "/usr/lib/a/a-tool.jar") == ["a-tool.jar"]


def test_one_that_is_not_here(jars: JarSources, tmp_path: Path) -> None:
    kinesis = "/usr/share/aws/kinesis/spark-sql-kinesis/lib/spark-streaming-sql-kinesis-connector.jar"
    with pytest.raises(SubmitError, match=f"put spark-streaming-sql-kinesis-connector_2.12-.* into {tmp_path}"):
        jars.resolved({"spark.jars": kinesis}, (3, 5))
    with pytest.raises(SubmitError, match=r"put iceberg-spark-runtime-4\.1_2\.13-\*\.jar into a folder .*--jars-dir"):
        JarSources().resolved({"spark.jars": ICEBERG}, (4, 1))


def test_packages_need_a_repository() -> None:
    packages = {"spark.jars.packages": "org.x:y:1"}
    with pytest.raises(SubmitError, match=r"--packages org\.x:y:1: no Maven repository is named\. .*--repository"):
        JarSources().resolved(packages, (3, 5))
    of_job = JarSources(repositories=["file:///b"]).resolved(
        {**packages, "spark.jars.repositories": "file:///a"}, (3, 5)
    )
    assert of_job["spark.jars.repositories"] == "file:///a,file:///b"
    assert of_job["spark.jars.ivy"].endswith("/airflow-emrs-ext/ivy")
    settings = {**packages, "spark.jars.ivySettings": "/x.xml", "spark.jars.ivy": "/ivy"}
    assert JarSources().resolved(settings, (3, 5)) == settings
