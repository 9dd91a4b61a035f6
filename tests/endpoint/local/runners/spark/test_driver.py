"""The command line and the files of a driver."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_emrs_ext.local.runners.spark.driver import Driver, Machine, build
from airflow_emrs_ext.local.runners.spark.filesystem import named_buckets, s3_properties
from airflow_emrs_ext.local.runners.spark.java import SparkRuntime
from airflow_emrs_ext.local.runners.spark.submit import Settings
from tests.endpoint.local.runners.spark.specs import spark_submit, spec


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    runtime = SparkRuntime(Path("/java/bin/java"), 21, Path("/spark"), "4.1.4", Path("/python"))
    return Machine(runtime, 1024, "/cache/a.jsa:/cache/b.jsa", "http://127.0.0.1:4568", tmp_path)


def built(machine: Machine, tmp_path: Path, main_class: str | None = None, **changes: dict[str, str]) -> Driver:
    settings = Settings(**{"properties": {}, "environ": {"A": "b"}, "log4j": {}, "notes": [], **changes})
    arguments = ["s3://code/job.py", "one"]
    return build(machine, spec(tmp_path, spark_submit()), arguments, settings, main_class=main_class)


def properties(tmp_path: Path) -> dict[str, str]:
    lines = (tmp_path / "spark.properties").read_text().splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_the_machine_decides_what_belongs_to_it(machine: Machine, tmp_path: Path) -> None:
    asked = {"spark.master": "yarn", "spark.ui.port": "1", "spark.hadoop.fs.s3.impl": "x"}
    driver = built(machine, tmp_path, properties=asked)
    found = properties(tmp_path)

    assert found["spark.master"] == "local[2]"
    assert found["spark.ui.port"] == str(driver.ui_port) != "1"
    assert found["spark.hadoop.fs.s3.impl"].endswith("ViewFileSystemOverloadScheme")
    assert found["spark.test.appId"] == "00job-1"


def test_secrets_are_in_a_private_file_and_not_on_the_command_line(machine: Machine, tmp_path: Path) -> None:
    driver = built(machine, tmp_path, properties={"spark.hadoop.x.password": "geheim"})

    assert not [word for word in driver.command if "geheim" in word]
    assert properties(tmp_path)["spark.hadoop.x.password"] == "geheim"
    assert (tmp_path / "spark.properties").stat().st_mode & 0o077 == 0


def test_the_command(machine: Machine, tmp_path: Path) -> None:
    driver = built(
        machine,
        tmp_path,
        main_class="org.example.Main",
        properties={"spark.driver.extraJavaOptions": "-Da='b c' -Dd=e", "spark.driver.extraClassPath": "/x.jar"},
        log4j={"rootLogger.level": "error"},
    )
    command = list(driver.command)

    assert command[:3] == ["/java/bin/java", "-cp", "/spark/jars/*:/x.jar"]
    assert "-Xmx1024m" in command
    assert "-XX:SharedArchiveFile=/cache/a.jsa:/cache/b.jsa" in command
    assert [word for word in command if word.startswith(("-Da", "-Dd="))] == ["-Da=b c", "-Dd=e"]
    assert command[-4:] == ["--class", "org.example.Main", "s3://code/job.py", "one"]
    assert driver.environ["A"] == "b"
    assert driver.environ["SPARK_LOCAL_IP"] == "127.0.0.1"
    assert "rootLogger.level=error" in (tmp_path / "log4j2.properties").read_text()
    assert any(word == f"-Dlog4j2.configurationFile={(tmp_path / 'log4j2.properties').as_uri()}" for word in command)


SPARK_S = "classpath:org/apache/spark/log4j2-defaults.properties"


@pytest.mark.parametrize(
    ("executor_logs", "log4j", "properties", "files"),
    [
        (None, {}, {}, []),
        (None, {"rootLogger.level": "error"}, {}, ["log4j2.properties"]),
        ("SPARK_EXECUTOR/1", {}, {}, [SPARK_S, "log4j2-executor.properties"]),
        ("SPARK_EXECUTOR/1", {"a": "b"}, {}, ["log4j2.properties", "log4j2-executor.properties"]),
        ("SPARK_EXECUTOR/1", {}, {"spark.driver.extraClassPath": "/x"}, []),
        ("SPARK_EXECUTOR/1", {}, {"spark.driver.extraJavaOptions": "-Dlog4j.configurationFile=x.xml"}, []),
    ],
)
def test_the_configurations_of_log4j(
    machine: Machine,
    tmp_path: Path,
    executor_logs: str | None,
    log4j: dict[str, str],
    properties: dict[str, str],
    files: list[str],
) -> None:
    settings = Settings(properties=properties, environ={}, log4j=log4j, notes=[])
    attempt = spec(tmp_path, spark_submit(), executor_logs=executor_logs)
    command = build(machine, attempt, ["s3://code/job.py"], settings, main_class=None).command

    option = "-Dlog4j2.configurationFile="
    given = [word.removeprefix(option) for word in command if word.startswith(option)]
    expected = [name if name == SPARK_S else (tmp_path / name).as_uri() for name in files]
    assert given == ([",".join(expected)] if expected else [])


def test_a_collector_that_the_job_chooses_is_the_only_one(machine: Machine, tmp_path: Path) -> None:
    chosen = built(machine, tmp_path, properties={"spark.driver.extraJavaOptions": "-XX:+UseG1GC"})
    default = built(machine, tmp_path)

    assert [word for word in chosen.command if "GC" in word] == ["-XX:+UseG1GC"]
    assert [word for word in default.command if "GC" in word] == ["-XX:+UseSerialGC"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a\\b", "a\\\\b"),
        (" leading", "\\ leading"),
        ("two\nlines", "two\\nlines"),
        ("Zürich", "Z\\u00fcrich"),
        ("😀", "\\ud83d\\ude00"),
        ("a=b:c#d!", "a=b:c#d!"),
    ],
)
def test_values_are_written_as_java_reads_them(machine: Machine, tmp_path: Path, value: str, written: str) -> None:
    built(machine, tmp_path, properties={"spark.a": value})

    assert properties(tmp_path)["spark.a"] == written


def test_every_bucket_that_the_job_names_is_mounted(tmp_path: Path) -> None:
    driver = spark_submit(
        "s3://code.bucket/job.py", "--py-files s3a://libs/x.zip,s3n://more/y.zip", "s3://in-1/a", "s3://"
    )
    attempt = spec(tmp_path, driver, classifications={"hive-site": {"hive.exec.scratchdir": "s3://scratch/x"}})
    buckets = named_buckets(attempt)

    assert buckets == ["code.bucket", "in-1", "libs", "more", "scratch"]
    mounts = s3_properties("http://127.0.0.1:4568", buckets, (4, 1))
    assert mounts["spark.hadoop.fs.viewfs.mounttable.in-1.linkFallback"] == "webhdfs://127.0.0.1:4568/in-1"


def test_blanks_around_a_value_are_kept_and_a_secret_is_not_shown(machine: Machine, tmp_path: Path) -> None:
    padded = {"spark.a": " b ", "spark.x.password": "geheim "}
    command = list(built(machine, tmp_path, properties=padded).command)

    assert command[command.index("--conf") + 1] == "spark.a= b "
    assert not [word for word in command if "geheim" in word]
