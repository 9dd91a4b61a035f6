"""Operators that start, stop and delete an EMR Serverless application."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.operators._base.connection import aws_template_fields, passed_on
from airflow_emrs_ext.operators._base.operator import EmrServerlessOperator

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import OperatorArgs


class _ExistingApplicationOperator(EmrServerlessOperator):
    """An operator that brings one application into another state."""

    template_fields: Sequence[str] = aws_template_fields("wait_timeout", "waiter_delay", "application_id")

    def __init__(self, *, application_id: Any, wait_for_completion: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.application_id = application_id
        self.wait_for_completion = wait_for_completion

    def _given_id(self) -> str:
        return self.id_of("application_id")


class EmrServerlessStartApplicationOperator(_ExistingApplicationOperator):
    """Start an EMR Serverless application and wait until it is STARTED (StartApplication).

    One that is started already is success; one that is stopping is started as soon as it has stopped.

    :param application_id: of the application, or the result of the operator that created it
    :param wait_for_completion: ``False``: request the start and return at least the ``application_id``
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
    :return: :class:`~airflow_emrs_ext.results.ApplicationResult`
    """

    def __init__(
        self,
        *,
        application_id: Any,
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
        super().__init__(**passed_on(locals()))

    def act(self, context: Context) -> dict[str, Any]:
        """Request the start, then wait."""
        from airflow_emrs_ext.workflows.application import start_application

        return self.follow(
            context,
            start_application,
            application_id=self._given_id(),
            wait_for_completion=self.wait_for_completion,
        )


class EmrServerlessStopApplicationOperator(_ExistingApplicationOperator):
    """Stop an EMR Serverless application and wait until it is at rest (StopApplication).

    One that is at rest already is success.

    :param application_id: of the application, or the result of the operator that created it
    :param force_stop: end its active job runs (queued ones included) and sessions first, and wait for their end;
        without it the service refuses to stop an application that has any
    :param wait_for_completion: ``False``: request the stop and return at least the ``application_id``
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
    :return: :class:`~airflow_emrs_ext.results.ApplicationResult`
    """

    def __init__(
        self,
        *,
        force_stop: bool = False,
        application_id: Any,
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
        super().__init__(**passed_on(locals(), "force_stop"))
        self.force_stop = force_stop

    def act(self, context: Context) -> dict[str, Any]:
        """End what runs in it if asked, request the stop, then wait."""
        from airflow_emrs_ext.workflows.application import stop_application

        return self.follow(
            context,
            stop_application,
            application_id=self._given_id(),
            force_stop=self.force_stop,
            wait_for_completion=self.wait_for_completion,
        )


class EmrServerlessDeleteApplicationOperator(EmrServerlessStopApplicationOperator):
    """Stop an EMR Serverless application, delete it and wait until it is gone (DeleteApplication).

    One that is gone already is success.

    :param application_id: of the application, or the result of the operator that created it
    :param force_stop: end its active job runs (queued ones included) and sessions first
    :param wait_for_completion: ``False``: wait until it has stopped, request the deletion and return
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
    :return: ``application_id``, ``state`` and, where the service still tells, the rest
    """

    def __init__(
        self,
        *,
        force_stop: bool = False,
        application_id: Any,
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
        super().__init__(**passed_on(locals()))

    def act(self, context: Context) -> dict[str, Any]:
        """Stop it, request the deletion, then wait."""
        from airflow_emrs_ext.workflows.application import delete_application

        return self.follow(
            context,
            delete_application,
            application_id=self._given_id(),
            force_stop=self.force_stop,
            wait_for_completion=self.wait_for_completion,
        )
