"""Operators for sessions of clusters of EMR on EC2, and a context manager that wraps tasks into one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.core import lineage
from airflow_emrs_ext.links.runs import LinksOf
from airflow_emrs_ext.operators._base.connection import Ec2Mixin, aws_template_fields, passed_on
from airflow_emrs_ext.operators._base.idempotent_start import Event
from airflow_emrs_ext.operators._base.operator import EmrOnEc2Operator
from airflow_emrs_ext.operators._base.parameters import id_of, states_of
from airflow_emrs_ext.operators._base.spark_connect_server import StartingSparkConnectServerOperator, Structure, wrapped
from airflow_emrs_ext.shared.states import SessionState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import ClusterSessionArgs, OperatorArgs
    from airflow_emrs_ext.operators._base.xcom_args import ResultArg
    from airflow_emrs_ext.resources import ClusterSession

# A session that nobody ended keeps memory and cores of the cluster from others.
_IDLE_TIMEOUT_MINUTES = 15


class EmrOnEc2StartSessionOperator(StartingSparkConnectServerOperator, Ec2Mixin):
    """Start a session on a cluster of EMR on EC2 and wait until it is ready (StartSession).

    A try that follows a lost worker finds the session that the earlier try had started. If the task ends before the
    session is ready (failure, deadline, kill), the session is terminated unless told otherwise. The cluster is RUNNING
    or WAITING, has release emr-spark-8.0.0 or newer, and was created with ``SessionEnabled``.

    :param cluster_id: of the cluster, or a result that contains it
    :param execution_role_arn: ARN of the IAM role that the session assumes; default: the cluster's own
    :param name: of the session; default ``<dag_id>.<task_id>``, with the index of a mapped task
    :param idle_timeout_minutes: the service terminates the session when nothing has used it for so long; default 15
    :param runtime_configuration: Spark properties ``{"spark.executor.cores": 2}``, or a list of configurations in the
        API's own form ``[{"Classification": "spark-defaults", "Properties": {…}}]``
    :param monitoring_configuration: where the session's logs go, in the API's own form:
        ``{"S3LoggingConfiguration": {"Enabled": True, "LogUri": "s3://…"}}``
    :param tags: of the session, beside those that name DAG, run and task (``[emrs_ext] default_tags``)
    :param wait_for_completion: ``False``: return as soon as the session has been requested
    :param terminate_on_kill: terminate the session when the task is killed before the session is ready
    :param terminate_on_timeout: terminate it when the wait ends before it is ready
    :param reattach: go on with the session that an earlier try of the task has started, as after the loss of a worker;
        ``False``: terminate that and start another
    :param config: further members of StartSession in the API's own form, for what has no parameter here
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: longest pause between two looks while waiting, in seconds; default ``[emrs_ext] waiter_delay``,
        30 s. The first looks come sooner.
    :param wait_timeout: how long to wait at most, a timedelta or seconds; default: until ``execution_timeout`` if the
        task has one, else without limit
    :param waiter_max_attempts: another way to say ``wait_timeout``, for DAGs that come from the Amazon provider: the
        limit is ``waiter_max_attempts`` times ``waiter_delay``, or 60 s without that, as there
    :param deferrable: wait in the triggerer instead of a worker; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred task of changes of state; an empty one: none;
        default ``[emrs_ext] notification_queue``
    :param end_from_trigger: let the trigger end a deferred task that succeeds, so that no worker is started; takes
        Airflow 3.3. A worker ends the task as ever, and its log says why, where anything would be lost, such as
        callbacks, listeners and outlets. Default ``False``
    :return: :class:`~airflow_emrs_ext.results.ClusterSessionResult`
    :raises SessionEnded: it ended before it was ready
    :raises WaitTimeout: the deadline passed
    :raises RequestRejected: the service refused a parameter; the message names it and the remedy
    """

    operator_extra_links: Any = LinksOf("cluster_session")
    template_fields: Sequence[str] = (
        *StartingSparkConnectServerOperator.template_fields,
        "cluster_id",
        "idle_timeout_minutes",
        "monitoring_configuration",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **StartingSparkConnectServerOperator.template_fields_renderers,
        "monitoring_configuration": "json",
    }

    @property
    def kind(self) -> ClusterSession:
        """The kind of resource."""
        from airflow_emrs_ext.resources import CLUSTER_SESSION

        return CLUSTER_SESSION

    def __init__(
        self,
        *,
        cluster_id: Any,
        idle_timeout_minutes: int | None = None,
        monitoring_configuration: Structure | None = None,
        terminate_on_kill: bool = True,
        terminate_on_timeout: bool = True,
        execution_role_arn: str | None = None,
        name: str | None = None,
        runtime_configuration: Structure | Sequence[Structure] | None = None,
        tags: Mapping[str, str] | None = None,
        wait_for_completion: bool = True,
        config: Structure | None = None,
        reattach: bool = True,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        wait_timeout: timedelta | float | None = None,
        waiter_max_attempts: int | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        super().__init__(
            **passed_on(
                locals(),
                "cluster_id",
                "idle_timeout_minutes",
                "monitoring_configuration",
                "terminate_on_kill",
                "terminate_on_timeout",
            )
        )
        self.cluster_id = cluster_id
        self.idle_timeout_minutes = idle_timeout_minutes
        self.monitoring_configuration = monitoring_configuration
        self.terminate_on_kill = terminate_on_kill
        self.terminate_on_timeout = terminate_on_timeout

    def _ends_on(self, event: Event) -> bool:
        return self.terminate_on_kill if event == "kill" else self.terminate_on_timeout

    def configuration(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The engine configurations."""
        if self.runtime_configuration is None:
            return {}, {}
        return {"engine_configurations": self.classifications()}, {"engine_configurations": "runtime_configuration"}

    def request(self, context: Context) -> dict[str, Any]:
        """StartSession's."""
        given = self.given(
            context,
            {"session_idle_timeout_in_minutes": "idle_timeout_minutes"},
            session_idle_timeout_in_minutes=self.idle_timeout_minutes,
            monitoring_configuration=self.monitoring_configuration,
        )
        whole = {
            "session_idle_timeout_in_minutes": _IDLE_TIMEOUT_MINUTES,
            **given,
            "cluster_id": self.id_of("cluster_id"),
        }
        return lineage.with_properties(whole, lineage.transport(context))


