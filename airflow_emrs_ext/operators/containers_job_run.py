"""Operators for EMR on EKS job runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.links.runs import LinksOf
from airflow_emrs_ext.operators._base.connection import ContainersMixin, aws_template_fields, passed_on
from airflow_emrs_ext.operators._base.job_run import (
    CancellingJobRunOperator,
    StartingJobRunOperator,
    SubmitFrom,
    WaitFor,
)
from airflow_emrs_ext.operators._base.parameters import request_of
from airflow_emrs_ext.workflows import ShowDriverLogs

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import OperatorArgs
    from airflow_emrs_ext.resources import EksJobRun

Structure = Mapping[str, Any]


class EmrContainersStartJobRunOperator(StartingJobRunOperator, ContainersMixin):
    """Start an EMR on EKS job run and wait for it (StartJobRun).

    A repetition of the request after a lost answer finds the same job run by its client token, and a try that follows a
    lost worker finds the job run that the earlier try had started, running or done. If the wait ends before the job run
    does (deadline, kill, a service that stays away), the job run is cancelled unless told otherwise.

    :param virtual_cluster_id: of the virtual cluster, or the result of the operator that created it
    :param execution_role_arn: ARN of the IAM role that the job run assumes; a template may name it instead
    :param release_label: EMR release, e.g. ``emr-7.9.0-latest``; a template may name it instead
    :param job_driver: ``{"sparkSubmitJobDriver": {…}}`` or ``{"sparkSqlJobDriver": {…}}``, which
        :func:`~airflow_emrs_ext.job_spec.eks_spark_submit` and :func:`~airflow_emrs_ext.job_spec.eks_spark_sql` build;
        a template may give it instead
    :param configuration_overrides: ``{"applicationConfiguration": […], "monitoringConfiguration": {…}}``, log rotation
        included; :func:`~airflow_emrs_ext.job_spec.eks_configuration_overrides` builds it
    :param job_template_id: of the job template to start, or the result of the operator that created it
    :param job_template_parameters: values of the template's parameters; numbers may be given as such, and ``None``
        leaves one to its default
    :param retry_policy_configuration: the service's own: ``{"maxAttempts": 3}``; needs release emr-6.9.0 or newer
    :param job_retry_max_attempts: the Amazon provider's word for it: the number alone
    :param name: of the job run; default ``<dag_id>.<task_id>``, with the index of a mapped task, in the 64 characters
        that the service allows
    :param tags: of the job run, beside those that name DAG, run and task (``[emrs_ext] default_tags``)
    :param wait_for: ``completion`` (default): until COMPLETED; ``running``: until it runs; ``submission``: not at all
    :param wait_for_completion: the Amazon provider's word for it: ``True`` is ``completion``, ``False`` ``submission``
    :param show_driver_logs: what the task log shows of the drivers' stdout and stderr: ``on_failure`` (default): what
        says why an attempt has failed; ``always``: also the last lines of a success; ``live``: every line, while the
        task waits; ``never``: nothing is read. It takes an S3 log URI or a CloudWatch log group.
    :param cancel_on_kill: cancel the job run when the task is killed, marked or cleared; a worker that is shut down
        leaves it to the task's next try, if there is one
    :param cancel_on_timeout: cancel the job run when the wait ends before it does
    :param reattach: go on with the job run that an earlier try of the task has started, as after the loss of a worker;
        ``False``: cancel that and start another
    :param client_request_token: idempotency token of your own: the job run that was started with it is the task's,
        whatever has become of it; default: the task's
    :param submit_from: ``triggerer``: the task is deferred for its submission, too; hundreds of mapped tasks are then
        submitted one by one by a process that knows the service's quota, and no worker waits meanwhile
    :param artifacts: S3 URI of a folder, e.g. ``s3://bucket/artifacts``, for files of ``job_driver`` that are beside
        the DAG file and named by their path from its folder: entry point, queries, and entries of ``py_files`` (folders
        of Python modules, too), ``jars``, ``files`` and ``archives``. Each is put there under a name that its content
        gives, once, and never removed
    :param config: further members of StartJobRun in the API's own form, for what has no parameter here
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
    :return: :class:`~airflow_emrs_ext.results.EksJobRunResult`
    :raises JobRunFailed: it ended FAILED
    :raises JobRunCancelled: it was cancelled from outside
    :raises WaitTimeout: the deadline passed
    :raises RequestRejected: the service refused a parameter; the message names it and the remedy
    """

    operator_extra_links: Any = LinksOf("eks_job_run")
    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout",
        "waiter_delay",
        "notification_queue",
        "virtual_cluster_id",
        "execution_role_arn",
        "release_label",
        "job_driver",
        "configuration_overrides",
        "job_template_id",
        "job_template_parameters",
        "retry_policy_configuration",
        "job_retry_max_attempts",
        "name",
        "tags",
        "client_request_token",
        "config",
        "artifacts",
        "show_driver_logs",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "job_driver": "json",
        "configuration_overrides": "json",
        "job_template_parameters": "json",
        "retry_policy_configuration": "json",
        "tags": "json",
        "config": "json",
    }

    @property
    def kind(self) -> EksJobRun:
        """The kind of resource."""
        from airflow_emrs_ext.resources import EKS_JOB_RUN

        return EKS_JOB_RUN

    def __init__(
        self,
        *,
        virtual_cluster_id: Any,
        execution_role_arn: str | None = None,
        release_label: str | None = None,
        job_driver: Structure | None = None,
        configuration_overrides: Structure | None = None,
        job_template_id: Any = None,
        job_template_parameters: Mapping[str, Any] | None = None,
        retry_policy_configuration: Structure | None = None,
        job_retry_max_attempts: int | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        wait_for: WaitFor | None = None,
        wait_for_completion: bool | None = None,
        show_driver_logs: ShowDriverLogs = "on_failure",
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        client_request_token: str | None = None,
        submit_from: SubmitFrom = "worker",
        artifacts: str | None = None,
        config: Mapping[str, Any] | None = None,
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
                "virtual_cluster_id",
                "execution_role_arn",
                "release_label",
                "job_driver",
                "configuration_overrides",
                "job_template_id",
                "job_template_parameters",
                "retry_policy_configuration",
                "job_retry_max_attempts",
                "tags",
                "client_request_token",
            )
        )
        self.virtual_cluster_id = virtual_cluster_id
        self.execution_role_arn = execution_role_arn
        self.release_label = release_label
        self.job_driver = job_driver
        self.configuration_overrides = configuration_overrides
        self.job_template_id = job_template_id
        self.job_template_parameters = job_template_parameters
        self.retry_policy_configuration = retry_policy_configuration
        self.job_retry_max_attempts = job_retry_max_attempts
        self.tags = tags
        self.client_request_token = client_request_token

    def attempts_parameter(self) -> tuple[str, str]:
        """The retry policy, or the Amazon provider's word for it."""
        member = "retry_policy_configuration"
        return member, member if self.job_retry_max_attempts is None else "job_retry_max_attempts"

    def request(self, context: Context) -> dict[str, Any]:
        """StartJobRun's."""
        member, parameter = self.attempts_parameter()
        policy, attempts = self.retry_policy_configuration, self.job_retry_max_attempts
        if policy is not None and attempts is not None:
            raise ConfigurationError("Give `retry_policy_configuration` or `job_retry_max_attempts`, not both.")
        given = request_of(
            self.kind.service,
            self.kind.starts,
            self.config,
            {member: parameter},
            execution_role_arn=self.execution_role_arn,
            release_label=self.release_label,
            job_driver=self.uploaded_driver(),
            configuration_overrides=self.configuration_overrides,
            job_template_id=None if self.job_template_id is None else self.id_of("job_template_id"),
            job_template_parameters=self.job_template_parameters,
            retry_policy_configuration=policy if attempts is None else {"maxAttempts": attempts},
            name=self.name,
            tags=self.tags,
        )
        if "job_template_id" not in given:
            missing = [name for name in ("execution_role_arn", "release_label", "job_driver") if name not in given]
            if missing:
                raise ConfigurationError(
                    f"Give {', '.join(f'`{name}`' for name in missing)}, or the `job_template_id` of a template that "
                    "says it."
                )
        whole = {
            **given,
            **self.ownership(context, given),
            "virtual_cluster_id": self.id_of("virtual_cluster_id"),
        }
        return self.completed(context, whole)


class EmrContainersCancelJobRunOperator(CancellingJobRunOperator, ContainersMixin):
    """Cancel an EMR on EKS job run and wait until it is over (CancelJobRun); one that has ended is success.

    :param virtual_cluster_id: of the virtual cluster, or a result that contains it
    :param job_run_id: of the job run, or the result of the operator that started it
    :param wait_for_completion: ``False``: request the cancellation and return
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
    :return: :class:`~airflow_emrs_ext.results.EksJobRunResult`; ``state`` tells how it ended
    """

    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout", "waiter_delay", "virtual_cluster_id", "job_run_id"
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
        super().__init__(**passed_on(locals(), "virtual_cluster_id", "job_run_id"))
        self.virtual_cluster_id = virtual_cluster_id
        self.job_run_id = job_run_id
