"""What a cluster and its sessions are set to: tags, classifications, and where the logs go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_emrs_ext.local.base.configuration import Classifications, merge_classifications
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.runner import CloudWatchLogs, LogDestinations, S3Logs
from airflow_emrs_ext.local.base.tags import check_tags

DEFAULT_LOG_GROUP = "/aws/emr"
"""The log group where ``CloudWatchLoggingConfiguration`` names none."""

_SCHEMES = ("s3://", "s3n://", "s3a://")


def read_tags(given: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags by their keys.

    :param given: a list of ``Key`` and ``Value``, in the API's form
    :raises ApiError: one has no key, or a key is reserved
    """
    if any(not tag.get("Key") for tag in given or ()):
        raise validation_error("Tags: each tag needs a Key")
    tags = {tag["Key"]: tag.get("Value", "") for tag in given or ()}
    check_tags(tags)
    return tags


def shown_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the API's form."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def read_classifications(given: Sequence[Mapping[str, Any]] | None, member: str) -> Classifications:
    """The properties of each classification.

    :param given: a list of ``Classification``, ``Properties`` and ``Configurations``, in the API's form
    :param member: the parameter that holds it, for the error
    :raises ApiError: a classification has no name, or comes twice
    """
    return merge_classifications(None, _spelled_small(given, member), member)


def merged(cluster: Classifications, session: Classifications) -> Classifications:
    """What is in force for a session: its own properties before those of its cluster."""
    return {name: {**cluster.get(name, {}), **session.get(name, {})} for name in {**cluster, **session}}


def log_uri(given: str | None, member: str) -> str | None:
    """Where logs go on S3, ``None``: nowhere.

    :param given: an URI of S3, in one of its spellings
    :param member: the parameter that holds it, for the error
    :raises ApiError: it is none
    """
    if not given:
        return None
    scheme = next((scheme for scheme in _SCHEMES if given.startswith(scheme)), None)
    if scheme is None or not given.removeprefix(scheme).split("/")[0]:
        raise validation_error(f"{member}: {given!r} is no s3://bucket/prefix URI")
    return "s3://" + given.removeprefix(scheme)


def log_destinations(monitoring: Mapping[str, Any] | None, of_cluster: str | None) -> LogDestinations:
    """Where the logs of a session go; unless it says something else of S3, below the ``LogUri`` of its cluster.

    :param monitoring: ``MonitoringConfiguration`` of the session
    :param of_cluster: ``LogUri`` of the cluster
    :raises ApiError: S3 is turned on, and neither of them says where
    """
    s3 = (monitoring or {}).get("S3LoggingConfiguration") or {}
    cloudwatch = (monitoring or {}).get("CloudWatchLoggingConfiguration") or {}
    member = "MonitoringConfiguration.S3LoggingConfiguration.LogUri"
    uri = log_uri(s3.get("LogUri"), member) or of_cluster
    if s3.get("Enabled") and uri is None:
        raise validation_error(f"{member}: is required, as the cluster has no LogUri")
    types = cloudwatch.get("LogTypes")
    return LogDestinations(
        s3=S3Logs(uri, s3.get("EncryptionKeyArn")) if uri and s3.get("Enabled", True) else None,
        cloudwatch=CloudWatchLogs(
            cloudwatch.get("LogGroup") or DEFAULT_LOG_GROUP,
            cloudwatch.get("LogStreamNamePrefix") or "",
            cloudwatch.get("EncryptionKeyArn"),
            types and {component: frozenset(name.upper() for name in names) for component, names in types.items()},
        )
        if cloudwatch.get("Enabled")
        else None,
    )


def _spelled_small(given: Sequence[Mapping[str, Any]] | None, member: str) -> list[dict[str, Any]]:
    """Configurations as the other services spell them."""
    found = []
    for index, one in enumerate(given or (), start=1):
        if not one.get("Classification"):
            raise validation_error(f"{member}.{index}.Classification: is required")
        inner = _spelled_small(one.get("Configurations"), f"{member}.{index}.Configurations")
        found.append(
            {"classification": one["Classification"], "properties": one.get("Properties"), "configurations": inner}
        )
    return found
