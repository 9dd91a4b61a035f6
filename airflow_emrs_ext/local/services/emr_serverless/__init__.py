"""The EMR Serverless service of the local endpoint, without HTTP."""

from airflow_emrs_ext.local.services.emr_serverless.service import EmrServerless

__all__ = ["EmrServerless"]
