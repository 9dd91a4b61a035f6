"""Operators for steps of clusters of EMR on EC2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.aws.ownership_tags import TaskIdentity, digested
from airflow_emrs_ext.core import lineage
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.links.runs import LinksOf
from airflow_emrs_ext.operators._base.checks import check_choice
from airflow_emrs_ext.operators._base.connection import Ec2Mixin, aws_template_fields, passed_on
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
    from airflow_emrs_ext.resources import Step

Structure = Mapping[str, Any]

ActionOnFailure = Literal["CONTINUE", "CANCEL_AND_WAIT", "TERMINATE_CLUSTER"]
"""What the cluster does once a step has failed."""

StepCancellationOption = Literal["SEND_INTERRUPT", "TERMINATE_PROCESS"]
"""How a running step is ended."""


class EmrOnEc2AddStepOperator(StartingJobRunOperator, Ec2Mixin):
    """Add a step to a cluster of EMR on EC2 and wait for it (AddJobFlowSteps).

    The operation takes no client token, and a step no tags, so that its name ends with digests that tell whose it is:
    ``<name> [emrs-ext …]``. By them a request after a lost answer, and a try that follows a lost worker, finds the step
    that is there, pending, running or done (ListSteps), and adds no second one. If the wait ends before the step does
    (deadline, kill), the step is cancelled unless told otherwise.

    :param cluster_id: of the cluster, or a result that contains it
    :param job_driver: what spark-submit runs on the cluster: ``{"sparkSubmit": {…}}``, which
        :func:`~airflow_emrs_ext.job_spec.spark_submit` builds
    :param hadoop_jar_step: what is run instead, in the API's own form:
        ``{"Jar": "command-runner.jar", "Args": ["hive-script", …]}``
    :param name: of the step; default ``<dag_id>.<task_id>``, with the index of a mapped task. The service takes 256
        characters, of which the digests need 78
    :param action_on_failure: what the cluster does if the step fails: ``CONTINUE`` (default) with the next one,
        ``CANCEL_AND_WAIT``: cancel those that are pending, ``TERMINATE_CLUSTER``
    :param execution_role_arn: ARN of the IAM role that the step runs with, on a cluster whose security configuration
        allows runtime roles; default: the cluster's instance profile
    :param wait_for: ``completion`` (default): until COMPLETED; ``running``: until it runs; ``submission``: not at all
    :param wait_for_completion: the Amazon provider's word for it: ``True`` is ``completion``, ``False`` ``submission``
    :param show_driver_logs: what the task log shows of the step's stdout and stderr: ``on_failure`` (default): what
        says why it has failed; ``always``: also the last lines of a success; ``live``: what the cluster has put on S3,
        while the task waits; ``never``: nothing is read. It takes the cluster's ``LogUri``
    :param cancel_on_kill: cancel the step when the task is killed, marked or cleared; a worker that is shut down
        leaves it to the task's next try, if there is one
    :param cancel_on_timeout: cancel the step when the wait ends before it does
    :param reattach: go on with the step that an earlier try of the task has added, as after the loss of a worker;
        ``False``: cancel that and add another
    :param submit_from: ``triggerer``: the task is deferred for its submission, too, and no worker waits meanwhile
    :param artifacts: S3 URI of a folder, e.g. ``s3://bucket/artifacts``, for files of ``job_driver`` that are beside
        the DAG file and named by their path from its folder: entry point, and entries of ``py_files`` (folders of
        Python modules, too), ``jars``, ``files`` and ``archives``. Each is put there under a name that its content
        gives, once, and never removed
    :param config: further members of the step in the API's own form, for what has no parameter here, such as
        ``{"StepMonitoringConfiguration": {…}}``
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's. Its retries
        do not apply: a step that botocore adds again would be another one
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
    :return: :class:`~airflow_emrs_ext.results.StepResult`
    :raises JobRunFailed: it ended FAILED or INTERRUPTED
    :raises JobRunCancelled: it was cancelled from outside
    :raises WaitTimeout: the deadline passed
    :raises RequestRejected: the service refused a parameter; the message names it and the remedy
    """

    operator_extra_links: Any = LinksOf("step")
    template_fields: Sequence[str] = aws_template_fields(
        "wait_timeout",
        "waiter_delay",
        "notification_queue",
        "cluster_id",
        "job_driver",
        "hadoop_jar_step",
        "name",
        "action_on_failure",
        "execution_role_arn",
        "config",
        "artifacts",
        "show_driver_logs",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "job_driver": "json",
        "hadoop_jar_step": "json",
        "config": "json",
    }

    @property
    def kind(self) -> Step:
        """The kind of resource."""
        from airflow_emrs_ext.resources import STEP

        return STEP

    def __init__(
        self,
        *,
        cluster_id: Any,
        job_driver: Structure | None = None,
        hadoop_jar_step: Structure | None = None,
        name: str | None = None,
        action_on_failure: ActionOnFailure = "CONTINUE",
        execution_role_arn: str | None = None,
        wait_for: WaitFor | None = None,
        wait_for_completion: bool | None = None,
        show_driver_logs: ShowDriverLogs = "on_failure",
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        reattach: bool = True,
        submit_from: SubmitFrom = "worker",
        artifacts: str | None = None,
        config: Mapping[str, Any] | None = None,
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
                "job_driver",
                "hadoop_jar_step",
                "action_on_failure",
                "execution_role_arn",
            )
        )
        self.cluster_id = cluster_id
        self.job_driver = job_driver
        self.hadoop_jar_step = hadoop_jar_step
        self.action_on_failure = action_on_failure
        self.execution_role_arn = execution_role_arn

    def attempts_parameter(self) -> tuple[str, str] | None:
        """The service makes one attempt."""
        return None

    def ownership(self, context: Context, given: Mapping[str, Any]) -> dict[str, Any]:
        """The name, and the tags that become a part of it."""
        identity = TaskIdentity.of(context)
        name = given.get("name") or identity.name
        fitting = self.kind.name_of(name)
        if "name" in given and fitting != name:
            raise ConfigurationError(
                f"`name` has {len(name)} characters; it may have {len(fitting)}: what tells whose it is needs the rest."
            )
        return {"name": fitting, "tags": digested(identity.tags)}

    def request(self, context: Context) -> dict[str, Any]:
        """AddJobFlowSteps', of one step."""
        from airflow_emrs_ext.aws.request_values import converted_member

        # Templates are rendered by now.
        check_choice("action_on_failure", self.action_on_failure, ActionOnFailure)
        if (self.job_driver is None) == (self.hadoop_jar_step is None):
            raise ConfigurationError("Give `job_driver` or `hadoop_jar_step`, and not both.")
        of_step = (self.kind.service, self.kind.starts, "Steps")
        members = converted_member(*of_step, value=self.config or {}, path="config")
        if own := [name for name in ("Name", "HadoopJarStep", "ActionOnFailure") if name in members]:
            raise ConfigurationError(f"`config` has {', '.join(own)}, for which there are parameters.")
        if self.hadoop_jar_step is None:
            what = {"job_driver": self._spark_submit()}
        else:
            path = "hadoop_jar_step"
            what = {path: converted_member(*of_step, "HadoopJarStep", value=self.hadoop_jar_step, path=path)}
        given = request_of(self.kind.service, self.kind.starts, None, execution_role_arn=self.execution_role_arn)
        name = {} if self.name is None else {"name": converted_member(*of_step, "Name", value=self.name, path="name")}
        whole = {
            **members,
            "ActionOnFailure": self.action_on_failure,
            **given,
            **what,
            **self.ownership(context, name),
            "cluster_id": self.id_of("cluster_id"),
        }
        return lineage.with_properties(lineage.named(whole), lineage.transport(context))

    def _spark_submit(self) -> dict[str, Any]:
        """The driver, with its options as text."""
        # It is described by the model of the service whose form it has.
        driver = request_of("emr-serverless", "start_job_run", None, job_driver=self.uploaded_driver())["job_driver"]
        if list(driver) != ["sparkSubmit"]:
            raise ConfigurationError(
                f"`job_driver` has {', '.join(driver) or 'nothing'}; it takes `sparkSubmit` alone. What else a cluster "
                "runs is a `hadoop_jar_step`."
            )
        found: dict[str, Any] = driver
        return found


