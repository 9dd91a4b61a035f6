"""Operators for EMR Serverless sessions, and a context manager that wraps tasks into one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pendulum

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.core import lineage
from airflow_emrs_ext.core.values import parsed, wrong
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.links.runs import LinksOf
from airflow_emrs_ext.operators._base.connection import ServerlessMixin, aws_template_fields, passed_on
from airflow_emrs_ext.operators._base.idempotent_start import Event
from airflow_emrs_ext.operators._base.operator import EmrServerlessOperator
from airflow_emrs_ext.operators._base.parameters import id_of, states_of
from airflow_emrs_ext.operators._base.spark_connect_server import OverridingSparkConnectServerOperator, wrapped
from airflow_emrs_ext.shared.states import SessionState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import OperatorArgs, SessionArgs
    from airflow_emrs_ext.operators._base.xcom_args import ResultArg
    from airflow_emrs_ext.resources import Session

Structure = Mapping[str, Any]

# The service's own default costs an hour of workers for each session that nobody ended.
_IDLE_TIMEOUT_MINUTES = 15


class EmrServerlessStartSessionOperator(OverridingSparkConnectServerOperator, ServerlessMixin):
    """Start an EMR Serverless session and wait until it is ready (StartSession).

    A try that follows a lost worker finds the session that the earlier try had started. If the task ends before the
    session is ready (failure, deadline, kill), the session is terminated unless told otherwise. The application needs
    release emr-7.13.0 or newer and ``interactive_configuration={"sessionEnabled": True}``.

    :param application_id: of the application, or the result of the operator that created it
    :param execution_role_arn: ARN of the IAM role that the session assumes
    :param name: of the session; default ``<dag_id>.<task_id>``, with the index of a mapped task
    :param idle_timeout_minutes: the service terminates the session when nothing has used it for so long; default 15
    :param runtime_configuration: Spark properties ``{"spark.executor.cores": 2}``, or a list of configurations in the
        API's own form ``[{"classification": "spark-defaults", "properties": {…}}]``
    :param configuration_overrides: the whole structure instead: ``{"runtimeConfiguration": […]}``
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
    :return: :class:`~airflow_emrs_ext.results.SessionResult`
    :raises SessionEnded: it ended before it was ready
    :raises WaitTimeout: the deadline passed
    :raises RequestRejected: the service refused a parameter; the message names it and the remedy
    """

    configurations = "runtimeConfiguration"
    operator_extra_links: Any = LinksOf("session")
    template_fields: Sequence[str] = (
        *OverridingSparkConnectServerOperator.template_fields,
        "application_id",
        "idle_timeout_minutes",
    )

    @property
    def kind(self) -> Session:
        """The kind of resource."""
        from airflow_emrs_ext.resources import SESSION

        return SESSION

    def __init__(
        self,
        *,
        application_id: Any,
        idle_timeout_minutes: int | None = None,
        terminate_on_kill: bool = True,
        terminate_on_timeout: bool = True,
        execution_role_arn: str,
        name: str | None = None,
        runtime_configuration: Structure | Sequence[Structure] | None = None,
        configuration_overrides: Structure | None = None,
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
            **passed_on(locals(), "application_id", "idle_timeout_minutes", "terminate_on_kill", "terminate_on_timeout")
        )
        self.application_id = application_id
        self.idle_timeout_minutes = idle_timeout_minutes
        self.terminate_on_kill = terminate_on_kill
        self.terminate_on_timeout = terminate_on_timeout

    def _ends_on(self, event: Event) -> bool:
        return self.terminate_on_kill if event == "kill" else self.terminate_on_timeout

    def request(self, context: Context) -> dict[str, Any]:
        """StartSession's."""
        whole = {
            "idle_timeout_minutes": _IDLE_TIMEOUT_MINUTES,
            **self.given(context, idle_timeout_minutes=self.idle_timeout_minutes),
            "application_id": self.id_of("application_id"),
        }
        transport = lineage.transport(context)
        if not (transport or lineage.parents(context)):
            return whole
        if lineage.spark_defaults((whole.get("configuration_overrides") or {}).get(self.configurations)) is None:
            # What a session gives replaces the application's, as a whole.
            application = self.hook.get_application(whole["application_id"])
            defaults = lineage.spark_defaults(application.get("runtimeConfiguration"))
            whole = lineage.with_properties(whole, defaults or {})
        return lineage.with_properties(whole, transport)


