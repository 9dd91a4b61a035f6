"""Sensors that wait for a state of a session, or of a step, of a cluster of EMR on EC2."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext.operators._base.connection import Ec2Mixin, aws_template_fields, passed_on
from airflow_emrs_ext.operators.ec2_session import cluster_session_ids
from airflow_emrs_ext.sensors.base import EmrSensor
from airflow_emrs_ext.shared.states import SessionState, StepState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import SensorArgs
    from airflow_emrs_ext.resources import ClusterSession, Step


class EmrOnEc2SessionSensor(EmrSensor, Ec2Mixin):
    """Wait for a state of a session of a cluster of EMR on EC2 (GetSession).

    :param session: the result of the operator that started it
    :param cluster_id: of the cluster, where no ``session`` is given
    :param session_id: of the session, likewise
    :param target_states: default: ready, which is ``STARTED``, ``IDLE`` or ``BUSY``
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: another name of ``poke_interval``, in seconds
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred sensor of changes of state; an empty one:
        none; default ``[emrs_ext] notification_queue``
    :param end_from_trigger: as of :class:`~airflow_emrs_ext.operators._base.operator.EmrOperator`
    :return: :class:`~airflow_emrs_ext.results.ClusterSessionResult`
    :raises SessionEnded: it ended instead
    """

    template_fields: Sequence[str] = aws_template_fields("session", "cluster_id", "session_id", "target_states")

    @property
    def kind(self) -> ClusterSession:
        """The kind of resource."""
        from airflow_emrs_ext.resources import CLUSTER_SESSION

        return CLUSTER_SESSION

    def __init__(
        self,
        *,
        session: Any = None,
        cluster_id: Any = None,
        session_id: Any = None,
        target_states: Iterable[str] = (SessionState.STARTED, SessionState.IDLE, SessionState.BUSY),
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
        super().__init__(**passed_on(locals(), "session", "cluster_id", "session_id"))
        self.session = session
        self.cluster_id = cluster_id
        self.session_id = session_id

    def _ids(self) -> dict[str, str]:
        return cluster_session_ids(self.session, self.cluster_id, self.session_id)


class EmrOnEc2StepSensor(EmrSensor, Ec2Mixin):
    """Wait for a state of a step of a cluster of EMR on EC2 (DescribeStep).

    :param cluster_id: of the cluster, or a result that contains it
    :param step_id: of the step, or the result of the operator that added it
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
    :return: :class:`~airflow_emrs_ext.results.StepResult`
    :raises JobRunFailed: it ended FAILED or INTERRUPTED instead
    :raises JobRunCancelled: it ended CANCELLED instead
    """

    template_fields: Sequence[str] = aws_template_fields("cluster_id", "step_id", "target_states")

    @property
    def kind(self) -> Step:
        """The kind of resource."""
        from airflow_emrs_ext.resources import STEP

        return STEP

    def __init__(
        self,
        *,
        cluster_id: Any,
        step_id: Any,
        target_states: Iterable[str] = (StepState.COMPLETED,),
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
        super().__init__(**passed_on(locals(), "cluster_id", "step_id"))
        self.cluster_id = cluster_id
        self.step_id = step_id