class EmrOnEc2TerminateSessionOperator(EmrOnEc2Operator):
    """Terminate a session of a cluster of EMR on EC2 and wait until it is over (TerminateSession).

    One that has ended, or is not there any more, is success.

    :param session: the result of the operator that started it
    :param cluster_id: of the cluster, where no ``session`` is given
    :param session_id: of the session, likewise
    :param wait_for_completion: ``False``: request the end and return at least the ids
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: longest pause between two looks while waiting, in seconds; default ``[emrs_ext] waiter_delay``,
        30 s. The first looks come sooner.
    :param wait_timeout: how long to wait at most, a timedelta or seconds; default: until ``execution_timeout`` if the
        task has one, else without limit
    :param waiter_max_attempts: another way to say ``wait_timeout``, for DAGs that come from the Amazon provider: the
        limit is ``waiter_max_attempts`` times ``waiter_delay``, or 60 s without that, as there
    :param deferrable: wait in the triggerer instead of a worker; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred task of changes of state; an empty one: none;
        default ``[emrs_ext] notification_queue``
    :param end_from_trigger: let the trigger end a deferred task that succeeds, so that no worker is started; takes
        Airflow 3.3. A worker ends the task as ever, and its log says why, where anything would be lost, such as
        callbacks, listeners and outlets. Default ``False``
    :return: :class:`~airflow_emrs_ext.results.ClusterSessionResult`
    """

    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout", "waiter_delay", "session", "cluster_id", "session_id"
    )

    def __init__(
        self,
        *,
        session: Any = None,
        cluster_id: Any = None,
        session_id: Any = None,
        wait_for_completion: bool = True,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        wait_timeout: timedelta | float | None = None,
        waiter_max_attempts: int | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        super().__init__(**passed_on(locals(), "session", "cluster_id", "session_id", "wait_for_completion"))
        self.session = session
        self.cluster_id = cluster_id
        self.session_id = session_id
        self.wait_for_completion = wait_for_completion

    def act(self, context: Context) -> dict[str, Any]:
        """Request the end, then wait for it."""
        from airflow_emrs_ext.workflows.lifecycle import end

        ids = cluster_session_ids(self.session, self.cluster_id, self.session_id)
        return self.follow(context, end, kind="cluster_session", ids=ids, wait_for_completion=self.wait_for_completion)


class EmrOnEc2ListSessionsOperator(EmrOnEc2Operator):
    """List the sessions of a cluster of EMR on EC2 (ListSessions).

    :param cluster_id: of the cluster, or a result that contains it
    :param states: list of states to show; default: all
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: longest pause between two looks while waiting, in seconds; default ``[emrs_ext] waiter_delay``,
        30 s. The first looks come sooner.
    :param wait_timeout: how long to wait at most, a timedelta or seconds; default: until ``execution_timeout`` if the
        task has one, else without limit
    :param waiter_max_attempts: another way to say ``wait_timeout``, for DAGs that come from the Amazon provider: the
        limit is ``waiter_max_attempts`` times ``waiter_delay``, or 60 s without that, as there
    :param deferrable: wait in the triggerer instead of a worker; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred task of changes of state; an empty one: none;
        default ``[emrs_ext] notification_queue``
    :param end_from_trigger: let the trigger end a deferred task that succeeds, so that no worker is started; takes
        Airflow 3.3. A worker ends the task as ever, and its log says why, where anything would be lost, such as
        callbacks, listeners and outlets. Default ``False``
    :return: :class:`~airflow_emrs_ext.results.ClusterSessionsResult`
    """

    template_fields: Sequence[str] = aws_template_fields("cluster_id", "states")

    def __init__(
        self,
        *,
        cluster_id: Any,
        states: Iterable[str] | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        wait_timeout: timedelta | float | None = None,
        waiter_max_attempts: int | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        super().__init__(**passed_on(locals(), "cluster_id", "states"))
        self.cluster_id = cluster_id
        self.states = states

    def act(self, context: Context) -> dict[str, Any]:
        """Take every page."""
        from airflow_emrs_ext.resources import cluster_session_facts

        states = None if self.states is None else states_of(self.states, SessionState, "states")
        listed = self.hook.list_sessions(self.id_of("cluster_id"), states=states)
        self.log.info("%d sessions", len(listed))
        return {"sessions": [cluster_session_facts(session) for session in listed]}


@contextmanager
def emr_on_ec2_session(
    *,
    cluster_id: Any,
    task_id: str = "session",
    terminate: Mapping[str, Any] | None = None,
    **parameters: Unpack[ClusterSessionArgs],
) -> Iterator[ResultArg]:
    """Wrap tasks into a session of their own: it is started before them and terminated after them.

    As :func:`~airflow_emrs_ext.operators.session.emr_serverless_session` does with one of EMR Serverless.

    :param cluster_id: of the cluster, or a result that contains it
    :param task_id: the tasks are ``start_<task_id>`` and ``terminate_<task_id>``
    :param terminate: further parameters of the teardown, :class:`EmrOnEc2TerminateSessionOperator`; those of the
        connection are taken from ``parameters``
    :param parameters: further ones of :class:`EmrOnEc2StartSessionOperator`
    :return: the reference to the session for the tasks in the block
    """
    start = EmrOnEc2StartSessionOperator(task_id=f"start_{task_id}", cluster_id=cluster_id, **parameters)
    end = {"task_id": f"terminate_{task_id}", "session": start.output, **(terminate or {})}
    with wrapped(start, EmrOnEc2TerminateSessionOperator, end, parameters) as session:
        yield session


def cluster_session_ids(session: Any, cluster_id: Any = None, session_id: Any = None) -> dict[str, str]:
    """The ids of a session of a cluster, given as a reference to it or by name.

    :raises ConfigurationError: they are neither
    """
    return {
        "cluster_id": id_of(session if cluster_id is None else cluster_id, "cluster_id"),
        "session_id": id_of(session if session_id is None else session_id, "session_id", form="cluster_session_id"),
    }
