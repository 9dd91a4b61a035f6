"""Lets Spark reach ``s3://`` and ``s3a://`` through the endpoint's S3 gateway, with the classes that Spark ships."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from airflow_emrs_ext.local.base.runner import DriverSpec

MOUNTS_PATH = "/.mount-tables"
"""Path on the gateway where a Hadoop client finds one mount for each bucket that exists at that moment."""

_VIEW_FS = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
_COMMITTER_FACTORY = "org.apache.hadoop.mapreduce.lib.output.FileOutputCommitterFactory"
_STREAMING = "org.apache.spark.sql.execution.streaming"
_CHECKPOINTS = "FileSystemBasedCheckpointFileManager"
_SCHEMES = ("s3", "s3a", "s3n")
_BUCKET = re.compile(r"\bs3[an]?://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?![a-z0-9.-])")


def s3_properties(endpoint_url: str, buckets: Iterable[str], line: tuple[int, int]) -> dict[str, str]:
    """Spark properties that mount every bucket.

    :param endpoint_url: the local endpoint, which serves the gateway
    :param buckets: names to mount whether or not the bucket exists; all others are found when they are first used
    :param line: major and minor version of Spark
    """
    authority = urlsplit(endpoint_url).netloc
    properties = {
        # The mount table is read anew whenever a bucket is first used, so a bucket may be younger than the driver.
        "spark.hadoop.fs.viewfs.mounttable.path": f"webhdfs://{authority}{MOUNTS_PATH}",
        "spark.hadoop.fs.viewfs.overload.scheme.target.webhdfs.impl": "org.apache.hadoop.hdfs.web.WebHdfsFileSystem",
    }
    for scheme in _SCHEMES:
        properties[f"spark.hadoop.fs.{scheme}.impl"] = _VIEW_FS
        properties[f"spark.hadoop.fs.{scheme}.impl.disable.cache"] = "false"
    # Hadoop's default for s3a is a committer of the S3A file system, which is not what is behind the name here.
    properties["spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a"] = _COMMITTER_FACTORY
    # Streaming first tries Hadoop's other file system interface, for which s3a has a class that is not here.
    package = f"{_STREAMING}.checkpointing" if line >= (4, 1) else _STREAMING
    properties["spark.sql.streaming.checkpointFileManagerClass"] = f"{package}.{_CHECKPOINTS}"
    for bucket in buckets:
        properties[f"spark.hadoop.{mount_property(bucket)}"] = mount_target(authority, bucket)
    return properties


def mount_property(bucket: str) -> str:
    """The Hadoop property that mounts a bucket."""
    return f"fs.viewfs.mounttable.{bucket}.linkFallback"


def mount_target(authority: str, bucket: str) -> str:
    """Where a bucket is mounted from.

    :param authority: ``host:port`` of the endpoint
    :param bucket: its name
    """
    return f"webhdfs://{authority}/{bucket}"


def named_buckets(spec: DriverSpec) -> list[str]:
    """Every bucket that the job driver or the configuration of an attempt names."""
    return sorted(set(_BUCKET.findall(json.dumps([spec.job_driver, spec.classifications], default=dict))))
