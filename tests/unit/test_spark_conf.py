"""Fragments of Spark properties: what they refuse, how they merge, and that templates in them are rendered."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from airflow_emrs_ext.application_spec import (
    initial_capacity,
    maximum_capacity,
    monitoring_configuration,
    runtime_configuration,
    workers,
)
from airflow_emrs_ext.aws.request_values import converted
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.job_spec import (
    configuration_overrides,
    execution_iam_policy,
    hive_query,
    spark_submit,
    statement,
)
from airflow_emrs_ext.spark_conf import (
    assume_roles,
    delta,
    driver,
    environment,
    executors,
    glue_catalog,
    hudi,
    iceberg,
    java_home,
    log4j2,
    python_environment,
    s3_access_grants,
    s3_encryption,
    secret,
)

ARN = "arn:aws:iam::aws:policy/"
KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"


def conf(*fragments: Any) -> Any:
    """The properties that a job run is submitted with."""
    return spark_submit("s3://b/j.py", conf=list(fragments))["sparkSubmit"]["sparkSubmitParameters"]["--conf"]


def test_lists_of_several_fragments_are_put_together() -> None:
    found = conf(iceberg("lake"), delta(), hudi(), {"spark.jars": "s3://b/own.jar,/usr/lib/hudi/hudi-spark-bundle.jar"})
    assert found["spark.jars"].split(",") == [
        "/usr/share/aws/iceberg/lib/iceberg-spark3-runtime.jar",
        "/usr/share/aws/delta/lib/delta-spark.jar",
        "/usr/share/aws/delta/lib/delta-storage.jar",
        "/usr/lib/hudi/hudi-spark-bundle.jar",
        "s3://b/own.jar",
    ]
    assert found["spark.sql.extensions"].split(",") == [
        "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "io.delta.sql.DeltaSparkSessionExtension",
    ]


def test_the_same_twice_is_no_conflict() -> None:
    assert conf(glue_catalog(), glue_catalog()) == glue_catalog()
    assert conf({"spark.a": None}, {"spark.a": 1}, {"spark.a": None}) == {"spark.a": "1"}


def test_a_fragment_may_come_from_another_task() -> None:
    """As a template that renders a mapping: it is merged when it is known, and differs with an error then, too."""
    given = conf({"spark.a": 1}, "{{ ti.xcom_pull('before') }}")
    assert given == [{"spark.a": "1"}, "{{ ti.xcom_pull('before') }}"]

    def rendered(text: str) -> str:
        driver = spark_submit("s3://b/j.py", conf=[{"spark.a": 1}, {"{{ var.value.name }}": 2}, "{{ later }}"])
        options = driver["sparkSubmit"]["sparkSubmitParameters"]
        assert options["--conf"][1] == [["{{ var.value.name }}", "2"]]
        options["--conf"] = [options["--conf"][0], [["spark.b", "2"]], text]
        parameters: str = driver.request()["sparkSubmit"]["sparkSubmitParameters"]
        return parameters

    assert rendered("{'spark.c': 3}") == "--conf spark.a=1 --conf spark.b=2 --conf spark.c=3"
    with pytest.raises(ConfigurationError, match=r"'spark\.b' is there twice, as '2' and as 3"):
        rendered("{'spark.b': 3}")


def test_templates_with_commas_are_not_taken_apart() -> None:
    found = conf(iceberg(jar="{{ var.value.get('ice', '/x.jar') }}"), hudi(jar="{{ var.value.get('hudi', '/x.jar') }}"))
    assert found["spark.jars"] == "{{ var.value.get('ice', '/x.jar') }},{{ var.value.get('hudi', '/x.jar') }}"


def test_references_are_kept() -> None:
    """They are found by Airflow where they stand, and put together with other values once they are resolved."""
    reference = Reference()
    assert conf(hudi(jar=reference), delta(jars=reference)) == [hudi(jar=reference), delta(jars=reference)]
    assert s3_access_grants(fall_back_to_iam=reference)["spark.hadoop.fs.s3.s3AccessGrants.fallbackToIAM"] is reference
    assert executors(reference, at_least=reference)["spark.executor.instances"] is reference
    assert environment({"A": reference}, of="driver") == {"spark.emr-serverless.driverEnv.A": reference}


class Reference:
    """What stands for a reference to a task's result."""

    def resolve(self) -> None:
        """Airflow does it."""


