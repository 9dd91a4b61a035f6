"""All operators of EMR Serverless."""

from __future__ import annotations

from airflow_emrs_ext.operators.application import (
    EmrServerlessCreateApplicationOperator,
    EmrServerlessUpdateApplicationOperator,
)
from airflow_emrs_ext.operators.application_state import (
    EmrServerlessDeleteApplicationOperator,
    EmrServerlessStartApplicationOperator,
    EmrServerlessStopApplicationOperator,
)
from airflow_emrs_ext.operators.cost import (
    EmrServerlessCostOperator,
)
from airflow_emrs_ext.operators.job_run import (
    EmrServerlessCancelJobRunOperator,
    EmrServerlessStartJobRunOperator,
)
from airflow_emrs_ext.operators.session import (
    EmrServerlessListSessionsOperator,
    EmrServerlessStartSessionOperator,
    EmrServerlessTerminateSessionOperator,
    emr_serverless_session,
)
from airflow_emrs_ext.operators.spark import (
    EmrServerlessSparkSqlOperator,
)
from airflow_emrs_ext.operators.sweep import (
    EmrServerlessSweepOperator,
)

__all__ = [
    "EmrServerlessCancelJobRunOperator",
    "EmrServerlessCostOperator",
    "EmrServerlessCreateApplicationOperator",
    "EmrServerlessDeleteApplicationOperator",
    "EmrServerlessListSessionsOperator",
    "EmrServerlessSparkSqlOperator",
    "EmrServerlessStartApplicationOperator",
    "EmrServerlessStartJobRunOperator",
    "EmrServerlessStartSessionOperator",
    "EmrServerlessStopApplicationOperator",
    "EmrServerlessSweepOperator",
    "EmrServerlessTerminateSessionOperator",
    "EmrServerlessUpdateApplicationOperator",
    "emr_serverless_session",
]
