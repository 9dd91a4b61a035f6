"""Addresses in the consoles of AWS: pure functions of partition, Region and names."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

_DOMAINS: Mapping[str, str] = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def console(partition: str, region: str) -> str | None:
    """The address of the console of a Region; ``None`` for a partition whose console is not known."""
    domain = _DOMAINS.get(partition)
    return domain and f"https://{region}.{domain}"


def emr(console: str, region: str) -> str:
    """EMR Serverless in the EMR console, where one chooses a Studio."""
    return f"{console}/emr/home?{urlencode({'region': region})}#/serverless"


def eks(console: str, region: str, virtual_cluster_id: str) -> str:
    """A virtual cluster with its job runs in the EMR console, which has no known address of one of these."""
    return f"{console}/emr/home?{urlencode({'region': region})}#/eks/clusters/{quote(virtual_cluster_id)}"


def ec2(console: str, region: str, cluster_id: str) -> str:
    """A cluster in the EMR console, which has no known address of one of its sessions."""
    return f"{console}/emr/home?{urlencode({'region': region})}#/clusterDetails/{quote(cluster_id)}"


def studio(url: str, application_id: str, work_id: str) -> str:
    """A job run or session in an EMR Studio."""
    return f"{url}/#/serverless-applications/{quote(application_id)}/{quote(work_id)}"


def s3_folder(console: str, region: str, s3_uri: str) -> str:
    """A folder in the S3 console.

    :param s3_uri: with a slash at its end
    """
    bucket, _, prefix = s3_uri.partition("://")[2].partition("/")
    return f"{console}/s3/buckets/{quote(bucket)}?{urlencode({'region': region, 'prefix': prefix})}"


def log_streams(console: str, region: str, group: str, prefix: str) -> str:
    """The streams of a log group whose names begin with a prefix, in the CloudWatch console."""
    where = f"log-groups/log-group/{_twice(group)}$3FlogStreamNameFilter$3D{_twice(prefix)}"
    return f"{console}/cloudwatch/home?{urlencode({'region': region})}#logsV2:{where}"


def log_stream(console: str, region: str, group: str, stream: str) -> str:
    """A log stream in the CloudWatch console."""
    where = f"log-groups/log-group/{_twice(group)}/log-events/{_twice(stream)}"
    return f"{console}/cloudwatch/home?{urlencode({'region': region})}#logsV2:{where}"


def _twice(name: str) -> str:
    """A name as the CloudWatch console spells it behind the ``#``: quoted twice, ``$`` for the percent signs."""
    return quote(quote(name, safe=""), safe="").replace("%", "$")
