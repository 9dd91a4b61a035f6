from __future__ import annotations

import pytest

from airflow_emrs_ext.plugin import console


@pytest.mark.parametrize(
    ("partition", "region", "address"),
    [
        ("aws", "eu-west-1", "https://eu-west-1.console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "https://cn-north-1.console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com"),
        ("aws-iso", "us-iso-east-1", None),
    ],
)
def test_console(partition: str, region: str, address: str | None) -> None:
    assert console.console(partition, region) == address


def test_s3_folder() -> None:
    assert (
        console.s3_folder("https://c", "eu-west-1", "s3://my-logs/a b/applications/00a/jobs/00b/")
        == "https://c/s3/buckets/my-logs?region=eu-west-1&prefix=a+b%2Fapplications%2F00a%2Fjobs%2F00b%2F"
    )


def test_log_streams() -> None:
    assert console.log_streams("https://c", "eu-west-1", "/aws/emr-serverless", "p/applications/00a/") == (
        "https://c/cloudwatch/home?region=eu-west-1"
        "#logsV2:log-groups/log-group/$252Faws$252Femr-serverless$3FlogStreamNameFilter$3Dp$252Fapplications$252F00a$252F"
    )


def test_log_stream() -> None:
    assert console.log_stream("https://c", "eu-west-1", "/g", "p/SPARK_DRIVER/stdout") == (
        "https://c/cloudwatch/home?region=eu-west-1"
        "#logsV2:log-groups/log-group/$252Fg/log-events/p$252FSPARK_DRIVER$252Fstdout"
    )


def test_emr_eks_and_studio() -> None:
    assert console.emr("https://c", "eu-west-1") == "https://c/emr/home?region=eu-west-1#/serverless"
    assert console.eks("https://c", "eu-west-1", "abc1") == "https://c/emr/home?region=eu-west-1#/eks/clusters/abc1"
    assert console.studio("https://studio", "00a", "00b") == "https://studio/#/serverless-applications/00a/00b"
