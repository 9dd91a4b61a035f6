"""Operators for EMR Serverless job runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.links.runs import LinksOf
from airflow_emrs_ext.operators._base.checks import check_structure
from airflow_emrs_ext.operators._base.connection import ServerlessMixin, aws_template_fields, passed_on
from airflow_emrs_ext.operators._base.job_run import (
    CancellingJobRunOperator,
    StartingJobRunOperator,
    SubmitFrom,
    WaitFor,
)
from airflow_emrs_ext.operators._base.parameters import flag, request_of, require, whole_number
from airflow_emrs_ext.workflows import ShowDriverLogs

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import JobRunOperatorArgs, OperatorArgs
    from airflow_emrs_ext.resources import JobRun

Structure = Mapping[str, Any]
Mode = Literal["BATCH", "STREAMING"]


class EmrServerlessStartJobRunOperator(StartingJobRunOperator, ServerlessMixin):
    """Start an EMR Serverless job run and wait for it (StartJobRun).

    A repetition of the request after a lost answer finds the same job run by its client token, and a try that follows a
    lost worker finds the job run that the earlier try had started, running or done. If the wait ends before the job run
    does (deadline, kill, a service that stays away), the job run is cancelled unless told otherwise.

    :param application_id: of the application, or the result of the operator that created it
    :param execution_role_arn: ARN of the IAM role that the job run assumes
    :param job_driver: ``{"sparkSubmit": {…}}`` or ``{"hive": {…}}``; :mod:`airflow_emrs_ext.job_spec` builds it
    :param configuration_overrides: ``{"applicationConfiguration": […], "monitoringConfiguration": {…}}``
    :param name: of the job run; default ``<dag_id>.<task_id>``, with the index of a mapped task
    :param mode: ``BATCH`` (the service's default) or ``STREAMING``
    :param retry_policy: the service's own: ``{"maxAttempts": 1..10}`` for BATCH,
        ``{"maxFailedAttemptsPerHour": 1..10}`` for STREAMING; needs release emr-7.1.0 or newer. A policy of Airflow's
        (3.3 and newer, ``ExceptionRetryPolicy`` and the like) under the same name stays Airflow's.
    :param job_retry_policy: the service's again, for tasks that have one of each
    :param execution_iam_policy: ``{"policy": <JSON string>, "policyArns": […]}``; the job run may do what both this and
        the role allow
    :param execution_timeout_minutes: the service cancels the job run after this; default 720, at most 10080 from
        release emr-7.11.0 on; before it ``0``: never; not for STREAMING
    :param flex_execution: run the executors on spare capacity, the driver on a Standard worker: it costs less, may
        start later and take longer, as capacity is taken back; Spark in BATCH mode only. Default ``False``
    :param tags: of the job run, beside those that name DAG, run and task (``[emrs_ext] default_tags``)
    :param wait_for: ``completion`` (default for BATCH): until SUCCESS; ``running`` (default for STREAMING): until it
        runs; ``submission``: not at all
    :param wait_for_completion: the Amazon provider's word for it: ``True`` is ``completion``, ``False`` ``submission``
    :param show_driver_logs: what the task log shows of the drivers' stdout and stderr: ``on_failure`` (default): what
        says why an attempt has failed; ``always``: also the last lines of a success; ``live``: every line, while the
        task waits; ``never``: nothing is read
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
    :return: :class:`~airflow_emrs_ext.results.JobRunResult`
    :raises JobRunFailed: it ended FAILED
    :raises JobRunCancelled: it was cancelled from outside, or by the service at its time limit
    :raises WaitTimeout: the deadline passed
    :raises RequestRejected: the service refused a parameter; the message names it and the remedy
    """

    counts_cost = True
    operator_extra_links: Any = LinksOf("job_run")
    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout",
        "waiter_delay",
        "notification_queue",
        "application_id",
        "execution_role_arn",
        "job_driver",
        "configuration_overrides",
        "name",
        "mode",
        "job_retry_policy",
        "execution_iam_policy",
        "execution_timeout_minutes",
        "flex_execution",
        "tags",
        "client_request_token",
        "config",
        "artifacts",
        "show_driver_logs",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "job_driver": "json",
        "configuration_overrides": "json",
        "job_retry_policy": "json",
        "execution_iam_policy": "json",
        "tags": "json",
        "config": "json",
    }

    @property
    def kind(self) -> JobRun:
        """The kind of resource."""
        from airflow_emrs_ext.resources import JOB_RUN

        return JOB_RUN

    def __init__(
        self,
        *,
        application_id: Any,
        execution_role_arn: str,
        job_driver: Structure,
        configuration_overrides: Structure | None = None,
        mode: Mode | None = None,
        retry_policy: Any = None,
        job_retry_policy: Structure | None = None,
        execution_iam_policy: Structure | None = None,
        execution_timeout_minutes: int | None = None,
        flex_execution: bool | None = None,
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
        **kwargs: Unpack[JobRunOperatorArgs],
    ) -> None:
        given = passed_on(
            locals(),
            "application_id",
            "execution_role_arn",
            "job_driver",
            "configuration_overrides",
            "mode",
            "retry_policy",
            "job_retry_policy",
            "execution_iam_policy",
            "execution_timeout_minutes",
            "flex_execution",
            "tags",
            "client_request_token",
        )
        # Airflow 3.3 gave every operator a retry_policy of its own, an object that evaluates exceptions.
        if hasattr(retry_policy, "evaluate"):
            given["retry_policy"] = retry_policy
        elif retry_policy is not None:
            check_structure("retry_policy", retry_policy)
            job_retry_policy = retry_policy
        super().__init__(**given)
        self.application_id = application_id
        self.execution_role_arn = execution_role_arn
        self.job_driver = job_driver
        self.configuration_overrides = configuration_overrides
        self.mode = mode
        self.job_retry_policy = job_retry_policy
        self.execution_iam_policy = execution_iam_policy
        self.execution_timeout_minutes = execution_timeout_minutes
        self.flex_execution = flex_execution
        self.tags = tags
        self.client_request_token = client_request_token

    def attempts_parameter(self) -> tuple[str, str]:
        """The retry policy."""
        return "retry_policy", "retry_policy"

    def request(self, context: Context) -> dict[str, Any]:
        """StartJobRun's."""
        flex = self.flex_execution
        given = request_of(
            self.kind.service,
            self.kind.starts,
            self.config,
            execution_role_arn=self.execution_role_arn,
            job_driver=self.uploaded_driver(),
            configuration_overrides=self.configuration_overrides,
            execution_iam_policy=self.execution_iam_policy,
            execution_timeout_minutes=self.execution_timeout_minutes,
            flex_execution=None if flex is None else {"enabled": flag(flex, "flex_execution")},
            mode=self.mode,
            name=self.name,
            retry_policy=self.job_retry_policy,
            tags=self.tags,
        )
        require(given, "execution_role_arn", "job_driver")
        whole = {
            **given,
            **self.ownership(context, given),
            "application_id": self.id_of("application_id"),
        }
        return self.completed(context, whole)


class EmrServerlessCancelJobRunOperator(CancellingJobRunOperator, ServerlessMixin):
    """Cancel an EMR Serverless job run and wait until it is over (CancelJobRun); one that has ended is success.

    :param application_id: of the application, or a result that contains it
    :param job_run_id: of the job run, or the result of the operator that started it
    :param shutdown_grace_period_seconds: how long a streaming job run may take to shut down before it is killed
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
    :return: :class:`~airflow_emrs_ext.results.JobRunResult`; ``state`` tells how it ended
    """

    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout", "waiter_delay", "application_id", "job_run_id", "shutdown_grace_period_seconds"
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
        shutdown_grace_period_seconds: int | None = None,
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
        super().__init__(**passed_on(locals(), "application_id", "job_run_id", "shutdown_grace_period_seconds"))
        self.application_id = application_id
        self.job_run_id = job_run_id
        self.shutdown_grace_period_seconds = shutdown_grace_period_seconds

    def members(self) -> dict[str, Any]:
        """The grace period."""
        grace = whole_number(self.shutdown_grace_period_seconds, "shutdown_grace_period_seconds")
        return {"shutdown_grace_period_seconds": grace}
