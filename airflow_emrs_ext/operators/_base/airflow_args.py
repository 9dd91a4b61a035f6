"""The parameters that operators and sensors have of Airflow, for type checkers: each version takes its own of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from typing_extensions import Required, TypedDict

_Callback: TypeAlias = Any


class JobRunOperatorArgs(TypedDict, total=False):
    """Those of Airflow's ``BaseOperator``, for an operator that has a ``retry_policy`` of its own."""

    task_id: Required[str]
    allow_nested_operators: bool
    dag: Any
    default_args: Mapping[str, Any] | None
    depends_on_past: bool
    do_xcom_push: bool
    doc: str | None
    doc_json: str | None
    doc_md: str | None
    doc_rst: str | None
    doc_yaml: str | None
    email: str | Sequence[str] | None
    email_on_failure: bool
    email_on_retry: bool
    end_date: datetime | None
    execution_timeout: timedelta | None
    executor: str | None
    executor_config: dict[str, Any] | None
    ignore_first_depends_on_past: bool
    inlets: Any
    logger_name: str | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    max_retry_delay: timedelta | float | None
    multiple_outputs: bool
    on_execute_callback: _Callback | Collection[_Callback] | None
    on_failure_callback: _Callback | Collection[_Callback] | None
    on_retry_callback: _Callback | Collection[_Callback] | None
    on_skipped_callback: _Callback | Collection[_Callback] | None
    on_success_callback: _Callback | Collection[_Callback] | None
    outlets: Any
    owner: str
    params: MutableMapping[str, Any] | None
    pool: str | None
    pool_slots: int
    post_execute: Any
    pre_execute: Any
    priority_weight: int
    queue: str
    render_template_as_native_obj: bool | None
    resources: dict[str, Any] | None
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: bool | float
    run_as_user: str | None
    sla: timedelta | None
    start_date: datetime | None
    task_concurrency: int | None
    task_display_name: str | None
    task_group: Any
    trigger_rule: str
    wait_for_downstream: bool
    wait_for_past_depends_before_skipping: bool
    weight_rule: Any


class OperatorArgs(JobRunOperatorArgs, total=False):
    """Those of Airflow's ``BaseOperator``."""

    retry_policy: Any


class SensorArgs(OperatorArgs, total=False):
    """Those of Airflow's ``BaseSensorOperator``."""

    exponential_backoff: bool
    max_wait: timedelta | float | None
    mode: Literal["poke", "reschedule"]
    never_fail: bool
    poke_interval: timedelta | float
    silent_fail: bool
    soft_fail: bool
    timeout: timedelta | float | None
