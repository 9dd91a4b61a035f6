"""The EMR on EC2 service of the local endpoint, without HTTP."""

from airflow_emrs_ext.local.services.emr_on_ec2.service import EmrOnEc2

__all__ = ["EmrOnEc2"]
