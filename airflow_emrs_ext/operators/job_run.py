"""Operators for EMR Serverless job runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from airflow.providers.amazon.aws.utils.mixins import aws_template_fields

from airflow_emrs_ext import lineage
from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.links.serverless import LINKS
from airflow_emrs_ext.models import JOB_RUN
from airflow_emrs_ext.operators.base import EmrServerlessOperator, id_of, request, whole_number
from airflow_emrs_ext.operators.owning import OwningOperator
from airflow_emrs_ext.procedures.job_runs import ShowDriverLogs
from airflow_emrs_ext.states import JobRunState

Structure = Mapping[str, Any]
WaitFor = Literal["completion", "running", "submission"]
_TARGETS: Mapping[str, tuple[JobRunState, ...]] = {
    "completion": (JobRunState.SUCCESS,),
    # A short job run may be over before it was seen running.
    "running": (JobRunState.RUNNING, JobRunState.SUCCESS),
    "submission": (),
}


class EmrServerlessStartJobRunOperator(OwningOperator):
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
    :param execution_timeout_minutes: the service cancels the job run after this; default 720, ``0``: never; not for
        STREAMING
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
    :param config: further members of StartJobRun in the API's own form, for what has no parameter here
    :return: ``application_id``, ``job_run_id``, ``arn``, ``name``, ``mode``, ``type``, ``state``, ``state_details``,
        ``attempt``, ``attempts`` (each with ``attempt``, ``state``, ``state_details``, ``created_at``, ``updated_at``,
        ``log_locations``), ``diagnosis`` (of a failure: ``exception``, ``place``, ``why``, ``advice``), ``driver_logs``
        (what was shown at the end, for each attempt: ``attempt``, ``places``, ``text``, ``note``),
        ``created_at``, ``started_at``, ``ended_at``, ``updated_at``, ``queued_duration_milliseconds``,
        ``total_execution_duration_seconds``, ``total_resource_utilization`` and ``billed_resource_utilization``
        (``vcpu_hour``, ``memory_gb_hour``, ``storage_gb_hour``), ``cost`` (``amount``, ``currency``; ``None`` without
        ``[emrs_ext] prices``), ``architecture``, ``log_locations``, ``retry_policy``, ``monitoring_configuration``,
        ``tags``
    :raises JobRunFailed: it ended FAILED
    :raises JobRunCancelled: it was cancelled from outside, or by the service at its time limit
    :raises WaitTimeout: the deadline passed
    :raises RequestRejected: the service refused a parameter; the message names it and the remedy
    """

    kind = JOB_RUN
    counts_cost = True
    operator_extra_links = LINKS[JOB_RUN.key]
    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout",
        "waiter_delay",
        "application_id",
        "execution_role_arn",
        "job_driver",
        "configuration_overrides",
        "name",
        "mode",
        "job_retry_policy",
        "execution_iam_policy",
        "execution_timeout_minutes",
        "tags",
        "client_request_token",
        "config",
        "show_driver_logs",
    )
    template_fields_renderers = {  # noqa: RUF012 - Airflow declares it as an instance attribute
        "job_driver": "json",
        "configuration_overrides": "json",
        "job_retry_policy": "json",
        "execution_iam_policy": "json",
        "tags": "json",
        "config": "json",
    }

    def __init__(
        self,
        *,
        application_id: Any,
        execution_role_arn: str,
        job_driver: Structure,
        configuration_overrides: Structure | None = None,
        name: str | None = None,
        mode: str | None = None,
        retry_policy: Any = None,
        job_retry_policy: Structure | None = None,
        execution_iam_policy: Structure | None = None,
        execution_timeout_minutes: int | None = None,
        tags: Mapping[str, str] | None = None,
        wait_for: WaitFor | None = None,
        wait_for_completion: bool | None = None,
        show_driver_logs: ShowDriverLogs = "on_failure",
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        client_request_token: str | None = None,
        config: Structure | None = None,
        **kwargs: Any,
    ) -> None:
        # Airflow 3.3 gave every operator a retry_policy of its own, an object that evaluates exceptions.
        if hasattr(retry_policy, "evaluate"):
            kwargs["retry_policy"] = retry_policy
        elif retry_policy is not None:
            job_retry_policy = retry_policy
        super().__init__(**kwargs)
        self.application_id = application_id
        self.execution_role_arn = execution_role_arn
        self.job_driver = job_driver
        self.configuration_overrides = configuration_overrides
        self.name = name
        self.mode = mode
        self.job_retry_policy = job_retry_policy
        self.execution_iam_policy = execution_iam_policy
        self.execution_timeout_minutes = execution_timeout_minutes
        self.tags = tags
        self.wait_for = wait_for
        self.wait_for_completion = wait_for_completion
        self.show_driver_logs = show_driver_logs
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self.client_request_token = client_request_token
        self.config = config

    def act(self, context: Context) -> dict[str, Any]:
        """Submit the job run, then wait for it."""
        request = self._request(context)
        targets = self._targets(request.get("mode"))
        choices = get_args(ShowDriverLogs)
        if self.show_driver_logs not in choices:
            raise ConfigurationError(
                f"`show_driver_logs` is {self.show_driver_logs!r}; it takes one of {', '.join(choices)}."
            )
        self._warn_of_multiplied_retries()
        claimed = self.claim(context, request)
        self.own(context, {name: claimed[name] for name in JOB_RUN.id_names})
        if not targets:
            return {**self._ids, "arn": claimed["arn"]}
        return self.follow(
            context,
            "follow_job_run",
            **self._ids,
            target_states=[str(state) for state in targets],
            cancel_on_timeout=self.cancel_on_timeout,
            show_driver_logs=self.show_driver_logs,
        )

    def _warn_of_multiplied_retries(self) -> None:
        attempts = whole_number((self.job_retry_policy or {}).get("maxAttempts"), "retry_policy") or 1
        if attempts > 1 and self.retries:
            self.log.warning(
                "`retry_policy` lets the service make %d attempts of a job run, and `retries` lets Airflow start %d job"
                " runs: up to %d attempts. Leave the attempts to one of them.",
                attempts,
                self.retries + 1,
                attempts * (self.retries + 1),
            )

    def _targets(self, mode: str | None) -> Sequence[JobRunState]:
        wait_for = self.wait_for
        if wait_for is None and self.wait_for_completion is not None:
            wait_for = "completion" if self.wait_for_completion else "submission"
        if wait_for is None:
            wait_for = "running" if mode == "STREAMING" else "completion"
        if wait_for not in _TARGETS:
            raise ConfigurationError(f"`wait_for` is {wait_for!r}; it takes one of {', '.join(_TARGETS)}.")
        return _TARGETS[wait_for]

    def _request(self, context: Context) -> dict[str, Any]:
        retry_policy = self.job_retry_policy
        given = request(
            self.config,
            execution_role_arn=self.execution_role_arn,
            job_driver=self.job_driver,
            configuration_overrides=self.configuration_overrides,
            execution_iam_policy=self.execution_iam_policy,
            execution_timeout_minutes=whole_number(self.execution_timeout_minutes, "execution_timeout_minutes"),
            mode=self.mode,
            name=self.name,
            retry_policy=retry_policy
            and {key: whole_number(retry_policy[key], "retry_policy") for key in retry_policy},
            tags=self.tags,
        )
        whole = {
            **given,
            **self.ownership(context, given),
            "application_id": id_of(self.application_id, "application_id"),
        }
        return lineage.with_properties(lineage.named(whole), lineage.transport(context))


