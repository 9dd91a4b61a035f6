"""The hook of Amazon EMR on EKS."""

from __future__ import annotations

from airflow_emrs_ext.aws import containers as api
from airflow_emrs_ext.hooks.base import EmrHook, verb


class EmrContainersHook(EmrHook):
    """Interact with Amazon EMR on EKS, patiently.

    Each method is one API operation (see :mod:`airflow_emrs_ext.aws.containers`), as those of
    :class:`~airflow_emrs_ext.hooks.serverless.EmrServerlessHook` are. Takes the parameters of
    :class:`~airflow_emrs_ext.hooks.base.EmrHook`.
    """

    service = "emr-containers"

    create_virtual_cluster = verb(api.create_virtual_cluster)
    describe_virtual_cluster = verb(api.describe_virtual_cluster)
    list_virtual_clusters = verb(api.list_virtual_clusters)
    delete_virtual_cluster = verb(api.delete_virtual_cluster)
    start_job_run = verb(api.start_job_run)
    describe_job_run = verb(api.describe_job_run)
    list_job_runs = verb(api.list_job_runs)
    cancel_job_run = verb(api.cancel_job_run)
    create_job_template = verb(api.create_job_template)
    describe_job_template = verb(api.describe_job_template)
    list_job_templates = verb(api.list_job_templates)
    delete_job_template = verb(api.delete_job_template)
    create_managed_endpoint = verb(api.create_managed_endpoint)
    describe_managed_endpoint = verb(api.describe_managed_endpoint)
    list_managed_endpoints = verb(api.list_managed_endpoints)
    delete_managed_endpoint = verb(api.delete_managed_endpoint)
    get_managed_endpoint_session_credentials = verb(api.get_managed_endpoint_session_credentials)
