"""The operators of this package with the Amazon provider's names, parameters and results.

For DAGs that come from it: ``from airflow_emrs_ext.operators.emr import …`` in place of
``from airflow.providers.amazon.aws.operators.emr import …``, and nothing else changes. Results are the ids that its
operators return. What is waited for, found again by a retry, ended with its task, logged and linked is as of the
operators of this package that these are, whose results and parameters say more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_emrs_ext._compat import Context, mask_secret
from airflow_emrs_ext.core import settings
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.operators._base.connection import aws_template_fields, passed_on
from airflow_emrs_ext.operators._base.operator import EmrServerlessOperator
from airflow_emrs_ext.operators.application import EmrServerlessCreateApplicationOperator as _CreateApplication
from airflow_emrs_ext.operators.application_state import (
    EmrServerlessDeleteApplicationOperator,
    EmrServerlessStopApplicationOperator,
)
from airflow_emrs_ext.operators.containers_job_run import EmrContainersStartJobRunOperator
from airflow_emrs_ext.operators.job_run import EmrServerlessStartJobRunOperator
from airflow_emrs_ext.operators.session import (
    EmrServerlessStartSessionOperator,
    EmrServerlessTerminateSessionOperator,
)
from airflow_emrs_ext.operators.virtual_cluster import EmrContainersCreateVirtualClusterOperator

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import JobRunOperatorArgs, OperatorArgs

Structure = Mapping[str, Any]

__all__ = [
    "EmrContainerOperator",
    "EmrEksCreateClusterOperator",
    "EmrServerlessCreateApplicationOperator",
    "EmrServerlessDeleteApplicationOperator",
    "EmrServerlessGetSessionEndpointOperator",
    "EmrServerlessStartJobOperator",
    "EmrServerlessStartSessionOperator",
    "EmrServerlessStopApplicationOperator",
    "EmrServerlessStopSessionOperator",
    "EmrServerlessTerminateSessionOperator",
]

EmrServerlessStopSessionOperator = EmrServerlessTerminateSessionOperator


class EmrServerlessCreateApplicationOperator(_CreateApplication):
    """Create an EMR Serverless application and start it (CreateApplication, StartApplication).

    :param release_label: EMR release, e.g. ``emr-7.9.0``
    :param job_type: ``SPARK`` or ``HIVE``
    :param client_request_token: idempotency token of your own; default: the task's
    :param config: further members of CreateApplication in the API's own form
    :param wait_for_completion: wait until it is STARTED; ``False``: return once it is being created; its first job
        run starts it
    :param waiter_max_attempts: times ``waiter_delay``, or 60 s without that: how long to wait at most; default: without
        limit
    :param waiter_delay: longest pause between two looks, in seconds; default ``[emrs_ext] waiter_delay``
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :return: the id of the application
    """

    returns: ClassVar[str | None] = "application_id"

    def __init__(
        self,
        *,
        release_label: str,
        job_type: str,
        client_request_token: str = "",
        config: Structure | None = None,
        wait_for_completion: bool = True,
        waiter_max_attempts: int | None = None,
        waiter_delay: float | None = None,
        deferrable: bool | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        given = passed_on(locals(), "client_request_token")
        given.setdefault("start_application", True)
        super().__init__(client_request_token=client_request_token or None, **given)


class EmrServerlessStartJobOperator(EmrServerlessStartJobRunOperator):
    """Submit an EMR Serverless job run and wait for it (StartJobRun).

    :param application_id: of the application
    :param execution_role_arn: ARN of the IAM role that the job run assumes
    :param job_driver: what is run, in the API's own form
    :param configuration_overrides: in the API's own form
    :param client_request_token: idempotency token of your own; default: the task's
    :param config: further members of StartJobRun in the API's own form
    :param wait_for_completion: ``False``: return once it is submitted
    :param name: of the job run; default ``<dag_id>.<task_id>``
    :param waiter_max_attempts: times ``waiter_delay``, or 60 s without that: how long to wait at most; default: without
        limit
    :param waiter_delay: longest pause between two looks, in seconds; default ``[emrs_ext] waiter_delay``
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``
    :param enable_application_ui_links: without effect: the links are always there
    :param cancel_on_kill: cancel the job run when the task is killed
    :param openlineage_inject_parent_job_info: what ``[openlineage] spark_inject_parent_job_info`` says
    :param openlineage_inject_transport_info: what ``[openlineage] spark_inject_transport_info`` says
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :return: the id of the job run
    :raises ConfigurationError: OpenLineage is to be injected otherwise than Airflow's configuration says
    """

    returns: ClassVar[str | None] = "job_run_id"

    def __init__(
        self,
        *,
        application_id: Any,
        execution_role_arn: str,
        job_driver: Structure,
        configuration_overrides: Structure | None = None,
        client_request_token: str = "",
        config: Structure | None = None,
        wait_for_completion: bool = True,
        name: str | None = None,
        waiter_max_attempts: int | None = None,
        waiter_delay: float | None = None,
        deferrable: bool | None = None,
        enable_application_ui_links: bool = False,
        cancel_on_kill: bool = True,
        openlineage_inject_parent_job_info: bool | None = None,
        openlineage_inject_transport_info: bool | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Unpack[JobRunOperatorArgs],
    ) -> None:
        given = passed_on(
            locals(),
            "client_request_token",
            "enable_application_ui_links",
            "openlineage_inject_parent_job_info",
            "openlineage_inject_transport_info",
        )
        _check_openlineage(openlineage_inject_parent_job_info, openlineage_inject_transport_info)
        super().__init__(client_request_token=client_request_token or None, **given)


class EmrContainerOperator(EmrContainersStartJobRunOperator):
    """Submit an EMR on EKS job run and wait for it (StartJobRun).

    :param name: of the job run
    :param virtual_cluster_id: of the virtual cluster
    :param execution_role_arn: ARN of the IAM role that the job run assumes
    :param release_label: EMR release, e.g. ``emr-7.9.0-latest``
    :param job_driver: what is run, in the API's own form
    :param configuration_overrides: in the API's own form
    :param client_request_token: idempotency token of your own; default: the task's
    :param wait_for_completion: ``False``: return once it is submitted
    :param poll_interval: longest pause between two looks, in seconds; default ``[emrs_ext] waiter_delay``, and 30 s
        where ``max_polling_attempts`` are counted
    :param tags: of the job run
    :param max_polling_attempts: together with ``poll_interval``: how long to wait at most; default: without limit
    :param job_retry_max_attempts: how many attempts the service makes
    :param deferrable: wait in the triggerer; default ``[operators] default_deferrable``
    :param cancel_on_kill: cancel the job run when the task is killed
    :param openlineage_inject_parent_job_info: what ``[openlineage] spark_inject_parent_job_info`` says
    :param openlineage_inject_transport_info: what ``[openlineage] spark_inject_transport_info`` says
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :return: the id of the job run
    :raises ConfigurationError: OpenLineage is to be injected otherwise than Airflow's configuration says
    """

    returns: ClassVar[str | None] = "job_run_id"

    def __init__(
        self,
        *,
        name: str,
        virtual_cluster_id: Any,
        execution_role_arn: str,
        release_label: str,
        job_driver: Structure,
        configuration_overrides: Structure | None = None,
        client_request_token: str | None = None,
        wait_for_completion: bool = True,
        poll_interval: float | None = None,
        tags: Mapping[str, str] | None = None,
        max_polling_attempts: int | None = None,
        job_retry_max_attempts: int | None = None,
        deferrable: bool | None = None,
        cancel_on_kill: bool = True,
        openlineage_inject_parent_job_info: bool | None = None,
        openlineage_inject_transport_info: bool | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        given = passed_on(
            locals(),
            "poll_interval",
            "max_polling_attempts",
            "openlineage_inject_parent_job_info",
            "openlineage_inject_transport_info",
        )
        given["job_retry_max_attempts"] = job_retry_max_attempts or None
        _check_openlineage(openlineage_inject_parent_job_info, openlineage_inject_transport_info)
        if poll_interval is None and max_polling_attempts:
            poll_interval = 30
        super().__init__(waiter_delay=poll_interval, waiter_max_attempts=max_polling_attempts or None, **given)


class EmrEksCreateClusterOperator(EmrContainersCreateVirtualClusterOperator):
    """Create an EMR on EKS virtual cluster (CreateVirtualCluster).

    :param virtual_cluster_name: of the virtual cluster
    :param eks_cluster_name: of the Amazon EKS cluster
    :param eks_namespace: of the EKS cluster, for one virtual cluster only
    :param virtual_cluster_id: without effect: it is the result
    :param tags: of the virtual cluster
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :return: the id of the virtual cluster
    """

    returns: ClassVar[str | None] = "virtual_cluster_id"

    def __init__(
        self,
        *,
        virtual_cluster_name: str,
        eks_cluster_name: str,
        eks_namespace: str,
        virtual_cluster_id: str = "",
        tags: Mapping[str, str] | None = None,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        super().__init__(name=virtual_cluster_name, **passed_on(locals(), "virtual_cluster_name", "virtual_cluster_id"))


class EmrServerlessGetSessionEndpointOperator(EmrServerlessOperator):
    """Describe the Spark Connect endpoint of a session, with a token for it (GetSessionEndpoint).

    The token is in the result, and so in Airflow's database and shown to whoever may read the XComs of the task: work
    with ``@task.emr_serverless_session`` or
    :class:`~airflow_emrs_ext.hooks.spark_connect.EmrServerlessSparkConnectHook` instead, which keep it in memory.

    :param application_id: of the application
    :param session_id: of the session
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :return: ``endpoint``, ``auth_token`` and ``auth_token_expires_at``, a datetime
    """

    template_fields: Sequence[str] = aws_template_fields("application_id", "session_id")

    def __init__(
        self,
        *,
        application_id: Any,
        session_id: Any,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        super().__init__(**passed_on(locals(), "application_id", "session_id"))
        self.application_id = application_id
        self.session_id = session_id

    def act(self, context: Context) -> dict[str, Any]:
        """Ask for the endpoint."""
        found = self.hook.get_session_endpoint(self.id_of("application_id"), self.id_of("session_id"))
        mask_secret(found["authToken"])
        self.log.warning(
            "The token of session %s is in this task's XCom until %s. @task.emr_serverless_session keeps it in memory.",
            self.session_id,
            found["authTokenExpiresAt"],
        )
        return {
            "endpoint": found["endpoint"],
            "auth_token": found["authToken"],
            "auth_token_expires_at": found["authTokenExpiresAt"],
        }


def _check_openlineage(parent_job: bool | None, transport: bool | None) -> None:
    for name, wanted in (("parent_job", parent_job), ("transport", transport)):
        if wanted is not None and wanted != settings.injects_openlineage(name):
            raise ConfigurationError(
                f"`openlineage_inject_{name}_info` is {wanted}: here [openlineage] spark_inject_{name}_info says it, "
                "for all tasks. Set that, or leave the parameter out."
            )
