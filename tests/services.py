"""The services that start job runs, as suites that are about either of them use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_emrs_ext.job_spec import (
    configuration_overrides,
    eks_configuration_overrides,
    eks_spark_submit,
    spark_submit,
)
from airflow_emrs_ext.local.testing import LocalEmr
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.resources import EKS_JOB_RUN, JOB_RUN, JobRunKind
from airflow_emrs_ext.shared.states import State

ROLE = "arn:aws:iam::123456789012:role/job"


@dataclass(frozen=True)
class Service:
    """A service that starts job runs.

    :param kind: of the job runs
    :param start: the operator that starts one
    :param record_id: the member of the endpoint's records that is a job run's id
    :param words: what it calls an operation, state or parameter that EMR Serverless calls something else
    :param make_place: makes what job runs run on, one at a time, with logs below a URI; its id
    :param list_runs: the endpoint's records
    """

    kind: JobRunKind[State]
    start: type[Any]
    record_id: str
    words: Mapping[str, str]
    make_place: Callable[[LocalEmr, str], str]
    list_runs: Callable[[LocalEmr, str | None], list[dict[str, Any]]]
    submit: Callable[..., dict[str, Any]]
    overrides: Callable[..., dict[str, Any]]

    def word(self, word: str) -> str:
        """The service's own word."""
        return self.words.get(word, word)

    def operator(self, place: str, *driver: Any, conf: Mapping[str, str], **parameters: Any) -> Any:
        """The operator that starts a job run on a place."""
        own = {self.word(name): value for name, value in parameters.items()}
        fixed = {} if self.kind is JOB_RUN else {"release_label": "emr-7.9.0-latest"}
        given = {
            self.kind.id_names[0]: place,
            "execution_role_arn": ROLE,
            "job_driver": self.submit(*driver),
            "configuration_overrides": self.overrides(place, conf),
            **fixed,
            **own,
        }
        return self.start(**given)

    def cancel(self, emr: LocalEmr, place: str, run: Mapping[str, Any]) -> None:
        """Cancel a job run from outside."""
        members = self.kind.members(dict(zip(self.kind.id_names, (place, run[self.record_id]), strict=True)))
        emr.client(self.kind.service).cancel_job_run(**members)


def _application(emr: LocalEmr, log_uri: str) -> str:
    created = emr.client("emr-serverless").create_application(
        releaseLabel="emr-7.9.0",
        type="SPARK",
        schedulerConfiguration={"maxConcurrentRuns": 1, "queueTimeoutMinutes": 15},
        monitoringConfiguration={"s3MonitoringConfiguration": {"logUri": log_uri}},
    )
    return str(created["applicationId"])


def _virtual_cluster(emr: LocalEmr, log_uri: str) -> str:
    number = len(emr.virtual_clusters())
    provider = {"type": "EKS", "id": "eks", "info": {"eksInfo": {"namespace": f"spark-{number}"}}}
    created = emr.client("emr-containers").create_virtual_cluster(name=f"spark-{number}", containerProvider=provider)
    _LOG_URIS[created["id"]] = log_uri
    return str(created["id"])


# EMR on EKS knows no log URI but that of a job run.
_LOG_URIS: dict[str, str] = {}

SERVERLESS = Service(
    kind=JOB_RUN,
    start=EmrServerlessStartJobRunOperator,
    record_id="jobRunId",
    words={},
    make_place=_application,
    list_runs=lambda emr, place: emr.job_runs(place),
    submit=spark_submit,
    overrides=lambda place, conf: configuration_overrides(spark_defaults=conf),
)
CONTAINERS = Service(
    kind=EKS_JOB_RUN,
    start=EmrContainersStartJobRunOperator,
    record_id="id",
    words={
        "GetJobRun": "DescribeJobRun",
        "SUCCESS": "COMPLETED",
        "retry_policy": "retry_policy_configuration",
    },
    make_place=_virtual_cluster,
    list_runs=lambda emr, place: emr.eks_job_runs(place),
    submit=eks_spark_submit,
    overrides=lambda place, conf: eks_configuration_overrides(spark_defaults=conf, s3_log_uri=_LOG_URIS[place]),
)
SERVICES = {"serverless": SERVERLESS, "eks": CONTAINERS}
