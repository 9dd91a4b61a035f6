"""Configurations in the form of the APIs: what is wrong with them, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow_emrs_ext.local.base.errors import validation_error

Classifications = dict[str, dict[str, str]]

NESTED = "."
"""Joins the names of a classification and one nested in it, e.g. ``spark-env.export``."""


def check_configurations(configurations: Sequence[Mapping[str, Any]] | None, member: str) -> None:
    """Refuse a list of configurations that names a classification twice.

    :param configurations: ``runtimeConfiguration`` or ``applicationConfiguration`` in the API's form
    :param member: the parameter that holds it, for the error
    :raises ApiError: a classification comes twice
    """
    seen: set[str] = set()
    for index, configuration in enumerate(configurations or (), start=1):
        name = configuration["classification"]
        if name in seen:
            raise validation_error(f"{member}.{index}.classification: {name} is given more than once")
        seen.add(name)
        check_configurations(configuration.get("configurations"), f"{member}.{index}.configurations")


def merge_classifications(
    application: Sequence[Mapping[str, Any]] | None, job: Sequence[Mapping[str, Any]] | None, member: str
) -> Classifications:
    """The properties of each classification that are in force for a job run.

    The unit of the merge is the classification: of one that the job gives, nothing of the application's counts, and an
    empty one removes the application's. Nested configurations belong to the classification around them.

    :param application: the application's ``runtimeConfiguration``
    :param job: the job run's ``applicationConfiguration``
    :param member: the parameter that holds the job's, for the error
    :return: classification to properties; a nested one is named ``outer.inner``
    :raises ApiError: a classification comes twice in the job's
    """
    check_configurations(job, member)
    chosen = {configuration["classification"]: configuration for configuration in application or ()}
    chosen.update({configuration["classification"]: configuration for configuration in job or ()})
    return {name: properties for name, properties in _flatten(chosen.values()) if properties}


def _flatten(configurations: Iterable[Mapping[str, Any]], prefix: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    for configuration in configurations:
        name = prefix + configuration["classification"]
        yield name, dict(configuration.get("properties") or {})
        yield from _flatten(configuration.get("configurations") or (), name + NESTED)


def check_monitoring(monitoring: Mapping[str, Any] | None, member: str) -> None:
    """Refuse a MonitoringConfiguration that the service could not use.

    :param monitoring: ``monitoringConfiguration`` in the API's form
    :param member: the parameter that holds it, for the error
    :raises ApiError: a value is not usable; the member is named
    """
    uri = ((monitoring or {}).get("s3MonitoringConfiguration") or {}).get("logUri")
    if uri is not None and not (uri.startswith("s3://") and uri.removeprefix("s3://").split("/")[0]):
        raise validation_error(f"{member}.s3MonitoringConfiguration.logUri: {uri!r} is no s3://bucket/prefix URI")
