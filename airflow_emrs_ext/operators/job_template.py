"""Operators for EMR on EKS job templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from airflow_emrs_ext._compat import Context, tries_before_cleared
from airflow_emrs_ext.aws.ownership_tags import TaskIdentity, token
from airflow_emrs_ext.exceptions import RequestRejected, ResourceNotFound
from airflow_emrs_ext.operators._base.connection import aws_template_fields
from airflow_emrs_ext.operators._base.operator import EmrContainersOperator, id_of

Structure = Mapping[str, Any]


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
    :return: ``job_template_id``, ``arn``, ``name``, ``created_at``
    :raises RequestRejected: the service refused a parameter; the message names it and the remedy
    """

    template_fields: Sequence[str] = aws_template_fields("job_template_data", "name", "kms_key_arn", "tags")
    template_fields_renderers = {"job_template_data": "json", "tags": "json"}  # noqa: RUF012 - Airflow declares it so

    def __init__(
        self,
        *,
        job_template_data: Structure,
        name: str | None = None,
        kms_key_arn: str | None = None,
        tags: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job_template_data = job_template_data
        self.name = name
        self.kms_key_arn = kms_key_arn
        self.tags = tags

    def act(self, context: Context) -> dict[str, Any]:
        """Create it; another try of the task finds it, unless a person has cleared the task or its data has changed."""
        from airflow_emrs_ext.resources import EKS_JOB_RUN, to_json

        identity = TaskIdentity.of(context)
        parameters: dict[str, Any] = {
            "name": self.name or EKS_JOB_RUN.name_of(identity.name),
            "job_template_data": self.job_template_data,
            "kms_key_arn": self.kms_key_arn,
            "tags": self.tags,
        }
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
    :return: ``job_template_id``
    """

    template_fields: Sequence[str] = aws_template_fields("job_template_id")

    def __init__(self, *, job_template_id: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_template_id = job_template_id

    def act(self, context: Context) -> dict[str, Any]:
        """Delete it."""
        job_template_id = id_of(self.job_template_id, "job_template_id")
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
