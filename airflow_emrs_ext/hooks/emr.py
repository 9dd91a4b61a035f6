"""The hooks of this package with the Amazon provider's names, methods and sets of states.

For DAGs that come from it: ``from airflow_emrs_ext.hooks.emr import …`` in place of
``from airflow.providers.amazon.aws.hooks.emr import …``. The sets are those of the states that this package knows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from uuid import uuid4

from airflow_emrs_ext.exceptions import WaitTimeout
from airflow_emrs_ext.hooks.containers import EmrContainersHook
from airflow_emrs_ext.hooks.serverless import EmrServerlessHook as _ServerlessHook
from airflow_emrs_ext.resources import EKS_JOB_RUN, JOB_RUN
from airflow_emrs_ext.shared.states import ApplicationState, EksJobRunState, JobRunState, SessionState, State

Structure = Mapping[str, Any]

__all__ = ["EmrContainerHook", "EmrServerlessHook"]


def _names(states: Iterable[State]) -> set[str]:
    return {str(state) for state in states}


def _reaching(states: Iterable[State], *targets: State) -> list[State]:
    return [state for state in states if state in targets or state.can_reach(targets)]


def _on_the_way(states: type[State]) -> list[State]:
    """The states from which success can still be reached."""
    success = [state for state in states if state.is_success]
    return [state for state in _reaching(states, *success) if state not in success]


class EmrServerlessHook(_ServerlessHook):
    """Interact with Amazon EMR Serverless; takes the parameters of :class:`~airflow_emrs_ext.hooks.base.EmrHook`."""

    JOB_SUCCESS_STATES: ClassVar[set[str]] = _names(state for state in JobRunState if state.is_success)
    JOB_INTERMEDIATE_STATES: ClassVar[set[str]] = _names(_on_the_way(JobRunState))
    JOB_FAILURE_STATES: ClassVar[set[str]] = _names(JobRunState) - JOB_SUCCESS_STATES - JOB_INTERMEDIATE_STATES
    JOB_TERMINAL_STATES: ClassVar[set[str]] = JOB_SUCCESS_STATES | JOB_FAILURE_STATES

    APPLICATION_SUCCESS_STATES: ClassVar[set[str]] = _names([ApplicationState.CREATED, ApplicationState.STARTED])
    APPLICATION_FAILURE_STATES: ClassVar[set[str]] = _names([ApplicationState.STOPPED, ApplicationState.TERMINATED])
    APPLICATION_INTERMEDIATE_STATES: ClassVar[set[str]] = (
        _names(ApplicationState) - APPLICATION_SUCCESS_STATES - APPLICATION_FAILURE_STATES
    )

    SESSION_INTERMEDIATE_STATES: ClassVar[set[str]] = _names([SessionState.SUBMITTED, SessionState.STARTING])
    SESSION_SUCCESS_STATES: ClassVar[set[str]] = (
        _names(_reaching(SessionState, SessionState.IDLE)) - SESSION_INTERMEDIATE_STATES
    )
    SESSION_FAILURE_STATES: ClassVar[set[str]] = (
        _names(SessionState) - SESSION_INTERMEDIATE_STATES - SESSION_SUCCESS_STATES
    )

    def cancel_running_jobs(
        self, application_id: str, waiter_config: Structure | None = None, wait_for_completion: bool = True
    ) -> int:
        """Cancel all job runs of an application that are not over (ListJobRuns, CancelJobRun).

        :param application_id: of the application
        :param waiter_config: without effect: the wait has the hook's own wait policy
        :param wait_for_completion: wait until they are over
        :return: how many there were
        """
        active = [state for state in JobRunState if state.is_active and state != JobRunState.CANCELLING]
        job_run_ids = [one["id"] for one in self.list_job_runs(application_id, states=active)]
        for job_run_id in job_run_ids:
            self.cancel_job_run(application_id, job_run_id)
        if wait_for_completion:
            for job_run_id in job_run_ids:
                self._wait_for_end({"application_id": application_id, "job_run_id": job_run_id})
        return len(job_run_ids)

    def start_session(  # type: ignore[override]  # the Amazon provider's form of it
        self,
        application_id: str,
        execution_role_arn: str,
        name: str | None = None,
        idle_timeout_minutes: int | None = None,
        configuration_overrides: Structure | None = None,
    ) -> str:
        """Start a session (StartSession).

        :param application_id: of the application
        :param execution_role_arn: ARN of the IAM role that it assumes
        :param name: a name for people
        :param idle_timeout_minutes: after how long without work the service ends it
        :param configuration_overrides: in the API's own form
        :return: its id
        """
        started = super().start_session(
            application_id=application_id,
            execution_role_arn=execution_role_arn,
            client_token=str(uuid4()),
            name=name,
            idle_timeout_minutes=idle_timeout_minutes,
            configuration_overrides=configuration_overrides,
        )
        return str(started["sessionId"])

    def _wait_for_end(self, ids: Mapping[str, str]) -> None:
        from airflow_emrs_ext.workflows.lifecycle import wait_for_state

        ends = [str(state) for state in JobRunState if state.is_terminal]
        self.run(wait_for_state(self.run_context, kind=JOB_RUN.key, ids=ids, target_states=ends))


class EmrContainerHook(EmrContainersHook):
    """Interact with Amazon EMR on EKS.

    :param virtual_cluster_id: of the virtual cluster of the job runs
    :param kwargs: of :class:`~airflow_emrs_ext.hooks.base.EmrHook`
    """

    SUCCESS_STATES: ClassVar[set[str]] = _names(state for state in EksJobRunState if state.is_success)
    INTERMEDIATE_STATES: ClassVar[set[str]] = _names(_on_the_way(EksJobRunState))
    FAILURE_STATES: ClassVar[set[str]] = _names(EksJobRunState) - SUCCESS_STATES - INTERMEDIATE_STATES
    TERMINAL_STATES: ClassVar[set[str]] = SUCCESS_STATES | FAILURE_STATES

    def __init__(self, *args: Any, virtual_cluster_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.virtual_cluster_id: str = virtual_cluster_id or ""

    def create_emr_on_eks_cluster(
        self,
        virtual_cluster_name: str,
        eks_cluster_name: str,
        eks_namespace: str,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Create a virtual cluster (CreateVirtualCluster).

        :param virtual_cluster_name: a name for people
        :param eks_cluster_name: of the Amazon EKS cluster
        :param eks_namespace: of the EKS cluster
        :param tags: of the virtual cluster
        :return: its id
        """
        provider = {"id": eks_cluster_name, "type": "EKS", "info": {"eksInfo": {"namespace": eks_namespace}}}
        created = self.create_virtual_cluster(
            name=virtual_cluster_name, container_provider=provider, client_token=str(uuid4()), tags=tags
        )
        return str(created["id"])

    def submit_job(
        self,
        name: str,
        execution_role_arn: str,
        release_label: str,
        job_driver: Structure,
        configuration_overrides: Structure | None = None,
        client_request_token: str | None = None,
        tags: Mapping[str, str] | None = None,
        retry_max_attempts: int | None = None,
    ) -> str:
        """Start a job run (StartJobRun).

        :param name: a name for people
        :param execution_role_arn: ARN of the IAM role that it assumes
        :param release_label: EMR release, e.g. ``emr-7.9.0-latest``
        :param job_driver: what is run, in the API's own form
        :param configuration_overrides: in the API's own form
        :param client_request_token: idempotency token; default: a new one
        :param tags: of the job run
        :param retry_max_attempts: how many attempts the service makes
        :return: its id
        """
        attempts = {"maxAttempts": retry_max_attempts} if retry_max_attempts else None
        started = self.start_job_run(
            virtual_cluster_id=self.virtual_cluster_id,
            name=name,
            execution_role_arn=execution_role_arn,
            release_label=release_label,
            job_driver=job_driver,
            configuration_overrides=configuration_overrides,
            client_token=client_request_token or str(uuid4()),
            tags=tags,
            retry_policy_configuration=attempts,
        )
        return str(started["id"])

    def check_query_status(self, job_id: str) -> str:
        """Say the state of a job run (DescribeJobRun).

        :param job_id: of the job run
        :return: its state
        """
        return str(self.describe_job_run(self.virtual_cluster_id, job_id)["state"])

    def get_job_failure_reason(self, job_id: str) -> str | None:
        """Say why a job run failed (DescribeJobRun).

        :param job_id: of the job run
        :return: the service's words; ``None``: it has none
        """
        found = self.describe_job_run(self.virtual_cluster_id, job_id)
        words = [found[name] for name in ("failureReason", "stateDetails") if found.get(name)]
        return " - ".join(words) or None

    def poll_query_status(self, job_id: str, poll_interval: float = 30, max_polling_attempts: int | None = None) -> str:
        """Wait until a job run is over (DescribeJobRun).

        :param job_id: of the job run
        :param poll_interval: longest pause between two looks, in seconds
        :param max_polling_attempts: together with ``poll_interval``: how long to wait at most; default: without limit
        :return: its state
        """
        from airflow_emrs_ext.workflows.lifecycle import wait_for_state

        deadline = time.time() + max_polling_attempts * poll_interval if max_polling_attempts else None
        policy = replace(self.wait_policy, waiter_delay=float(poll_interval), deadline=deadline)
        ids = {"virtual_cluster_id": self.virtual_cluster_id, "job_run_id": job_id}
        ends = [str(state) for state in EksJobRunState if state.is_terminal]
        context = replace(self.run_context, wait_policy=policy)
        try:
            return str(self.run(wait_for_state(context, kind=EKS_JOB_RUN.key, ids=ids, target_states=ends))["state"])
        except WaitTimeout:
            return self.check_query_status(job_id)

    def stop_query(self, job_id: str) -> dict[str, Any]:
        """Cancel a job run (CancelJobRun).

        :param job_id: of the job run
        :return: ``id`` and ``virtualClusterId``
        """
        return self.cancel_job_run(self.virtual_cluster_id, job_id)
