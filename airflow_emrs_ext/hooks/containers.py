"""The hook of Amazon EMR on EKS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from airflow_emrs_ext.aws import containers as api
from airflow_emrs_ext.hooks.base import EmrHook
from airflow_emrs_ext.shared.states import EksJobRunState, ManagedEndpointState, VirtualClusterState

Structure = Mapping[str, Any]


class EmrContainersHook(EmrHook):
    """Interact with Amazon EMR on EKS, patiently.

    Each method is one API operation; they behave, and raise, as those of
    :class:`~airflow_emrs_ext.hooks.serverless.EmrServerlessHook`. Takes the parameters of
    :class:`~airflow_emrs_ext.hooks.base.EmrHook`.
    """

    service = "emr-containers"

    def create_virtual_cluster(
        self,
        *,
        name: str,
        container_provider: Structure,
        client_token: str,
        tags: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Create a virtual cluster (CreateVirtualCluster).

        :param name: a name for people; need not be unique
        :param container_provider: ``{"type": "EKS", "id": …, "info": {"eksInfo": {"namespace": …}}}``
        :param client_token: makes a repetition after a lost answer return what the first request has made
        :param tags: keys and values
        :param parameters: further members of the request in snake case, in the API's own form
        :return: ``id``, ``name`` and ``arn``
        """
        return self.run(
            api.create_virtual_cluster(
                self.run_context,
                name=name,
                container_provider=container_provider,
                client_token=client_token,
                tags=tags,
                **parameters,
            )
        )

    def describe_virtual_cluster(self, virtual_cluster_id: str) -> dict[str, Any]:
        """Describe a virtual cluster (DescribeVirtualCluster).

        :param virtual_cluster_id: of the virtual cluster
        :return: the ``virtualCluster`` structure
        """
        return self.run(api.describe_virtual_cluster(self.run_context, virtual_cluster_id))

    def list_virtual_clusters(
        self,
        *,
        container_provider_id: str | None = None,
        states: Iterable[VirtualClusterState] | None = None,
        created_at_after: datetime | None = None,
        created_at_before: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """List virtual clusters, all pages (ListVirtualClusters).

        :param container_provider_id: only those of the EKS cluster with this name; default: all
        :param states: only those in one of these states; default: all
        :param created_at_after: only those that were created after it; default: all
        :param created_at_before: only those that were created before it; default: all
        :return: VirtualCluster structures
        """
        return self.run(
            api.list_virtual_clusters(
                self.run_context,
                container_provider_id=container_provider_id,
                states=states,
                created_at_after=created_at_after,
                created_at_before=created_at_before,
            )
        )

    def delete_virtual_cluster(self, virtual_cluster_id: str) -> dict[str, Any]:
        """Delete a virtual cluster (DeleteVirtualCluster).

        :param virtual_cluster_id: of the virtual cluster
        :return: ``id``
        """
        return self.run(api.delete_virtual_cluster(self.run_context, virtual_cluster_id))

    def start_job_run(
        self,
        *,
        virtual_cluster_id: str,
        client_token: str,
        execution_role_arn: str | None = None,
        release_label: str | None = None,
        job_driver: Structure | None = None,
        configuration_overrides: Structure | None = None,
        job_template_id: str | None = None,
        job_template_parameters: Mapping[str, str] | None = None,
        retry_policy_configuration: Structure | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Start a job run (StartJobRun).

        :param virtual_cluster_id: of the virtual cluster
        :param client_token: makes a repetition after a lost answer return what the first request has made
        :param execution_role_arn: ARN of the IAM role that the Spark job runs with
        :param release_label: e.g. ``emr-7.9.0-latest``
        :param job_driver: ``{"sparkSubmitJobDriver": {…}}`` or ``{"sparkSqlJobDriver": {…}}``
        :param configuration_overrides: ``{"applicationConfiguration": […], "monitoringConfiguration": {…}}``
        :param job_template_id: of a job template, which says what is left out here
        :param job_template_parameters: values of the template's parameters
        :param retry_policy_configuration: ``{"maxAttempts": …}``
        :param name: a name for people; need not be unique
        :param tags: keys and values
        :param parameters: further members of the request in snake case, in the API's own form
        :return: ``id``, ``virtualClusterId``, ``name`` and ``arn``
        """
        return self.run(
            api.start_job_run(
                self.run_context,
                virtual_cluster_id=virtual_cluster_id,
                client_token=client_token,
                execution_role_arn=execution_role_arn,
                release_label=release_label,
                job_driver=job_driver,
                configuration_overrides=configuration_overrides,
                job_template_id=job_template_id,
                job_template_parameters=job_template_parameters,
                retry_policy_configuration=retry_policy_configuration,
                name=name,
                tags=tags,
                **parameters,
            )
        )

    def describe_job_run(self, virtual_cluster_id: str, job_run_id: str) -> dict[str, Any]:
        """Describe a job run (DescribeJobRun).

        :param virtual_cluster_id: of the virtual cluster
        :param job_run_id: of the job run
        :return: the ``jobRun`` structure
        """
        return self.run(api.describe_job_run(self.run_context, virtual_cluster_id, job_run_id))

    def list_job_runs(
        self,
        virtual_cluster_id: str,
        *,
        name: str | None = None,
        states: Iterable[EksJobRunState] | None = None,
        created_at_after: datetime | None = None,
        created_at_before: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """List the job runs of a virtual cluster, all pages (ListJobRuns).

        :param virtual_cluster_id: of the virtual cluster
        :param name: only those with this name; default: all
        :param states: only those in one of these states; default: all
        :param created_at_after: only those that were created after it; default: all
        :param created_at_before: only those that were created before it; default: all
        :return: JobRun structures
        """
        return self.run(
            api.list_job_runs(
                self.run_context,
                virtual_cluster_id,
                name=name,
                states=states,
                created_at_after=created_at_after,
                created_at_before=created_at_before,
            )
        )

    def cancel_job_run(self, virtual_cluster_id: str, job_run_id: str) -> dict[str, Any]:
        """Cancel a job run (CancelJobRun); refused for one that has ended.

        :param virtual_cluster_id: of the virtual cluster
        :param job_run_id: of the job run
        :return: ``id`` and ``virtualClusterId``
        """
        return self.run(api.cancel_job_run(self.run_context, virtual_cluster_id, job_run_id))

    def create_job_template(
        self,
        *,
        name: str,
        job_template_data: Structure,
        client_token: str,
        kms_key_arn: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Create a job template (CreateJobTemplate).

        :param name: a name for people; need not be unique
        :param job_template_data: what job runs of the template have in common
        :param client_token: makes a repetition after a lost answer return what the first request has made
        :param kms_key_arn: of the key that the template is encrypted with
        :param tags: keys and values
        :return: ``id``, ``name``, ``arn`` and ``createdAt``
        """
        return self.run(
            api.create_job_template(
                self.run_context,
                name=name,
                job_template_data=job_template_data,
                client_token=client_token,
                kms_key_arn=kms_key_arn,
                tags=tags,
            )
        )

    def describe_job_template(self, job_template_id: str) -> dict[str, Any]:
        """Describe a job template (DescribeJobTemplate).

        :param job_template_id: of the job template
        :return: the ``jobTemplate`` structure
        """
        return self.run(api.describe_job_template(self.run_context, job_template_id))

    def list_job_templates(
        self, *, created_at_after: datetime | None = None, created_at_before: datetime | None = None
    ) -> list[dict[str, Any]]:
        """List job templates, all pages (ListJobTemplates).

        :param created_at_after: only those that were created after it; default: all
        :param created_at_before: only those that were created before it; default: all
        :return: JobTemplate structures
        """
        return self.run(
            api.list_job_templates(
                self.run_context, created_at_after=created_at_after, created_at_before=created_at_before
            )
        )

    def delete_job_template(self, job_template_id: str) -> dict[str, Any]:
        """Delete a job template (DeleteJobTemplate).

        :param job_template_id: of the job template
        :return: ``id``
        """
        return self.run(api.delete_job_template(self.run_context, job_template_id))

    def create_managed_endpoint(
        self,
        *,
        virtual_cluster_id: str,
        name: str,
        type: str,
        release_label: str,
        execution_role_arn: str,
        client_token: str,
        configuration_overrides: Structure | None = None,
        tags: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Create a managed endpoint (CreateManagedEndpoint).

        :param virtual_cluster_id: of the virtual cluster
        :param name: a name for people; need not be unique
        :param type: e.g. ``JUPYTER_ENTERPRISE_GATEWAY``
        :param release_label: e.g. ``emr-7.9.0-latest``
        :param execution_role_arn: ARN of the IAM role that work in it runs with
        :param client_token: makes a repetition after a lost answer return what the first request has made
        :param configuration_overrides: ``{"applicationConfiguration": […], "monitoringConfiguration": {…}}``
        :param tags: keys and values
        :param parameters: further members of the request in snake case, in the API's own form
        :return: ``id``, ``virtualClusterId``, ``name`` and ``arn``
        """
        return self.run(
            api.create_managed_endpoint(
                self.run_context,
                virtual_cluster_id=virtual_cluster_id,
                name=name,
                type=type,
                release_label=release_label,
                execution_role_arn=execution_role_arn,
                client_token=client_token,
                configuration_overrides=configuration_overrides,
                tags=tags,
                **parameters,
            )
        )

    def describe_managed_endpoint(self, virtual_cluster_id: str, endpoint_id: str) -> dict[str, Any]:
        """Describe a managed endpoint (DescribeManagedEndpoint).

        :param virtual_cluster_id: of the virtual cluster
        :param endpoint_id: of the managed endpoint
        :return: the ``endpoint`` structure
        """
        return self.run(api.describe_managed_endpoint(self.run_context, virtual_cluster_id, endpoint_id))

    def list_managed_endpoints(
        self,
        virtual_cluster_id: str,
        *,
        states: Iterable[ManagedEndpointState] | None = None,
        created_at_after: datetime | None = None,
        created_at_before: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """List the managed endpoints of a virtual cluster, all pages (ListManagedEndpoints).

        :param virtual_cluster_id: of the virtual cluster
        :param states: only those in one of these states; default: all
        :param created_at_after: only those that were created after it; default: all
        :param created_at_before: only those that were created before it; default: all
        :return: Endpoint structures
        """
        return self.run(
            api.list_managed_endpoints(
                self.run_context,
                virtual_cluster_id,
                states=states,
                created_at_after=created_at_after,
                created_at_before=created_at_before,
            )
        )

    def delete_managed_endpoint(self, virtual_cluster_id: str, endpoint_id: str) -> dict[str, Any]:
        """Delete a managed endpoint (DeleteManagedEndpoint).

        :param virtual_cluster_id: of the virtual cluster
        :param endpoint_id: of the managed endpoint
        :return: ``id`` and ``virtualClusterId``
        """
        return self.run(api.delete_managed_endpoint(self.run_context, virtual_cluster_id, endpoint_id))

    def get_managed_endpoint_session_credentials(
        self,
        virtual_cluster_id: str,
        endpoint_id: str,
        *,
        execution_role_arn: str,
        duration_in_seconds: int | None = None,
    ) -> dict[str, Any]:
        """Get a new token for a managed endpoint (GetManagedEndpointSessionCredentials).

        :param virtual_cluster_id: of the virtual cluster
        :param endpoint_id: of the managed endpoint
        :param execution_role_arn: ARN of the IAM role that it is good for
        :param duration_in_seconds: how long it is good; the service's default is 900, its limit 43200
        :return: ``credentials`` with a ``token``, and ``expiresAt``; the token is a secret: whoever has it runs code
            with the role
        """
        return self.run(
            api.get_managed_endpoint_session_credentials(
                self.run_context,
                virtual_cluster_id,
                endpoint_id,
                execution_role_arn=execution_role_arn,
                duration_in_seconds=duration_in_seconds,
            )
        )
