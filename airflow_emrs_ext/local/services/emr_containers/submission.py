"""What StartJobRun asks for, checked and completed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_emrs_ext.local.base.configuration import Classifications, merge_classifications
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.leniency import enforce
from airflow_emrs_ext.local.base.releases import newer_release
from airflow_emrs_ext.local.base.runner import Workers
from airflow_emrs_ext.local.base.spark_sizes import submitted_properties
from airflow_emrs_ext.local.base.tags import check_tags
from airflow_emrs_ext.local.services.emr_containers.monitoring import read_monitoring
from airflow_emrs_ext.local.services.emr_containers.pods import pods_of
from airflow_emrs_ext.local.services.emr_containers.releases import RETRIES, parse_release

TEMPLATED = ("executionRoleArn", "releaseLabel", "jobDriver", "configurationOverrides")
"""Members of the request that come from the job template, when there is one."""

PARAMETERS_OF = {"sparkSubmitJobDriver": "sparkSubmitParameters", "sparkSqlJobDriver": "sparkSqlParameters"}
"""The member of each job driver that holds what spark-submit or spark-sql is given."""


@dataclass(frozen=True)
class Submission:
    """A job run as it was asked for and as it will be done.

    :param params: the request
    :param execution_role_arn: in force, from the request or the job template, like the next ones
    :param max_attempts: how often its driver is tried, ``None``: once, and nothing is said of attempts
    :param classifications: the configuration in force
    :param monitoring: in force
    :param pods: the pods that it asks for
    """

    params: Mapping[str, Any]
    execution_role_arn: str
    release_label: str
    job_driver: Mapping[str, Any]
    configuration_overrides: Mapping[str, Any] | None
    tags: Mapping[str, str]
    max_attempts: int | None
    classifications: Classifications
    monitoring: dict[str, Any]
    pods: Workers


def read_submission(
    params: Mapping[str, Any], from_template: Mapping[str, Any] | None, lenient: bool = False
) -> Submission:
    """Check a StartJobRun request.

    :param params: the request
    :param from_template: what its job template comes to: :data:`TEMPLATED` and ``jobTags``; ``None`` without one
    :param lenient: take a release that is newer than this package, and log it
    :raises ApiError: a parameter is not usable; it is named
    """
    templated = _without_template(params) if from_template is None else from_template
    release = parse_release(templated["releaseLabel"])
    enforce(newer_release(templated["releaseLabel"], release), lenient)
    job_driver = templated["jobDriver"]
    kind = check_job_driver(job_driver)
    overrides = templated.get("configurationOverrides") or {}
    classifications = merge_classifications(
        None, overrides.get("applicationConfiguration"), "configurationOverrides.applicationConfiguration"
    )
    parameters = PARAMETERS_OF[kind]
    given = submitted_properties(job_driver[kind].get(parameters), f"jobDriver.{kind}.{parameters}")
    tags = {**templated.get("jobTags", {}), **(params.get("tags") or {})}
    check_tags(tags)
    max_attempts = (params.get("retryPolicyConfiguration") or {}).get("maxAttempts")
    if max_attempts is not None:
        if max_attempts < 1:
            raise validation_error(f"retryPolicyConfiguration.maxAttempts: must be at least 1, not {max_attempts}")
        if release < RETRIES:
            raise validation_error("retryPolicyConfiguration: retries are supported from release emr-6.9.0")
    return Submission(
        params=params,
        execution_role_arn=templated["executionRoleArn"],
        release_label=templated["releaseLabel"],
        job_driver=job_driver,
        configuration_overrides=templated.get("configurationOverrides"),
        tags=tags,
        max_attempts=max_attempts,
        classifications=classifications,
        monitoring=read_monitoring(overrides.get("monitoringConfiguration")),
        pods=pods_of({**classifications.get("spark-defaults", {}), **given}),
    )


def check_job_driver(job_driver: Mapping[str, Any]) -> str:
    """Which of the job drivers it is.

    :param job_driver: ``jobDriver`` in the API's form
    :raises ApiError: it is none of them, or several
    """
    if len(job_driver) != 1:
        given = " and ".join(job_driver) or "none"
        raise validation_error(f"jobDriver: must have exactly one of {' and '.join(PARAMETERS_OF)}, not {given}")
    return next(iter(job_driver))


def _without_template(params: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in ("executionRoleArn", "releaseLabel", "jobDriver"):
        if params.get(name) is None:
            raise validation_error(f"{name}: is required without a jobTemplateId")
    if params.get("jobTemplateParameters"):
        raise validation_error("jobTemplateParameters: are for a job template, and jobTemplateId names none")
    return {name: params[name] for name in TEMPLATED if name in params}
