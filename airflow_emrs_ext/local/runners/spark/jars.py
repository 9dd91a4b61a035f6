"""Jars that a job names: those of the service's images, which this machine has elsewhere, and those of repositories."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_emrs_ext.local.runners.spark.submit import SubmitError
from airflow_emrs_ext.local.runners.spark.warm_up import cache_dir

_PATHS = {"spark.jars": ",", "spark.driver.extraClassPath": ":", "spark.executor.extraClassPath": ":"}
"""The properties that name jars, and what is between them."""

_IN_IMAGE = re.compile(r"(?:local:(?://)?)?(?P<path>/usr/(?:share/aws|lib)/(?:[^/]+/)*(?P<name>[^/]+\.jar))")

# What a jar of an image is called where it is published; the line of Spark and its Scala are filled in.
_PUBLISHED = {
    "iceberg-spark3-runtime.jar": "iceberg-spark-runtime-{line}_{scala}-*.jar",
    "delta-core.jar": "delta-core_{scala}-*.jar",
    "delta-spark.jar": "delta-spark_{scala}-*.jar",
    "delta-storage.jar": "delta-storage-[0-9]*.jar",
    "delta-storage-s3-dynamodb.jar": "delta-storage-s3-dynamodb-[0-9]*.jar",
    "hudi-spark-bundle.jar": "hudi-spark{line}*-bundle_{scala}-*.jar",
    "hudi-utilities-bundle.jar": "hudi-utilities-bundle_{scala}-*.jar",
    "hudi-aws-bundle.jar": "hudi-aws-bundle-[0-9]*.jar",
    "spark-streaming-sql-kinesis-connector.jar": "spark-streaming-sql-kinesis-connector_{scala}-*.jar",
    "RedshiftJDBC.jar": "redshift-jdbc[0-9]*.jar",
    "spark-redshift.jar": "spark-redshift_{scala}-*.jar",
    "spark-avro.jar": "spark-avro_{scala}-{line}.*.jar",
    "minimal-json.jar": "minimal-json-[0-9]*.jar",
}


@dataclass(frozen=True)
class JarSources:
    """Where jars come from that are neither on S3 nor in a file that the job names.

    :param directory: where the jars of the service's images are; ``None``: nowhere
    :param repositories: URLs of the Maven repositories that ``--packages`` are resolved from
    """

    directory: Path | None = None
    repositories: Sequence[str] = ()

    def resolved(self, properties: Mapping[str, str], line: tuple[int, int]) -> dict[str, str]:
        """The properties with the jars of this machine in place of those of an image, and with the repositories.

        :param properties: Spark properties of a driver
        :param line: major and minor version of its Spark
        :raises SubmitError: a jar of an image is not here, or there is no repository; the message names the remedy
        """
        found = dict(properties)
        for name, separator in _PATHS.items():
            if name in properties:
                entries = [self._local(name, entry.strip(), line) for entry in properties[name].split(separator)]
                found[name] = separator.join(entries)
        if properties.get("spark.jars.packages"):
            found |= self._packages(properties)
        return found

    def _local(self, name: str, entry: str, line: tuple[int, int]) -> str:
        match = _IN_IMAGE.fullmatch(entry)
        if match is None or Path(match["path"]).exists():
            return entry
        scala = "2.12" if line < (4, 0) else "2.13"
        pattern = _PUBLISHED.get(match["name"], match["name"]).format(line=f"{line[0]}.{line[1]}", scala=scala)
        jars = [] if self.directory is None else [*self.directory.glob(match["name"]), *self.directory.glob(pattern)]
        if not jars:
            where = "a folder that `emrs-local --jars-dir` names" if self.directory is None else str(self.directory)
            raise SubmitError(f"{name} {entry} is a jar of the service's image: put {pattern} into {where}")
        return str(max(jars, key=_version))

    def _packages(self, properties: Mapping[str, str]) -> dict[str, str]:
        if "spark.jars.ivySettings" not in properties:
            named = [*filter(None, properties.get("spark.jars.repositories", "").split(",")), *self.repositories]
            if not named:
                raise SubmitError(
                    f"--packages {properties['spark.jars.packages']}: no Maven repository is named. Name one with"
                    " --repositories, spark.jars.ivySettings or `emrs-local --repository`; or put the jars on S3 and"
                    " name them in --jars"
                )
            properties = {**properties, "spark.jars.repositories": ",".join(named)}
        return {"spark.jars.ivy": str(cache_dir() / "ivy"), **properties}


def _version(jar: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", jar.name)]
