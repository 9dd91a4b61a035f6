"""Sensors that wait for a state of an EMR on EKS job run, virtual cluster or managed endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext.operators._base.connection import ContainersMixin, aws_template_fields, passed_on
from airflow_emrs_ext.sensors.base import EmrSensor
from airflow_emrs_ext.shared.states import EksJobRunState, ManagedEndpointState, VirtualClusterState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import SensorArgs
    from airflow_emrs_ext.resources import EksJobRun, ManagedEndpoint, VirtualCluster


class EmrContainersJobRunSensor(EmrSensor, ContainersMixin):
    """Wait for a state of an EMR on EKS job run (DescribeJobRun).

    :param virtual_cluster_id: of the virtual cluster, or a result that contains it
    :param job_run_id: of the job run, or the result of the operator that started it
    :param target_states: default ``COMPLETED``
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: another name of ``poke_interval``, in seconds
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred sensor of changes of state; an empty one:
        none; default ``[emrs_ext] notification_queue``
    :param end_from_trigger: as of :class:`~airflow_emrs_ext.operators._base.operator.EmrOperator`
    :return: :class:`~airflow_emrs_ext.results.EksJobRunResult`
    :raises JobRunFailed, JobRunCancelled: it ended another way
    """

    template_fields: Sequence[str] = aws_template_fields(
        "virtual_cluster_id", "job_run_id", "target_states", "notification_queue"
    )

    @property
    def kind(self) -> EksJobRun:
        """The kind of resource."""
        from airflow_emrs_ext.resources import EKS_JOB_RUN

        return EKS_JOB_RUN

    def __init__(
        self,
        *,
        virtual_cluster_id: Any,
        job_run_id: Any,
        target_states: Iterable[str] = (EksJobRunState.COMPLETED,),
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Unpack[SensorArgs],
    ) -> None:
        super().__init__(**passed_on(locals(), "virtual_cluster_id", "job_run_id"))
        self.virtual_cluster_id = virtual_cluster_id
        self.job_run_id = job_run_id


class EmrContainersVirtualClusterSensor(EmrSensor, ContainersMixin):
    """Wait for a state of an EMR on EKS virtual cluster (DescribeVirtualCluster).

    :param virtual_cluster_id: of the virtual cluster, or the result of the operator that created it
    :param target_states: default ``RUNNING``
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: another name of ``poke_interval``, in seconds
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred sensor of changes of state; an empty one:
        none; default ``[emrs_ext] notification_queue``
    :param end_from_trigger: as of :class:`~airflow_emrs_ext.operators._base.operator.EmrOperator`
    :return: :class:`~airflow_emrs_ext.results.VirtualClusterResult`
    """

    template_fields: Sequence[str] = aws_template_fields("virtual_cluster_id", "target_states")

    @property
    def kind(self) -> VirtualCluster:
        """The kind of resource."""
        from airflow_emrs_ext.resources import VIRTUAL_CLUSTER

        return VIRTUAL_CLUSTER

    def __init__(
        self,
        *,
        virtual_cluster_id: Any,
        target_states: Iterable[str] = (VirtualClusterState.RUNNING,),
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Unpack[SensorArgs],
    ) -> None:
        super().__init__(**passed_on(locals(), "virtual_cluster_id"))
        self.virtual_cluster_id = virtual_cluster_id


class EmrContainersManagedEndpointSensor(EmrSensor, ContainersMixin):
    """Wait for a state of an EMR on EKS managed endpoint (DescribeManagedEndpoint).

    :param virtual_cluster_id: of the virtual cluster, or a result that contains it
    :param endpoint_id: of the endpoint, or the result of the operator that created it
    :param target_states: default ``ACTIVE``
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: another name of ``poke_interval``, in seconds
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred sensor of changes of state; an empty one:
        none; default ``[emrs_ext] notification_queue``
    :param end_from_trigger: as of :class:`~airflow_emrs_ext.operators._base.operator.EmrOperator`
    :return: :class:`~airflow_emrs_ext.results.ManagedEndpointResult`
    :raises SessionEnded: it ended instead
    """

    template_fields: Sequence[str] = aws_template_fields("virtual_cluster_id", "endpoint_id", "target_states")

    @property
    def kind(self) -> ManagedEndpoint:
        """The kind of resource."""
        from airflow_emrs_ext.resources import MANAGED_ENDPOINT

        return MANAGED_ENDPOINT

    def __init__(
        self,
        *,
        virtual_cluster_id: Any,
        endpoint_id: Any,
        target_states: Iterable[str] = (ManagedEndpointState.ACTIVE,),
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Unpack[SensorArgs],
    ) -> None:
        super().__init__(**passed_on(locals(), "virtual_cluster_id", "endpoint_id"))
        self.virtual_cluster_id = virtual_cluster_id
        self.endpoint_id = endpoint_id
