"""The EMR on EKS service of the local endpoint, without HTTP."""

from airflow_emrs_ext.local.services.emr_containers.service import EmrContainers

__all__ = ["EmrContainers"]
