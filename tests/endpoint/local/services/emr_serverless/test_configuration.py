"""The guide's merge rules as a table."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_emrs_ext.local.base.configuration import (
    check_configurations,
    check_monitoring,
    merge_classifications,
)
from airflow_emrs_ext.local.base.errors import ApiError
from airflow_emrs_ext.local.services.emr_serverless.monitoring import merge_monitoring


def conf(classification: str, *nested: Any, **properties: str) -> dict[str, Any]:
    return {"classification": classification, "properties": properties, "configurations": list(nested)}


@pytest.mark.parametrize(
    ("application", "job", "effective"),
    [
        (None, None, {}),
        ([conf("spark-defaults", a="1")], None, {"spark-defaults": {"a": "1"}}),
        (None, [conf("spark-defaults", a="1")], {"spark-defaults": {"a": "1"}}),
        # Only the job's properties count for a classification that it gives.
        ([conf("spark-defaults", a="1", b="2")], [conf("spark-defaults", a="3")], {"spark-defaults": {"a": "3"}}),
        # What it does not give is inherited, what it adds is added.
        ([conf("x", a="1")], [conf("y", b="2")], {"x": {"a": "1"}, "y": {"b": "2"}}),
        # An empty declaration removes, also without the properties member.
        ([conf("x", a="1"), conf("y", b="2")], [conf("x")], {"y": {"b": "2"}}),
        ([conf("x", a="1")], [{"classification": "x"}], {}),
        # The guide's example.
        (
            [conf("spark-defaults", cores="4", url="jdbc"), conf("spark-driver-log4j2", level="error")],
            [
                conf("spark-defaults", cores="2"),
                conf("spark-executor-log4j2", level="error"),
                conf("spark-driver-log4j2"),
            ],
            {"spark-defaults": {"cores": "2"}, "spark-executor-log4j2": {"level": "error"}},
        ),
        # Nested ones belong to the one around them.
        ([conf("spark-env", conf("export", A="1"))], None, {"spark-env.export": {"A": "1"}}),
        (
            [conf("spark-env", conf("export", A="1"))],
            [conf("spark-env", conf("export", B="2"), c="3")],
            {"spark-env": {"c": "3"}, "spark-env.export": {"B": "2"}},
        ),
        ([conf("spark-env", conf("export", A="1"))], [conf("spark-env")], {}),
    ],
)
def test_classifications(application: Any, job: Any, effective: Any) -> None:
    assert merge_classifications(application, job, "applicationConfiguration") == effective


S3, CLOUDWATCH, MANAGED = (
    "s3MonitoringConfiguration",
    "cloudWatchLoggingConfiguration",
    "managedPersistenceMonitoringConfiguration",
)
ON = {MANAGED: {"enabled": True}}


@pytest.mark.parametrize(
    ("application", "job", "effective"),
    [
        (None, None, ON),
        ({S3: {"logUri": "s3://a/"}}, None, {S3: {"logUri": "s3://a/"}, **ON}),
        ({S3: {"logUri": "s3://a/"}}, {}, {S3: {"logUri": "s3://a/"}, **ON}),
        # The unit is the type: the key of the application does not survive another URI.
        (
            {S3: {"logUri": "s3://a/", "encryptionKeyArn": "k"}},
            {S3: {"logUri": "s3://b/"}},
            {S3: {"logUri": "s3://b/"}, **ON},
        ),
        ({S3: {"logUri": "s3://a/"}}, {S3: {}}, ON),
        ({CLOUDWATCH: {"enabled": True}}, None, {CLOUDWATCH: {"enabled": True}, **ON}),
        ({CLOUDWATCH: {"enabled": True, "logGroupName": "g"}}, {CLOUDWATCH: {"enabled": False}}, ON),
        ({CLOUDWATCH: {"enabled": False}}, {CLOUDWATCH: {"enabled": True}}, {CLOUDWATCH: {"enabled": True}, **ON}),
        ({MANAGED: {"enabled": False}}, None, {MANAGED: {"enabled": False}}),
        ({MANAGED: {"enabled": False}}, {MANAGED: {"enabled": True}}, ON),
        ({MANAGED: {"enabled": False}}, {MANAGED: {}}, ON),
        ({MANAGED: {"encryptionKeyArn": "k"}}, None, {MANAGED: {"enabled": True, "encryptionKeyArn": "k"}}),
        # The guide's example.
        (
            {S3: {"logUri": "s3://logs/app-level"}, MANAGED: {"enabled": False}},
            {MANAGED: {"enabled": True}, S3: {}, CLOUDWATCH: {"enabled": True}},
            {CLOUDWATCH: {"enabled": True}, **ON},
        ),
    ],
)
def test_monitoring(application: Any, job: Any, effective: Any) -> None:
    assert merge_monitoring(application, job) == effective


def test_merging_changes_nothing_that_was_given() -> None:
    application, job = {MANAGED: {"encryptionKeyArn": "k"}}, {S3: {"logUri": "s3://a/"}}
    merge_monitoring(application, job)[MANAGED]["enabled"] = False
    assert (application, job) == ({MANAGED: {"encryptionKeyArn": "k"}}, {S3: {"logUri": "s3://a/"}})


def test_a_nested_classification_given_twice() -> None:
    twice = [conf("spark-env", conf("export", A="1"), conf("export", B="1"))]
    with pytest.raises(ApiError, match=r"runtimeConfiguration.1.configurations.2.classification: export"):
        check_configurations(twice, "runtimeConfiguration")
    check_configurations([conf("a", conf("export")), conf("b", conf("export"))], "runtimeConfiguration")


@pytest.mark.parametrize("uri", ["s3://", "s3:///x", "/tmp/logs", "s3a://bucket/x"])
def test_bad_log_uri(uri: str) -> None:
    with pytest.raises(ApiError, match=f"monitoringConfiguration.s3MonitoringConfiguration.logUri: '{uri}'"):
        check_monitoring({S3: {"logUri": uri}}, "monitoringConfiguration")
