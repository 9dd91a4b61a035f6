"""All operators of EMR on EKS."""

from __future__ import annotations

from airflow_emrs_ext.operators.containers_job_run import (
    EmrContainersCancelJobRunOperator,
    EmrContainersStartJobRunOperator,
)
from airflow_emrs_ext.operators.job_template import (
    EmrContainersCreateJobTemplateOperator,
    EmrContainersDeleteJobTemplateOperator,
)
from airflow_emrs_ext.operators.managed_endpoint import (
    EmrContainersCreateManagedEndpointOperator,
    EmrContainersDeleteManagedEndpointOperator,
    emr_containers_managed_endpoint,
)
from airflow_emrs_ext.operators.sweep import (
    EmrContainersSweepOperator,
)
from airflow_emrs_ext.operators.virtual_cluster import (
    EmrContainersCreateVirtualClusterOperator,
    EmrContainersDeleteVirtualClusterOperator,
)

__all__ = [
    "EmrContainersCancelJobRunOperator",
    "EmrContainersCreateJobTemplateOperator",
    "EmrContainersCreateManagedEndpointOperator",
    "EmrContainersCreateVirtualClusterOperator",
    "EmrContainersDeleteJobTemplateOperator",
    "EmrContainersDeleteManagedEndpointOperator",
    "EmrContainersDeleteVirtualClusterOperator",
    "EmrContainersStartJobRunOperator",
    "EmrContainersSweepOperator",
    "emr_containers_managed_endpoint",
]