def test_the_name_of_deltas_jar_follows_the_release() -> None:
    jars = {
        label: delta(release_label=label)["spark.jars"]
        for label in ("emr-6.15.0", "emr-7.9.0-latest", "emr-spark-8.0.0")
    }
    assert "/delta-core.jar" in jars["emr-6.15.0"]
    assert "/delta-spark.jar" in jars["emr-7.9.0-latest"] == jars["emr-spark-8.0.0"]


def test_each_logger_has_an_identifier_of_its_own() -> None:
    found = log4j2(loggers={"a.b": "info", "a_b": "debug", "{{ params.package }}": "warn"})
    assert [value for name, value in found.items() if name.endswith(".name")] == ["a.b", "a_b", "{{ params.package }}"]
    assert all("{" not in name for name in found)


def test_templates_are_kept() -> None:
    assert driver(cores="{{ var.value.cores }}", memory="{{ var.value.memory }}") == {
        "spark.driver.cores": "{{ var.value.cores }}",
        "spark.driver.memory": "{{ var.value.memory }}",
    }
    assert workers("{{ params.n }}", cpu="{{ params.cpu }}", memory="{{ params.memory }}") == {
        "workerCount": "{{ params.n }}",
        "workerConfiguration": {"cpu": "{{ params.cpu }} vCPU", "memory": "{{ params.memory }} GB"},
    }
    assert python_environment("{{ params.archive }}#venv")["spark.archives"] == "{{ params.archive }}#venv"


def test_sizes_are_checked_with_their_overhead() -> None:
    """27 GB of heap and a tenth of it fit into a worker of 30 GB; 28 GB do not."""
    assert driver(cores=4, memory="27g")["spark.driver.memory"] == "27g"
    assert executors(cores=1, memory="7680m", memory_overhead="512m")["spark.executor.memoryOverhead"] == "512m"
    assert executors(at_most=10, at_least=0) == {
        "spark.executor.cores": "4",
        "spark.executor.memory": "14g",
        "spark.dynamicAllocation.minExecutors": "0",
        "spark.dynamicAllocation.maxExecutors": "10",
    }


def test_classifications_within_others() -> None:
    write = {"spark-env": {"A": 1, "export": {"PYSPARK_PYTHON": "/usr/bin/python3"}}, "empty": {}}
    meant = [
        {
            "classification": "spark-env",
            "properties": {"A": "1"},
            "configurations": [{"classification": "export", "properties": {"PYSPARK_PYTHON": "/usr/bin/python3"}}],
        },
        {"classification": "empty", "properties": {}},
    ]
    assert configuration_overrides(classifications=write) == {"applicationConfiguration": meant}
    assert runtime_configuration(classifications=write) == meant


