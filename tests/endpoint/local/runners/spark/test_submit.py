"""What a job driver and its configuration become."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_emrs_ext.local.base.runner import Workers, WorkerSize
from airflow_emrs_ext.local.runners.spark.java import SparkRuntime
from airflow_emrs_ext.local.runners.spark.submit import MAX_SLOTS, SubmitError, parse_parameters, plan, slots
from tests.endpoint.local.runners.spark.specs import spark_submit, spec

SPARK = SparkRuntime(Path("/java/bin/java"), 21, Path("/spark"), "4.1.4", Path(sys.executable))


def test_parameters_are_read_as_a_shell_would() -> None:
    parsed = parse_parameters(
        """--class org.example.Main --conf spark.a='b c' -c "spark.d=e=f" --conf=spark.g=h
        --jars s3://b/a.jar,s3://b/b.jar --py-files s3://b/x.zip --files s3://b/f --archives s3://b/e.tgz#environment
        --name 'a name' --verbose --driver-java-options "-Da=b -Dc=d" --driver-class-path /x.jar
        """
    )

    assert parsed.main_class == "org.example.Main"
    assert parsed.properties == {
        "spark.a": "b c",
        "spark.d": "e=f",
        "spark.g": "h",
        "spark.jars": "s3://b/a.jar,s3://b/b.jar",
        "spark.submit.pyFiles": "s3://b/x.zip",
        "spark.files": "s3://b/f",
        "spark.archives": "s3://b/e.tgz#environment",
        "spark.app.name": "a name",
        "spark.driver.extraJavaOptions": "-Da=b -Dc=d",
        "spark.driver.extraClassPath": "/x.jar",
    }


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("--conf 'spark.a=b", "No closing quotation"),
        ("--no-such-option x", "unknown option --no-such-option"),
        ("--conf spark.a", "--conf needs property=value, not spark.a"),
        ("--conf =x", "--conf needs property=value"),
        ("--conf", "--conf needs a value"),
        ("--conf spark.remote=sc://x", r"spark\.remote is not available: the service chooses"),
        ("--properties-file x", "--properties-file is not available.*spark-defaults"),
        ("--kill 1", "--kill is not available: use CancelJobRun"),
        ("stray", "unexpected argument stray.*entryPointArguments"),
    ],
)
def test_bad_parameters_are_named_with_the_remedy(tmp_path: Path, parameters: str, message: str) -> None:
    with pytest.raises(SubmitError, match=message):
        plan(spec(tmp_path, spark_submit(parameters=parameters)), SPARK)


def planned(tmp_path: Path, parameters: str = "", entry_point: str = "s3://code/job.py", **changes: Any) -> Any:
    return plan(spec(tmp_path, spark_submit(entry_point, parameters, "one", "two"), **changes), SPARK)


def test_parameters_outrank_configuration_and_configuration_the_defaults(tmp_path: Path) -> None:
    defaults = {"spark.a": "configured", "spark.b": "configured", "spark.sql.shuffle.partitions": "7"}
    submission = planned(tmp_path, "--conf spark.a=parameter", classifications={"spark-defaults": defaults})

    assert submission.properties["spark.a"] == "parameter"
    assert submission.properties["spark.b"] == "configured"
    assert submission.properties["spark.sql.shuffle.partitions"] == "7"
    assert planned(tmp_path).properties["spark.sql.shuffle.partitions"] == "2"
    assert submission.properties["spark.app.name"] == "a-job"
    assert submission.arguments == ["one", "two"]


def test_sizes_are_taken_without_a_word_and_what_the_endpoint_decides_with_a_note(tmp_path: Path) -> None:
    submission = planned(
        tmp_path,
        "--master yarn --deploy-mode cluster --executor-memory 100g --num-executors 50 --driver-cores 9 "
        "--conf spark.dynamicAllocation.enabled=true --conf spark.emr-serverless.driver.disk=20G "
        "--conf spark.ui.port=1",
    )

    assert not {name for name in submission.properties if "emory" in name or "nstances" in name or "master" in name}
    assert "spark.dynamicAllocation.enabled" not in submission.properties
    assert [note.partition(" ")[0] for note in submission.notes] == [
        "spark.master=yarn",
        "spark.submit.deployMode=cluster",
        "spark.ui.port=1",
    ]


def test_environment_variables_of_driver_and_executors_reach_the_process(tmp_path: Path) -> None:
    submission = planned(
        tmp_path,
        "--conf spark.emr-serverless.driverEnv.A=driver --conf spark.executorEnv.A=executor "
        "--conf spark.executorEnv.B=b",
        classifications={"spark-env.export": {"C": "c"}},
    )

    assert submission.environ == {
        "A": "driver",
        "B": "b",
        "C": "c",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }


def test_a_python_of_the_service_that_is_not_here_is_replaced_and_one_in_an_archive_is_not(tmp_path: Path) -> None:
    missing = planned(tmp_path, "--conf spark.emr-serverless.driverEnv.PYSPARK_PYTHON=/usr/local/bin/python3.99")
    packed = planned(tmp_path, "--conf spark.emr-serverless.driverEnv.PYSPARK_PYTHON=./environment/bin/python")

    assert missing.environ["PYSPARK_PYTHON"] == sys.executable
    assert any("python3.99 is not on this machine" in note for note in missing.notes)
    assert packed.environ["PYSPARK_PYTHON"] == packed.environ["PYSPARK_DRIVER_PYTHON"] == "./environment/bin/python"


def test_java_home_of_the_service_is_ignored(tmp_path: Path) -> None:
    submission = planned(
        tmp_path, "--conf spark.emr-serverless.driverEnv.JAVA_HOME=/usr/lib/jvm/java-17-amazon-corretto"
    )

    assert "JAVA_HOME" not in submission.environ
    assert any(note.startswith("JAVA_HOME=") for note in submission.notes)


def test_hadoop_and_logging_classifications_are_honoured(tmp_path: Path) -> None:
    classifications = {
        "core-site": {"fs.x": "y"},
        "hive-site": {"hive.z": "1"},
        "spark-driver-log4j2": {"rootLogger.level": "error"},
    }
    submission = planned(tmp_path, classifications=classifications)

    assert submission.properties["spark.hadoop.fs.x"] == "y"
    assert submission.properties["spark.hadoop.hive.z"] == "1"
    assert submission.log4j == {"rootLogger.level": "error"}


@pytest.mark.parametrize(
    ("entry_point", "parameters", "becomes", "main_class"),
    [
        ("s3://b/job.py", "", "s3://b/job.py", None),
        ("s3a://b/a b/job.jar", "--class A", "s3a://b/a b/job.jar", "A"),
        ("/home/x/job.py", "", "/home/x/job.py", None),
        ("file:///home/x/job.py", "", "/home/x/job.py", None),
        (
            "local:///usr/lib/spark/examples/src/main/python/pi.py",
            "",
            "/spark/examples/src/main/python/pi.py",
            None,
        ),
        (
            "/usr/lib/spark/examples/jars/spark-examples.jar",
            "--class org.apache.spark.examples.SparkPi",
            "/spark/examples/src/main/python/pi.py",
            None,
        ),
        (
            "/usr/lib/spark/examples/jars/spark-examples-does-not-exist.jar",
            "--class org.apache.spark.examples.SparkPi",
            "/spark/examples/jars/spark-examples-does-not-exist.jar",
            "org.apache.spark.examples.SparkPi",
        ),
    ],
)
def test_entry_points(tmp_path: Path, entry_point: str, parameters: str, becomes: str, main_class: str | None) -> None:
    submission = planned(tmp_path, parameters, entry_point)

    assert (submission.entry_point, submission.main_class) == (becomes, main_class)


def test_an_entry_point_that_is_neither_python_nor_a_jar_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SubmitError, match=r"entryPoint s3://b/job\.sh is neither"):
        planned(tmp_path, entry_point="s3://b/job.sh")


@pytest.mark.parametrize(("count", "cores", "expected"), [(2, 1, 2), (3, 4, 12), (0, 4, 1), (1000, 16, MAX_SLOTS)])
def test_workers_are_slots(tmp_path: Path, count: int, cores: float, expected: int) -> None:
    workers = Workers(WorkerSize(1, 2, 20), WorkerSize(cores, 2, 20), count)

    assert slots(spec(tmp_path, spark_submit(), workers=workers)) == expected


def test_blanks_are_read_as_spark_submit_reads_them(tmp_path: Path) -> None:
    defaults = {"spark.c": " trimmed "}
    submission = planned(
        tmp_path, "--conf 'spark.a = x' --conf 'spark.b= kept '", classifications={"spark-defaults": defaults}
    )

    assert {name: value for name, value in submission.properties.items() if len(name) < 9} == {
        "spark.b": " kept ",
        "spark.c": "trimmed",
    }
    assert "'spark.a ' does nothing: spark-submit trims no blanks around the equals sign of --conf" in submission.notes
