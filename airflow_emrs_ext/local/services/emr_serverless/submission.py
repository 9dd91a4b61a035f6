"""What StartJobRun and CancelJobRun ask for, checked and completed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_emrs_ext.local.base.configuration import Classifications, check_monitoring, merge_classifications
from airflow_emrs_ext.local.base.errors import validation_error
from airflow_emrs_ext.local.base.leniency import enforce
from airflow_emrs_ext.local.services.emr_serverless.applications import Application
from airflow_emrs_ext.local.services.emr_serverless.engines import HIVE, SPARK
from airflow_emrs_ext.local.services.emr_serverless.monitoring import merge_monitoring
from airflow_emrs_ext.local.services.emr_serverless.policies import effective_policy
from airflow_emrs_ext.local.services.emr_serverless.releases import LONGEST_BATCH_TIMEOUT
from airflow_emrs_ext.local.services.emr_serverless.rules import missing_locations, paths_of_this_machine, problems
from airflow_emrs_ext.local.services.emr_serverless.workers import (
    Demand,
    demand_of,
    hive_properties,
    spark_properties,
)

BATCH, STREAMING = "BATCH", "STREAMING"

_DEFAULT_TIMEOUT_MINUTES = 720
_LONGEST_TIMEOUT_MINUTES = 10080
_RETRY_MEMBER = {BATCH: "maxAttempts", STREAMING: "maxFailedAttemptsPerHour"}
_RETRY_DEFAULT = {BATCH: 1, STREAMING: 5}
_MOST_RETRIES = 10
_DRIVER_OF = {SPARK: "sparkSubmit", HIVE: "hive"}
_DEFAULT_GRACE_SECONDS = {BATCH: 0, STREAMING: 120}
_GRACE_SECONDS = (15, 1800)


@dataclass(frozen=True)
class Submission:
    """A job run as it was asked for and as it will be done.

    :param params: the request
    :param mode: ``BATCH`` or ``STREAMING``
    :param timeout_minutes: ``executionTimeoutMinutes``, 0: none
    :param retry_policy: in the API's form, its one member filled
    :param classifications: in force, application defaults and overrides merged
    :param monitoring: in force, likewise
    :param policy: what the run may do, see :func:`~.policies.effective_policy`
    :param demand: the workers it asks for
    :param flaw: why it fails before a driver is started
    """

    params: Mapping[str, Any]
    mode: str
    timeout_minutes: int
    retry_policy: dict[str, int]
    classifications: Classifications
    monitoring: dict[str, dict[str, Any]]
    policy: dict[str, Any]
    demand: Demand
    flaw: str = ""

    @property
    def retries(self) -> bool:
        """Whether a failed attempt may be followed by another."""
        return self.mode == STREAMING or self.retry_policy["maxAttempts"] > 1


def read_submission(params: Mapping[str, Any], application: Application, lenient: bool = False) -> Submission:
    """Check a StartJobRun request.

    :param params: the request
    :param application: the application that it names
    :param lenient: take what breaks a rule of :mod:`~.rules`, and log it
    :raises ApiError: a parameter is not usable; it is named
    """
    driver = params.get("jobDriver")
    expected = _DRIVER_OF[application.engine]
    if not driver:
        raise validation_error(f"jobDriver: is required; a {application.engine} application takes {expected}")
    if expected not in driver:
        raise validation_error(
            f"jobDriver.{next(iter(driver))}: application {application.id} is a {application.engine}"
            f" application and takes {expected}"
        )
    mode = params.get("mode", BATCH)
    overrides = params.get("configurationOverrides") or {}
    classifications = merge_classifications(
        application.settings.get("runtimeConfiguration"),
        overrides.get("applicationConfiguration"),
        "configurationOverrides.applicationConfiguration",
    )
    check_monitoring(overrides.get("monitoringConfiguration"), "configurationOverrides.monitoringConfiguration")
    enforce(_problems(params, application), lenient)
    return Submission(
        params=params,
        mode=mode,
        timeout_minutes=_timeout(params.get("executionTimeoutMinutes"), mode, application),
        retry_policy=_retry_policy(params.get("retryPolicy"), mode, application),
        classifications=classifications,
        monitoring=merge_monitoring(
            application.settings.get("monitoringConfiguration"), overrides.get("monitoringConfiguration")
        ),
        policy=effective_policy(params["executionRoleArn"], params.get("executionIamPolicy")),
        demand=demand_of(driver, classifications),
        flaw=_flaw(driver, classifications, application.settings, lenient),
    )


def _problems(params: Mapping[str, Any], application: Application) -> Iterator[str]:
    driver = params["jobDriver"]
    if application.engine == HIVE:
        given = {"jobDriver.hive.parameters": hive_properties(driver["hive"].get("parameters"))}
    else:
        parameters = driver["sparkSubmit"].get("sparkSubmitParameters")
        given = {"jobDriver.sparkSubmit.sparkSubmitParameters": spark_properties(parameters)}
    return problems(params, application.engine, application.settings["releaseLabel"], application.release, given)


def _flaw(
    driver: Mapping[str, Any], classifications: Classifications, settings: Mapping[str, Any], lenient: bool
) -> str:
    """What the guide says that a job fails by, not that it is refused."""
    if "hive" in driver:
        given = hive_properties(driver["hive"].get("parameters"))
        flaws = missing_locations({**classifications.get("hive-site", {}), **given})
    elif settings.get("imageConfiguration") or settings.get("workerTypeSpecifications"):
        # What an image of the user's own has is not known here.
        return ""
    else:
        spark = driver["sparkSubmit"]
        given = spark_properties(spark.get("sparkSubmitParameters"))
        flaws = paths_of_this_machine(spark["entryPoint"], {**classifications.get("spark-defaults", {}), **given})
    if lenient:
        enforce(flaws, lenient)
    return next(flaws, "")


def grace_seconds(given: int | None, mode: str) -> int:
    """The time that a cancelled job run has to end by itself.

    :param given: ``shutdownGracePeriodInSeconds``; default: 0 for BATCH, 120 for STREAMING
    :param mode: of the job run
    :raises ApiError: it is neither 0 nor from 15 to 1800
    """
    if given is None:
        return _DEFAULT_GRACE_SECONDS[mode]
    least, most = _GRACE_SECONDS
    if given and not least <= given <= most:
        raise validation_error(f"shutdownGracePeriodInSeconds: must be 0 (none) or from {least} to {most}, not {given}")
    return given


def _timeout(given: int | None, mode: str, application: Application) -> int:
    if mode == STREAMING:
        if given:
            raise validation_error("executionTimeoutMinutes: a STREAMING job run takes no timeout")
        return 0
    if given is None:
        return _DEFAULT_TIMEOUT_MINUTES
    if not 1 <= given <= _LONGEST_TIMEOUT_MINUTES and application.release >= LONGEST_BATCH_TIMEOUT:
        raise validation_error(
            f"executionTimeoutMinutes: a BATCH job run has from 1 to {_LONGEST_TIMEOUT_MINUTES} minutes"
            f" from release emr-7.11.0, not {given}"
        )
    return given


def _retry_policy(given: Mapping[str, int] | None, mode: str, application: Application) -> dict[str, int]:
    member = _RETRY_MEMBER[mode]
    policy = {member: _RETRY_DEFAULT[mode]}
    for name, value in (given or {}).items():
        if name != member:
            raise validation_error(f"retryPolicy.{name}: is not for {mode} job runs, which take {member}")
        if not 1 <= value <= _MOST_RETRIES:
            raise validation_error(f"retryPolicy.{name}: must be from 1 to {_MOST_RETRIES}, not {value}")
        policy[name] = value
    return policy