def test_a_policy_of_statements() -> None:
    read = statement("s3:GetObject", ["arn:aws:s3:::b/*"], sid="Read")
    no_writing = statement(["s3:PutObject", "s3:DeleteObject"], "*", effect="Deny")
    assert execution_iam_policy(read, no_writing, policy_arns="arn:aws:iam::aws:policy/ReadOnlyAccess") == {
        "policy": {
            "Version": "2012-10-17",
            "Statement": [
                {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::b/*"]},
                {"Effect": "Deny", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": "*"},
            ],
        },
        "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    }


def test_a_policy_of_what_templates_render() -> None:
    """The text of a list is a list where a policy takes several."""
    rendered = execution_iam_policy(statement("['s3:Get*', 's3:List*']", "*"), policy_arns=f"['{ARN}A', '{ARN}B']")
    request = converted("emr-serverless", "start_job_run", {"executionIamPolicy": rendered}, {})["executionIamPolicy"]
    assert json.loads(request["policy"])["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}
    ]
    assert request["policyArns"] == [f"{ARN}A", f"{ARN}B"]
    assert json.loads(rendered.request()["policy"])["Version"] == "2012-10-17"


REFUSED = [
    (lambda: conf(iceberg(), delta()), "'spark.sql.catalog.spark_catalog' is there twice, as 'org.apache.iceberg"),
    (lambda: conf(driver(), {"spark.driver.memory": "8g"}), "'spark.driver.memory' is there twice, as '14g' and as"),
    (lambda: conf({"spark.a ": "b"}), "'spark.a ' is no name of a property: those have no `=` and no blanks"),
    (lambda: conf("spark.a=1"), r"`conf\[0\]` is 'spark.a=1'; it takes a mapping"),
    (lambda: driver(cores=4, memory="28g"), "with an overhead of 2.8 GB 30.8 GB: a worker with 4 vCPUs has at most 30"),
    (lambda: driver(cores=3), "`cores` is 3, of type int; it takes one of 1, 2, 4, 8, 16"),
    (lambda: driver(memory="many"), "`memory` is 'many'; it takes a size such as 14g"),
    (lambda: executors(disk="300g"), "`disk` is '300g'; it takes 20g to 200g"),
    (lambda: executors(disk_type="SSD"), "`disk_type` is 'SSD'; it takes 'STANDARD' or 'SHUFFLE_OPTIMIZED'"),
    (lambda: executors(-1), "`number` is -1, of type int; it takes a whole number, 1 or more"),
    (lambda: environment({"A": 1}, of="worker"), "`of` is 'worker'; it takes one of 'driver', 'executors'"),
    (lambda: environment("A=1"), "`variables` is 'A=1'; it takes a mapping"),
    (lambda: environment([{"A": "1"}]), "`variables` is [{'A': '1'}], of type list; it takes a mapping"),
    (lambda: environment(None), "`variables` is None"),
    (lambda: delta(jars=[]), "`jars` is [], of type list; it takes texts, or a reference"),
    (lambda: delta(jars=[Reference()]), "it takes texts, or a reference to all of them"),
    (lambda: log4j2(loggers="{{ var.json.l }}"), "`loggers` is '{{ var.json.l }}'; it takes a mapping"),
    (lambda: log4j2(loggers={1: "info"}), "`loggers` is {1: 'info'}, of type dict; it takes a mapping of names"),
    (lambda: iceberg(Reference()), "it takes the name of a catalog, or a template of one"),
    (lambda: s3_encryption("k", bucket=Reference()), "it takes the name of a bucket, or a template of one"),
    (lambda: driver(memory="14 GB"), "`memory` is '14 GB'; it takes a size such as 14g"),
    (lambda: driver(memory="1.5g"), "`memory` is '1.5g'; it takes a size such as 14g"),
    (lambda: executors(at_least=5, at_most=2), "`at_least` is 5, and `at_most` 2: fewer than that"),
    (
        lambda: hive_query("s3://b/q.sql", scratch_dir="s3://b/s", warehouse_dir="s3://b/w", hiveconf=5),
        "`hiveconf[1]` is 5, of type int; it takes a mapping",
    ),
    (lambda: java_home(11), "`java` is 11, of type int; it takes 17, or the folder of a Java"),
    (lambda: java_home(17, architecture="arm"), "`architecture` is 'arm'; it takes 'X86_64' or 'ARM64'"),
    (lambda: iceberg(catalog_type="nessie"), "`catalog_type` is 'nessie'; it takes 'glue', 'rest'"),
    (lambda: iceberg(catalog_type="rest"), "`uri` is None"),
    (lambda: iceberg(uri="https://x"), "`uri` is for 'rest' and 'hive', not for 'glue'"),
    (lambda: delta(release_label="seven"), "`release_label` is 'seven'; it takes a release"),
    (lambda: assume_roles({"one": "a;two->b"}), "`roles.one` is 'a;two->b'; it takes the ARN of a role"),
    (lambda: assume_roles({}), "`roles` is {}, of type dict; it takes a mapping of buckets"),
    (lambda: log4j2("loud"), "`level` is 'loud'; it takes one of trace"),
    (lambda: log4j2(loggers={"org.a": "quiet"}), "`loggers` is 'quiet'; it takes one of trace"),
    (lambda: secret(""), "`secret_id` is ''"),
    (lambda: workers(1, cpu=4, memory=31), "`memory` is 31, of type int; it takes 8 to 30 GB in steps of 1"),
    (lambda: workers(1, cpu=16, memory=33), "it takes 32 to 120 GB in steps of 8"),
    (lambda: workers(1, cpu=5, memory=8), "`cpu` is 5, of type int; it takes one of 1, 2, 4, 8, 16"),
    (lambda: workers(0, cpu=4, memory=8), "`count` is 0, of type int; it takes a whole number"),
    (lambda: workers(1, cpu=4, memory=8, disk=500), "`disk` is 500, of type int; it takes 20 to 200 GB"),
    (lambda: initial_capacity(executor={}, tez_task={}), "`executor` is for Spark, `tez_task` for Hive"),
    (lambda: maximum_capacity(cpu="4 vCPU", memory=8), "`cpu` is '4 vCPU'; it takes a whole number"),
    (lambda: monitoring_configuration(s3_encryption_key_arn=KEY), "give `s3_log_uri`, too"),
    (
        lambda: monitoring_configuration(cloud_watch_logs=False, cloud_watch_log_group="g"),
        "`cloud_watch_logs` is False, but there is more",
    ),
    (
        lambda: monitoring_configuration(managed_logs=False, managed_encryption_key_arn=KEY),
        "`managed_logs` is False: leave",
    ),
    (
        lambda: monitoring_configuration(cloud_watch_log_types={"DRIVER": ["STDOUT"]}),
        "`cloud_watch_log_types` is 'DRIVER'; it takes as names SPARK_DRIVER",
    ),
    (
        lambda: monitoring_configuration(cloud_watch_log_types={"SPARK_DRIVER": ["TEZ_AM"]}),
        "`cloud_watch_log_types.SPARK_DRIVER` is 'TEZ_AM'; it takes STDERR, STDOUT",
    ),
    (
        lambda: monitoring_configuration(cloud_watch_log_types={"SPARK_DRIVER": "STDOUT"}),
        "it takes a list of STDERR, STDOUT. Write ['STDOUT']",
    ),
    (lambda: statement([], "*"), "`actions` is [], of type list; it takes at least one"),
    (lambda: statement("a:b", "*", effect="allow"), "`effect` is 'allow'; it takes 'Allow' or 'Deny'"),
    (lambda: execution_iam_policy({"Action": "*"}), "`statements[0]` is {'Action': '*'}"),
    (
        lambda: hive_query(
            "s3://b/q.sql", scratch_dir="s3://b/s", warehouse_dir="s3://b/w", hiveconf={"hive.exec.scratchdir": "x"}
        ),
        "'hive.exec.scratchdir' is there twice",
    ),
    (lambda: hive_query("s3://b/q.sql", scratch_dir=None, warehouse_dir="s3://b/w"), "`scratch_dir` is None"),
]


@pytest.mark.parametrize(("write", "said"), REFUSED)
def test_what_cannot_be_meant_is_refused_when_the_dag_file_is_parsed(write: Any, said: str) -> None:
    said = said if "\\[" in said else re.escape(said)
    with pytest.raises(ConfigurationError, match=said):
        write()