class _SessionOperator(EmrServerlessOperator):
    """An operator on one session.

    :param session: the result of the operator that started it
    :param application_id: of the application, where no ``session`` is given
    :param session_id: of the session, likewise
    """

    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout", "waiter_delay", "session", "application_id", "session_id"
    )

    def __init__(
        self, *, session: Any = None, application_id: Any = None, session_id: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.session = session
        self.application_id = application_id
        self.session_id = session_id


class EmrServerlessTerminateSessionOperator(_SessionOperator):
    """Terminate an EMR Serverless session and wait until it is over (TerminateSession).

    One that has ended, or is not there any more, is success.

    :param session: the result of the operator that started it
    :param application_id: of the application, where no ``session`` is given
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
    :return: :class:`~airflow_emrs_ext.results.SessionResult`
    """

    counts_cost = True

    def __init__(
        self,
        *,
        wait_for_completion: bool = True,
        session: Any = None,
        application_id: Any = None,
        session_id: Any = None,
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
        super().__init__(**passed_on(locals(), "wait_for_completion"))
        self.wait_for_completion = wait_for_completion

    def act(self, context: Context) -> dict[str, Any]:
        """Request the end, then wait for it."""
        from airflow_emrs_ext.workflows.session import terminate_session

        return self.follow(
            context,
            terminate_session,
            ids=session_ids(self.session, self.application_id, self.session_id),
            wait_for_completion=self.wait_for_completion,
        )


class EmrServerlessListSessionsOperator(EmrServerlessOperator):
    """List the sessions of an application (ListSessions).

    :param application_id: of the application, or a result that contains it
    :param states: list of states to show; default: all
    :param created_at_after: earliest start, a datetime or ISO 8601
    :param created_at_before: latest start, likewise
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
    :return: :class:`~airflow_emrs_ext.results.SessionsResult`
    """

    template_fields: Sequence[str] = aws_template_fields(
        "application_id", "states", "created_at_after", "created_at_before"
    )

    def __init__(
        self,
        *,
        application_id: Any,
        states: Iterable[str] | None = None,
        created_at_after: datetime | str | None = None,
        created_at_before: datetime | str | None = None,
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
        super().__init__(**passed_on(locals(), "application_id", "states", "created_at_after", "created_at_before"))
        self.application_id = application_id
        self.states = states
        self.created_at_after = created_at_after
        self.created_at_before = created_at_before

    def act(self, context: Context) -> dict[str, Any]:
        """Take every page."""
        from airflow_emrs_ext.resources import session_facts

        listed = self.hook.list_sessions(
            self.id_of("application_id"),
            states=None if self.states is None else states_of(self.states, SessionState, "states"),
            created_at_after=_moment(self.created_at_after, "created_at_after"),
            created_at_before=_moment(self.created_at_before, "created_at_before"),
        )
        self.log.info("%d sessions", len(listed))
        return {"sessions": [session_facts(session) for session in listed]}


@contextmanager
def emr_serverless_session(
    *,
    application_id: Any,
    execution_role_arn: str,
    task_id: str = "session",
    terminate: Mapping[str, Any] | None = None,
    **parameters: Unpack[SessionArgs],
) -> Iterator[ResultArg]:
    """Wrap tasks into a session of their own: it is started before them and terminated after them, whatever happens.

    The tasks that are made in the block lie between a setup and a teardown task, as Airflow's own do: the teardown runs
    whatever became of them, and clearing one of them starts the session again.

    :param application_id: of the application, or the result of the operator that created it
    :param execution_role_arn: ARN of the IAM role that the session assumes
    :param task_id: the tasks are ``start_<task_id>`` and ``terminate_<task_id>``
    :param terminate: further parameters of the teardown, :class:`EmrServerlessTerminateSessionOperator`; those of the
        connection are taken from ``parameters``
    :param parameters: further ones of :class:`EmrServerlessStartSessionOperator`
    :return: the reference to the session for the tasks in the block
    """
    start = EmrServerlessStartSessionOperator(
        task_id=f"start_{task_id}",
        application_id=application_id,
        execution_role_arn=execution_role_arn,
        **parameters,
    )
    end = {"task_id": f"terminate_{task_id}", "session": start.output, **(terminate or {})}
    with wrapped(start, EmrServerlessTerminateSessionOperator, end, parameters) as session:
        yield session


def session_ids(session: Any, application_id: Any = None, session_id: Any = None) -> dict[str, str]:
    """The ids of a session, given as a reference to it or by name.

    :raises ConfigurationError: they are neither
    """
    whole = parsed(session) if isinstance(session, str) else session
    if session is not None and not isinstance(whole, Mapping) and application_id is None:
        raise ConfigurationError(
            f"`session` is {session!r}; give the result of the operator that started it (`start.output`), or "
            "`application_id` and `session_id`."
        )
    return {
        "application_id": id_of(session if application_id is None else application_id, "application_id"),
        "session_id": id_of(session if session_id is None else session_id, "session_id"),
    }


def _moment(given: datetime | str | None, parameter: str) -> datetime | None:
    if given is None or isinstance(given, datetime):
        return given
    if not isinstance(given, str):
        raise wrong(given, parameter, "a datetime or ISO 8601")
    try:
        moment: Any = pendulum.parse(given)
    except ValueError:
        raise ConfigurationError(f"`{parameter}` is {given!r}; it takes a datetime or ISO 8601.") from None
    return cast("datetime", moment)
