"""The results of operators and sensors: what a task that takes one may annotate its parameter with.

Each is a dictionary of plain JSON, and one XCom: ``def report(run: JobRunResult)``. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import NotRequired, TypedDict


class ResourceUtilization(TypedDict):
    """What ran, or is billed."""

    vcpu_hour: float | None
    memory_gb_hour: float | None
    storage_gb_hour: float | None


class Cost(TypedDict):
    """Money, by ``[emrs_ext] prices``."""

    amount: float
    currency: str
    upper_bound: NotRequired[bool]
    """It costs less: of a job run on Flex capacity, without a price for it or without knowing the driver's part."""


class LogLocations(TypedDict):
    """Where a driver's logs are; what is not configured is ``None``."""

    s3_uri: str | None
    cloudwatch_log_group: str | None
    cloudwatch_log_stream_prefix: str | None
    managed_storage: bool
    driver_pod: NotRequired[str | None]
    """Of EMR on EKS."""


class Attempt(TypedDict):
    """One attempt of a job run. EMR on EKS counts attempts, and says no more of them but of the latest."""

    attempt: int
    state: str
    state_details: str
    created_at: str | None
    updated_at: str | None
    flex_execution: NotRequired[bool]
    """Of EMR Serverless: whether its executors are on spare capacity."""
    log_locations: LogLocations


class Diagnosis(TypedDict):
    """Why a job run has failed: the driver's exception, its place, and of a known failure why and what to do."""

    exception: str
    place: str
    why: str
    advice: str


class DriverLog(TypedDict):
    """What was shown of an attempt's log at the end."""

    attempt: int
    places: list[str]
    text: str
    note: str | None


class JobRunResult(TypedDict):
    """A job run of EMR Serverless (GetJobRun, ListJobRunAttempts, GetApplication)."""

    application_id: str
    job_run_id: str
    arn: str
    name: str | None
    mode: str
    type: str | None
    state: str
    state_details: str
    attempt: int
    attempts: list[Attempt]
    diagnosis: Diagnosis | None
    driver_logs: list[DriverLog]
    created_at: str
    started_at: str | None
    ended_at: str | None
    updated_at: str | None
    queued_duration_milliseconds: int | None
    total_execution_duration_seconds: int | None
    total_resource_utilization: ResourceUtilization | None
    billed_resource_utilization: ResourceUtilization | None
    cost: NotRequired[Cost | None]
    """Of an operator; a sensor counts none."""
    architecture: str | None
    flex_execution: bool
    driver_settings: NotRequired[dict[str, str] | None]
    """On Flex capacity: the Spark properties of the job run that give its driver's size; ``None``: not understood."""
    driver_defaults: NotRequired[dict[str, str] | None]
    """The same of its application; ``None``: it may not be read."""
    log_locations: LogLocations
    retry_policy: dict[str, Any] | None
    monitoring_configuration: dict[str, Any]
    tags: dict[str, str]


class EksJobRunResult(TypedDict):
    """A job run of EMR on EKS (DescribeJobRun)."""

    virtual_cluster_id: str
    job_run_id: str
    arn: str | None
    name: str | None
    type: str
    state: str
    state_details: str
    failure_reason: str | None
    attempt: int
    attempts: list[Attempt]
    diagnosis: Diagnosis | None
    driver_logs: list[DriverLog]
    created_at: str
    created_by: str | None
    ended_at: str | None
    updated_at: str | None
    cost: NotRequired[None]
    release_label: str | None
    execution_role_arn: str | None
    log_locations: LogLocations
    retry_policy: dict[str, Any] | None
    monitoring_configuration: dict[str, Any]
    tags: dict[str, str]


class SessionSummary(TypedDict):
    """A session of EMR Serverless as a listing has it (ListSessions)."""

    application_id: str
    session_id: str
    arn: str | None
    name: str | None
    state: str
    state_details: str
    release_label: str | None
    execution_role_arn: str | None
    created_by: str | None
    created_at: str
    updated_at: str | None


class SessionResult(SessionSummary):
    """A session of EMR Serverless (GetSession); a reference to it for other tasks, without any secret."""

    started_at: str | None
    ended_at: str | None
    idle_since: str | None
    idle_timeout_minutes: int | None
    total_execution_duration_seconds: int | None
    total_resource_utilization: ResourceUtilization | None
    billed_resource_utilization: ResourceUtilization | None
    tags: dict[str, str]
    architecture: NotRequired[str | None]
    """Of one that was terminated."""
    cost: NotRequired[Cost | None]
    """Of one that has ended."""


class SessionsResult(TypedDict):
    """What a listing of sessions has (ListSessions)."""

    sessions: list[SessionSummary]


