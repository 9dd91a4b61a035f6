"""The sensors of this package with the Amazon provider's names and parameters.

For DAGs that come from it: ``from airflow_emrs_ext.sensors.emr import …`` in place of
``from airflow.providers.amazon.aws.sensors.emr import …``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_emrs_ext.operators._base.connection import passed_on
from airflow_emrs_ext.sensors.containers import EmrContainersJobRunSensor
from airflow_emrs_ext.sensors.serverless import EmrServerlessApplicationSensor, EmrServerlessJobRunSensor

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import SensorArgs

__all__ = ["EmrContainerSensor", "EmrServerlessApplicationSensor", "EmrServerlessJobSensor"]

EmrServerlessJobSensor = EmrServerlessJobRunSensor


class EmrContainerSensor(EmrContainersJobRunSensor):
    """Wait until an EMR on EKS job run is COMPLETED (DescribeJobRun).

    :param virtual_cluster_id: of the virtual cluster
    :param job_id: of the job run
    :param max_retries: of a deferrable sensor: times ``poll_interval``, and a minute, is how long to wait at most;
        default: until ``timeout``
    :param poll_interval: pause between two looks, in seconds
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :return: :class:`~airflow_emrs_ext.results.EksJobRunResult`
    """

    def __init__(
        self,
        *,
        virtual_cluster_id: Any,
        job_id: Any,
        max_retries: int | None = None,
        poll_interval: float = 10,
        deferrable: bool | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Unpack[SensorArgs],
    ) -> None:
        given = passed_on(locals(), "job_id", "max_retries", "poll_interval")
        given.setdefault("poke_interval", poll_interval)
        super().__init__(job_run_id=job_id, **given)
        if max_retries and self.deferrable:
            # As there, where it is no limit in the other modes.
            self.timeout: float = max_retries * float(poll_interval) + 60

    @property
    def job_id(self) -> Any:
        """The job run, as the Amazon provider's sensor calls it."""
        return self.job_run_id