class EmrServerlessCancelJobRunOperator(EmrServerlessOperator):
    """Cancel an EMR Serverless job run and wait until it is over (CancelJobRun); one that has ended is success.

    :param application_id: of the application, or a result that contains it
    :param job_run_id: of the job run, or the result of the operator that started it
    :param shutdown_grace_period_seconds: how long a streaming job run may take to shut down before it is killed
    :param wait_for_completion: ``False``: request the cancellation and return
    :return: as :class:`EmrServerlessStartJobRunOperator`; ``state`` tells how it ended
    """

    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout", "waiter_delay", "application_id", "job_run_id", "shutdown_grace_period_seconds"
    )

    def __init__(
        self,
        *,
        application_id: Any,
        job_run_id: Any,
        shutdown_grace_period_seconds: int | None = None,
        wait_for_completion: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.application_id = application_id
        self.job_run_id = job_run_id
        self.shutdown_grace_period_seconds = shutdown_grace_period_seconds
        self.wait_for_completion = wait_for_completion

    def act(self, context: Context) -> dict[str, Any]:
        """Request the cancellation, then wait for the end."""
        return self.follow(
            context,
            "cancel_job_run" if self.wait_for_completion else "request_cancellation",
            application_id=id_of(self.application_id, "application_id"),
            job_run_id=id_of(self.job_run_id, "job_run_id"),
            shutdown_grace_period_seconds=whole_number(
                self.shutdown_grace_period_seconds, "shutdown_grace_period_seconds"
            ),
        )