class ApplicationResult(TypedDict):
    """An application of EMR Serverless (GetApplication)."""

    application_id: str
    arn: str
    name: str | None
    type: str
    release_label: str
    architecture: str | None
    state: str
    state_details: str
    created_at: str
    updated_at: str | None
    tags: dict[str, str]


class VirtualClusterResult(TypedDict):
    """A virtual cluster of EMR on EKS (DescribeVirtualCluster)."""

    virtual_cluster_id: str
    arn: str | None
    name: str | None
    state: str
    state_details: str
    eks_cluster: str | None
    namespace: str | None
    created_at: str
    tags: dict[str, str]


class ManagedEndpointResult(TypedDict):
    """A managed endpoint of EMR on EKS (DescribeManagedEndpoint); a reference to it, without any secret."""

    virtual_cluster_id: str
    endpoint_id: str
    arn: str | None
    name: str | None
    type: str | None
    state: str
    state_details: str
    failure_reason: str | None
    release_label: str | None
    execution_role_arn: str | None
    created_at: str
    tags: dict[str, str]


class ClusterSessionResult(TypedDict):
    """A session of a cluster of EMR on EC2 (GetSession); a reference to it, without any secret."""

    cluster_id: str
    session_id: str
    arn: str | None
    name: str | None
    state: str
    state_details: str
    release_label: str | None
    execution_role_arn: str | None
    created_at: str
    updated_at: str | None
    started_at: str | None
    ended_at: str | None
    idle_since: str | None
    idle_timeout_minutes: int | None
    tags: dict[str, str]


class StepResult(TypedDict):
    """A step of a cluster of EMR on EC2 (DescribeStep, DescribeCluster)."""

    cluster_id: str
    step_id: str
    name: str
    """Without the digests that tell whose it is."""
    state: str
    state_details: str
    failure_reason: str | None
    log_file: str | None
    """Where the service has found the reason."""
    attempt: int
    attempts: list[Attempt]
    diagnosis: Diagnosis | None
    driver_logs: list[DriverLog]
    created_at: str
    started_at: str | None
    ended_at: str | None
    updated_at: str
    cost: NotRequired[None]
    action_on_failure: str | None
    execution_role_arn: str | None
    log_uri: str | None
    """Of its own; otherwise its logs are where the cluster's are."""
    log_locations: LogLocations
    tags: dict[str, str]
    """The digests of its name."""


class ClusterSessionsResult(TypedDict):
    """Sessions of a cluster of EMR on EC2 (ListSessions)."""

    sessions: list[ClusterSessionResult]


class JobTemplateResult(TypedDict):
    """A job template of EMR on EKS (CreateJobTemplate)."""

    job_template_id: str
    arn: str
    name: str
    created_at: str


class CostPart(TypedDict):
    """What one job run or session of a DAG run is billed for."""

    task_id: str | None
    map_index: int
    region_id: NotRequired[str]
    """Of an iteration of a loop."""
    kind: str
    """``job_run`` or ``session``."""
    application_id: str
    job_run_id: NotRequired[str]
    session_id: NotRequired[str]
    state: str
    billed_resource_utilization: ResourceUtilization | None
    cost: Cost | None


class CostResult(TypedDict):
    """What a DAG run is billed for."""

    billed_resource_utilization: ResourceUtilization
    cost: Cost | None
    unbilled: int
    """How many have no figures yet."""
    parts: list[CostPart]


class Statement(TypedDict):
    """A statement of SQL that has run."""

    statement: str
    """In short."""
    seconds: float
    row_count: int | None
    """How many rows were fetched."""


class SqlResult(TypedDict):
    """What statements of SQL have led to; rows and columns are those of the last."""

    application_id: NotRequired[str]
    session_id: NotRequired[str]
    virtual_cluster_id: NotRequired[str]
    endpoint_id: NotRequired[str]
    cluster_id: NotRequired[str]
    statements: list[Statement]
    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    """Whether there were more rows."""
    output: str | None
    """The table or path that they were written to."""


class Owner(TypedDict):
    """The task that has started something."""

    dag_id: str
    run_id: str
    task_id: str
    deployment: NotRequired[str]
    map_index: NotRequired[str]
    region_id: NotRequired[str]


class Orphan(TypedDict):
    """What a task has started and left running."""

    kind: str
    """``session``, ``job_run``, ``managed_endpoint``, ``eks_job_run`` or ``cluster_session``."""
    application_id: NotRequired[str]
    virtual_cluster_id: NotRequired[str]
    cluster_id: NotRequired[str]
    session_id: NotRequired[str]
    job_run_id: NotRequired[str]
    endpoint_id: NotRequired[str]
    name: str | None
    state: str
    created_at: str
    owner: Owner
    dag_run: str
    """``over`` or ``unknown``."""
    ended: bool
    """Whether its end was requested."""


class SweepResult(TypedDict):
    """What a sweep has found."""

    orphans: list[Orphan]