class EmrOnEc2CancelStepOperator(CancellingJobRunOperator, Ec2Mixin):
    """Cancel a step of a cluster of EMR on EC2 and wait until it is over (CancelSteps); one that has ended is success.

    :param cluster_id: of the cluster, or a result that contains it
    :param step_id: of the step, or the result of the operator that added it
    :param step_cancellation_option: how a running step is ended: ``SEND_INTERRUPT`` or ``TERMINATE_PROCESS``; default:
        the service's, ``SEND_INTERRUPT``
    :param wait_for_completion: ``False``: request the cancellation and return
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's. Its retries
        do not apply: a step that botocore adds again would be another one
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
    :return: :class:`~airflow_emrs_ext.results.StepResult`; ``state`` tells how it ended
    :raises RequestRejected: the service says that it does not cancel the step
    """

    template_fields: Sequence[str] = aws_template_fields("wait_timeout", "waiter_delay", "cluster_id", "step_id")

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
        step_cancellation_option: StepCancellationOption | None = None,
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
        super().__init__(**passed_on(locals(), "cluster_id", "step_id", "step_cancellation_option"))
        self.cluster_id = cluster_id
        self.step_id = step_id
        self.step_cancellation_option = step_cancellation_option

    def members(self) -> dict[str, Any]:
        """How it is ended."""
        return {"step_cancellation_option": self.step_cancellation_option}
