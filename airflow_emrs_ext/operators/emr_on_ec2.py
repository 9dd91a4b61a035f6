"""All operators of EMR on EC2."""

from __future__ import annotations

from airflow_emrs_ext.operators.ec2_session import (
    EmrOnEc2ListSessionsOperator,
    EmrOnEc2StartSessionOperator,
    EmrOnEc2TerminateSessionOperator,
    emr_on_ec2_session,
)
from airflow_emrs_ext.operators.ec2_step import (
    EmrOnEc2AddStepOperator,
    EmrOnEc2CancelStepOperator,
)
from airflow_emrs_ext.operators.sweep import (
    EmrOnEc2SweepOperator,
)

__all__ = [
    "EmrOnEc2AddStepOperator",
    "EmrOnEc2CancelStepOperator",
    "EmrOnEc2ListSessionsOperator",
    "EmrOnEc2StartSessionOperator",
    "EmrOnEc2SweepOperator",
    "EmrOnEc2TerminateSessionOperator",
    "emr_on_ec2_session",
]
