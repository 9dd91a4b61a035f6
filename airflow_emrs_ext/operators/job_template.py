"""Operators for EMR on EKS job templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_emrs_ext._compat import Context, tries_before_cleared
from airflow_emrs_ext.aws.ownership_tags import TaskIdentity, token
from airflow_emrs_ext.exceptions import RequestRejected, ResourceNotFound
from airflow_emrs_ext.operators._base.connection import aws_template_fields, passed_on
from airflow_emrs_ext.operators._base.operator import EmrContainersOperator
from airflow_emrs_ext.operators._base.parameters import request_of

Structure = Mapping[str, Any]

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.operators._base.airflow_args import OperatorArgs


class EmrContainersCreateJobTemplateOperator(EmrContainersOperator):
    """Create an EMR on EKS job template (CreateJobTemplate).

    ``${name}`` in any string of it stands for a parameter, which job runs give a value
    (:class:`~airflow_emrs_ext.operators.containers_job_run.EmrContainersStartJobRunOperator`).

    :param job_template_data: what job runs have in common, in the API's own form: ``executionRoleArn``,
        ``releaseLabel``, ``jobDriver``, ``configurationOverrides``, ``jobTags`` and ``parameterConfiguration``
        (``{"day": {"type": "STRING", "defaultValue": "2026-05-01"}}``, or ``NUMBER``)
    :param name: of the template; default ``<dag_id>.<task_id>``, with the index of a mapped task
    :param kms_key_arn: of the key that it is encrypted with
    :param tags: of the template
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
    :return: :class:`~airflow_emrs_ext.results.JobTemplateResult`
    :raises RequestRejected: the service refused a parameter; the message names it and the remedy
    """

    template_fields: Sequence[str] = aws_template_fields("job_template_data", "name", "kms_key_arn", "tags")
    template_fields_renderers: ClassVar[dict[str, str]] = {"job_template_data": "json", "tags": "json"}

    def __init__(
        self,
        *,
        job_template_data: Structure,
        name: str | None = None,
        kms_key_arn: str | None = None,
        tags: Mapping[str, str] | None = None,
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
        super().__init__(**passed_on(locals(), "job_template_data", "name", "kms_key_arn", "tags"))
        self.job_template_data = job_template_data
        self.name = name
        self.kms_key_arn = kms_key_arn
        self.tags = tags

    def act(self, context: Context) -> dict[str, Any]:
        """Create it; another try of the task finds it, unless a person has cleared the task or its data has changed."""
        from airflow_emrs_ext.resources import EKS_JOB_RUN, to_json

        identity = TaskIdentity.of(context)
        parameters = request_of(
            self.hook.service,
            "create_job_template",
            None,
            name=self.name or EKS_JOB_RUN.name_of(identity.name),
            job_template_data=self.job_template_data,
            kms_key_arn=self.kms_key_arn,
            tags=self.tags,
        )
        seed = identity.seed("job template", parameters, tries_before_cleared(context["ti"], self.retries))
        created = self._create(parameters, seed)
        facts = {
            "job_template_id": created["id"],
            "arn": created["arn"],
            "name": created["name"],
            "created_at": to_json(created["createdAt"]),
        }
        self.log.info("Job template %s", facts["job_template_id"])
        return facts

    def _create(self, parameters: Mapping[str, Any], seed: str) -> dict[str, Any]:
        """The first of the task's templates that is there: a client token outlives what it has created."""
        for generation in count():
            created = self.hook.create_job_template(**parameters, client_token=token(seed, generation))
            try:
                self.hook.describe_job_template(created["id"])
            except ResourceNotFound:
                self.log.info("Job template %s has been deleted: passed by", created["id"])
                continue
            return created
        raise AssertionError("unreachable: count() does not end")


class EmrContainersDeleteJobTemplateOperator(EmrContainersOperator):
    """Delete an EMR on EKS job template (DeleteJobTemplate); one that is not there is success.

    :param job_template_id: of the template, or the result of the operator that created it
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
    :return: ``job_template_id``
    """

    template_fields: Sequence[str] = aws_template_fields("job_template_id")

    def __init__(
        self,
        *,
        job_template_id: Any,
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
        super().__init__(**passed_on(locals(), "job_template_id"))
        self.job_template_id = job_template_id

    def act(self, context: Context) -> dict[str, Any]:
        """Delete it."""
        job_template_id = self.id_of("job_template_id")
        try:
            try:
                self.hook.delete_job_template(job_template_id)
            except RequestRejected:
                # The operation has no error of its own for one that is not there.
                self.hook.describe_job_template(job_template_id)
                raise
        except ResourceNotFound:
            self.log.info("Job template %s does not exist (any more)", job_template_id)
        return {"job_template_id": job_template_id}
