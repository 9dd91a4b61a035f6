"""The parameters that operators and sensors have of Airflow, for type checkers: each version takes its own of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from typing_extensions import Required, TypedDict

_Callback: TypeAlias = Any


class _WithoutTaskId(TypedDict, total=False):
    """Those of Airflow's ``BaseOperator``, but for ``task_id`` and ``retry_policy``."""

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


class JobRunOperatorArgs(_WithoutTaskId, total=False):
    """Those of Airflow's ``BaseOperator``, for an operator that has a ``retry_policy`` of its own."""

    task_id: Required[str]


class OperatorArgs(JobRunOperatorArgs, total=False):
    """Those of Airflow's ``BaseOperator``."""

    retry_policy: Any


class SparkConnectServerArgs(_WithoutTaskId, total=False):
    """Those that sessions and managed endpoints have in common, for the functions that start them."""

    retry_policy: Any
    name: str | None
    runtime_configuration: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    tags: Mapping[str, str] | None
    config: Mapping[str, Any] | None
    reattach: bool
    wait_for_completion: bool
    aws_conn_id: str | None
    region_name: str | None
    verify: bool | str | None
    botocore_config: dict[str, Any] | None
    waiter_delay: float | None
    wait_timeout: timedelta | float | None
    waiter_max_attempts: int | None
    deferrable: bool | None
    notification_queue: str | None
    end_from_trigger: bool


class SessionArgs(SparkConnectServerArgs, total=False):
    """Those of an operator that starts a session, but for the application, the role and ``task_id``."""

    configuration_overrides: Mapping[str, Any] | None
    idle_timeout_minutes: int | None
    terminate_on_kill: bool
    terminate_on_timeout: bool


class ManagedEndpointArgs(SparkConnectServerArgs, total=False):
    """Those of an operator that creates a managed endpoint, but for cluster, role, release and ``task_id``."""

    configuration_overrides: Mapping[str, Any] | None
    type: str
    delete_on_kill: bool
    delete_on_timeout: bool


class ClusterSessionArgs(SparkConnectServerArgs, total=False):
    """Those of an operator that starts a session of a cluster, but for the cluster and ``task_id``."""

    execution_role_arn: str | None
    monitoring_configuration: Mapping[str, Any] | None
    idle_timeout_minutes: int | None
    terminate_on_kill: bool
    terminate_on_timeout: bool


class SessionTaskArgs(SessionArgs, total=False):
    """Those of ``@task.emr_serverless_session``: of Airflow's own decorators of the same interpreters, too."""

    task_id: str
    session: Any
    application_id: Any
    execution_role_arn: str
    templates_dict: dict[str, Any] | None
    templates_exts: Sequence[str] | None
    show_return_value_in_logs: bool
    python: str
    requirements: str | Iterable[str]
    python_version: str | None
    serializer: Literal["pickle", "cloudpickle", "dill"] | None
    system_site_packages: bool
    pip_install_options: list[str] | None
    index_urls: str | Collection[str] | None
    index_urls_from_connection_ids: str | Collection[str] | None
    venv_cache_path: str | None
    string_args: Iterable[str] | None
    expect_airflow: bool
    expect_pendulum: bool
    skip_on_exit_code: int | Collection[int] | None
    use_dill: bool
    env_vars: dict[str, str] | None
    inherit_env: bool
    use_airflow_context: bool


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
