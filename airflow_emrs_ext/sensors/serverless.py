"""Sensors that wait for a state of an EMR Serverless application, job run or session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext.operators._base.connection import ServerlessMixin, aws_template_fields, passed_on
from airflow_emrs_ext.operators.session import session_ids
from airflow_emrs_ext.sensors.base import EmrSensor
from airflow_emrs_ext.shared.states import ApplicationState, JobRunState, SessionState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import SensorArgs
    from airflow_emrs_ext.resources import Application, JobRun, Session


class EmrServerlessApplicationSensor(EmrSensor, ServerlessMixin):
    """Wait for a state of an EMR Serverless application (GetApplication).

    :param application_id: of the application, or the result of the operator that created it
    :param target_states: default ``CREATED`` or ``STARTED``
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: another name of ``poke_interval``, in seconds
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred sensor of changes of state; an empty one:
        none; default ``[emrs_ext] notification_queue``
    :param end_from_trigger: as of :class:`~airflow_emrs_ext.operators._base.operator.EmrOperator`
    :return: :class:`~airflow_emrs_ext.results.ApplicationResult`
    """

    template_fields: Sequence[str] = aws_template_fields("application_id", "target_states", "notification_queue")

    @property
    def kind(self) -> Application:
        """The kind of resource."""
        from airflow_emrs_ext.resources import APPLICATION

        return APPLICATION

    def __init__(
        self,
        *,
        application_id: Any,
        target_states: Iterable[str] = (ApplicationState.CREATED, ApplicationState.STARTED),
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
        super().__init__(**passed_on(locals(), "application_id"))
        self.application_id = application_id


class EmrServerlessJobRunSensor(EmrSensor, ServerlessMixin):
    """Wait for a state of an EMR Serverless job run (GetJobRun).

    :param application_id: of the application, or a result that contains it
    :param job_run_id: of the job run, or the result of the operator that started it
    :param target_states: default ``SUCCESS``
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: another name of ``poke_interval``, in seconds
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred sensor of changes of state; an empty one:
        none; default ``[emrs_ext] notification_queue``
    :param end_from_trigger: as of :class:`~airflow_emrs_ext.operators._base.operator.EmrOperator`
    :return: :class:`~airflow_emrs_ext.results.JobRunResult`
    :raises JobRunFailed, JobRunCancelled: it ended another way
    """

    template_fields: Sequence[str] = aws_template_fields(
        "application_id", "job_run_id", "target_states", "notification_queue"
    )

    @property
    def kind(self) -> JobRun:
        """The kind of resource."""
        from airflow_emrs_ext.resources import JOB_RUN

        return JOB_RUN

    def __init__(
        self,
        *,
        application_id: Any,
        job_run_id: Any,
        target_states: Iterable[str] = (JobRunState.SUCCESS,),
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
        super().__init__(**passed_on(locals(), "application_id", "job_run_id"))
        self.application_id = application_id
        self.job_run_id = job_run_id


class EmrServerlessSessionSensor(EmrSensor, ServerlessMixin):
    """Wait for a state of an EMR Serverless session (GetSession).

    :param session: the result of the operator that started it
    :param application_id: of the application, where no ``session`` is given
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
    :return: :class:`~airflow_emrs_ext.results.SessionResult`
    :raises SessionEnded: it ended instead
    """

    template_fields: Sequence[str] = aws_template_fields("session", "application_id", "session_id", "target_states")

    @property
    def kind(self) -> Session:
        """The kind of resource."""
        from airflow_emrs_ext.resources import SESSION

        return SESSION

    def __init__(
        self,
        *,
        session: Any = None,
        application_id: Any = None,
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
        super().__init__(**passed_on(locals(), "session", "application_id", "session_id"))
        self.session = session
        self.application_id = application_id
        self.session_id = session_id

    def _ids(self) -> dict[str, str]:
        return session_ids(self.session, self.application_id, self.session_id)
