"""Operators for EMR on EKS managed endpoints, and a context manager that wraps tasks into one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.core import lineage
from airflow_emrs_ext.links.runs import LinksOf
from airflow_emrs_ext.operators._base.connection import ContainersMixin, aws_template_fields, passed_on
from airflow_emrs_ext.operators._base.idempotent_start import Event
from airflow_emrs_ext.operators._base.operator import EmrContainersOperator
from airflow_emrs_ext.operators._base.parameters import id_of
from airflow_emrs_ext.operators._base.spark_connect_server import (
    OverridingSparkConnectServerOperator,
    Structure,
    wrapped,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import ManagedEndpointArgs, OperatorArgs
    from airflow_emrs_ext.operators._base.xcom_args import ResultArg
    from airflow_emrs_ext.resources import ManagedEndpoint


class EmrContainersCreateManagedEndpointOperator(OverridingSparkConnectServerOperator, ContainersMixin):
    """Create an EMR on EKS managed endpoint and wait until it is ready (CreateManagedEndpoint).

    It is what a session is on EMR Serverless: tasks work in it with Spark Connect. A try that follows a lost worker
    finds the endpoint that the earlier try had created. If the task ends before the endpoint is ready (failure,
    deadline, kill), the endpoint is deleted unless told otherwise.

    :param virtual_cluster_id: of the virtual cluster, or the result of the operator that created it
    :param execution_role_arn: ARN of the IAM role that the endpoint assumes
    :param release_label: EMR release, emr-7.14.0 or newer for Spark Connect, e.g. ``emr-7.14.0-latest``
    :param name: of the endpoint; default ``<dag_id>.<task_id>``, with the index of a mapped task
    :param type: ``SPARK_CONNECT`` (default)
    :param runtime_configuration: Spark properties ``{"spark.executor.cores": 2}``, or a list of configurations in the
        API's own form ``[{"classification": "spark-defaults", "properties": {…}}]``
    :param configuration_overrides: the whole structure instead: ``{"applicationConfiguration": […],
        "monitoringConfiguration": {…}}``
    :param tags: of the endpoint, beside those that name DAG, run and task (``[emrs_ext] default_tags``)
    :param wait_for_completion: ``False``: return as soon as the endpoint has been requested
    :param delete_on_kill: delete the endpoint when the task is killed before the endpoint is ready
    :param delete_on_timeout: delete it when the wait ends before it is ready
    :param reattach: go on with the endpoint that an earlier try of the task has created, as after the loss of a worker;
        ``False``: delete that and create another
    :param config: further members of CreateManagedEndpoint in the API's own form, for what has no parameter here
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
    :return: :class:`~airflow_emrs_ext.results.ManagedEndpointResult`
    :raises SessionEnded: it ended before it was ready
    :raises WaitTimeout: the deadline passed
    :raises RequestRejected: the service refused a parameter; the message names it and the remedy
    """

    configurations = "applicationConfiguration"
    operator_extra_links: Any = LinksOf("managed_endpoint")
    template_fields: Sequence[str] = (
        *OverridingSparkConnectServerOperator.template_fields,
        "virtual_cluster_id",
        "release_label",
        "type",
    )

    @property
    def kind(self) -> ManagedEndpoint:
        """The kind of resource."""
        from airflow_emrs_ext.resources import MANAGED_ENDPOINT

        return MANAGED_ENDPOINT

    def __init__(
        self,
        *,
        virtual_cluster_id: Any,
        release_label: str,
        type: str = "SPARK_CONNECT",
        delete_on_kill: bool = True,
        delete_on_timeout: bool = True,
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
            **passed_on(locals(), "virtual_cluster_id", "release_label", "type", "delete_on_kill", "delete_on_timeout")
        )
        self.virtual_cluster_id = virtual_cluster_id
        self.release_label = release_label
        self.type = type
        self.delete_on_kill = delete_on_kill
        self.delete_on_timeout = delete_on_timeout

    def _ends_on(self, event: Event) -> bool:
        return self.delete_on_kill if event == "kill" else self.delete_on_timeout

    def request(self, context: Context) -> dict[str, Any]:
        """CreateManagedEndpoint's."""
        whole = {
            **self.given(context, release_label=self.release_label, type=self.type),
            "virtual_cluster_id": self.id_of("virtual_cluster_id"),
        }
        return lineage.with_properties(whole, lineage.transport(context))


class EmrContainersDeleteManagedEndpointOperator(EmrContainersOperator):
    """Delete an EMR on EKS managed endpoint and wait until it is gone (DeleteManagedEndpoint).

    One that has ended, or is not there any more, is success.

    :param endpoint: the result of the operator that created it
    :param virtual_cluster_id: of the virtual cluster, where no ``endpoint`` is given
    :param endpoint_id: of the endpoint, likewise
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
    :return: :class:`~airflow_emrs_ext.results.ManagedEndpointResult`
    """

    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout", "waiter_delay", "endpoint", "virtual_cluster_id", "endpoint_id"
    )

    def __init__(
        self,
        *,
        endpoint: Any = None,
        virtual_cluster_id: Any = None,
        endpoint_id: Any = None,
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
        super().__init__(**passed_on(locals(), "endpoint", "virtual_cluster_id", "endpoint_id", "wait_for_completion"))
        self.endpoint = endpoint
        self.virtual_cluster_id = virtual_cluster_id
        self.endpoint_id = endpoint_id
        self.wait_for_completion = wait_for_completion

    def act(self, context: Context) -> dict[str, Any]:
        """Request the end, then wait for it."""
        from airflow_emrs_ext.workflows.lifecycle import end

        ids = {
            "virtual_cluster_id": id_of(self.virtual_cluster_id or self.endpoint, "virtual_cluster_id"),
            "endpoint_id": id_of(self.endpoint_id or self.endpoint, "endpoint_id"),
        }
        return self.follow(context, end, kind="managed_endpoint", ids=ids, wait_for_completion=self.wait_for_completion)


@contextmanager
def emr_containers_managed_endpoint(
    *,
    virtual_cluster_id: Any,
    execution_role_arn: str,
    release_label: str,
    task_id: str = "endpoint",
    delete: Mapping[str, Any] | None = None,
    **parameters: Unpack[ManagedEndpointArgs],
) -> Iterator[ResultArg]:
    """Wrap tasks into a managed endpoint of their own: it is created before them and deleted after them.

    As :func:`~airflow_emrs_ext.operators.session.emr_serverless_session` does with a session.

    :param virtual_cluster_id: of the virtual cluster, or the result of the operator that created it
    :param execution_role_arn: ARN of the IAM role that the endpoint assumes
    :param release_label: EMR release
    :param task_id: the tasks are ``create_<task_id>`` and ``delete_<task_id>``
    :param delete: further parameters of the teardown, :class:`EmrContainersDeleteManagedEndpointOperator`; those of the
        connection are taken from ``parameters``
    :param parameters: further ones of :class:`EmrContainersCreateManagedEndpointOperator`
    :return: the reference to the endpoint for the tasks in the block
    """
    create = EmrContainersCreateManagedEndpointOperator(
        task_id=f"create_{task_id}",
        virtual_cluster_id=virtual_cluster_id,
        execution_role_arn=execution_role_arn,
        release_label=release_label,
        **parameters,
    )
    end = {"task_id": f"delete_{task_id}", "endpoint": create.output, **(delete or {})}
    with wrapped(create, EmrContainersDeleteManagedEndpointOperator, end, parameters) as endpoint:
        yield endpoint
