"""The hook of Amazon EMR on EC2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_emrs_ext.aws import ec2 as api
from airflow_emrs_ext.hooks.base import EmrHook
from airflow_emrs_ext.shared.states import SessionState, StepState

Structure = Mapping[str, Any]


class EmrOnEc2Hook(EmrHook):
    """Interact with the sessions and steps of clusters of Amazon EMR on EC2, patiently.

    Each method is one API operation; they behave, and raise, as those of
    :class:`~airflow_emrs_ext.hooks.serverless.EmrServerlessHook`. Takes the parameters of
    :class:`~airflow_emrs_ext.hooks.base.EmrHook`.
    """

    service = "emr"

    def describe_cluster(self, cluster_id: str) -> dict[str, Any]:
        """Describe a cluster (DescribeCluster).

        :param cluster_id: of the cluster
        :return: the ``Cluster`` structure
        """
        return self.run(api.describe_cluster(self.run_context, cluster_id))

    def list_clusters(self, *, cluster_states: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """List the clusters of the account and Region, all pages (ListClusters).

        :param cluster_states: only those in one of these states; default: all
        :return: ClusterSummary structures
        """
        return self.run(api.list_clusters(self.run_context, cluster_states=cluster_states))

    def start_session(
        self,
        *,
        cluster_id: str,
        client_request_token: str,
        execution_role_arn: str | None = None,
        name: str | None = None,
        engine_configurations: Sequence[Structure] | None = None,
        monitoring_configuration: Structure | None = None,
        session_idle_timeout_in_minutes: int | None = None,
        tags: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Start a session on a cluster (StartSession).

        :param cluster_id: of the cluster, which is RUNNING or WAITING and was created with ``SessionEnabled``
        :param client_request_token: makes a repetition after a lost answer return what the first request has made; 36
            characters at most
        :param execution_role_arn: ARN of the IAM role that work in it runs with
        :param name: a name for people; need not be unique
        :param engine_configurations: ``[{"Classification": "spark-defaults", "Properties": {…}}]``
        :param monitoring_configuration: where its logs go, in the API's own form
        :param session_idle_timeout_in_minutes: the service terminates it when nothing has used it for so long
        :param tags: keys and values
        :param parameters: further members of the request in snake case, in the API's own form
        :return: ``Id``, ``ClusterId``, ``Arn`` and ``State``
        """
        return self.run(
            api.start_session(
                self.run_context,
                cluster_id=cluster_id,
                client_request_token=client_request_token,
                execution_role_arn=execution_role_arn,
                name=name,
                engine_configurations=engine_configurations,
                monitoring_configuration=monitoring_configuration,
                session_idle_timeout_in_minutes=session_idle_timeout_in_minutes,
                tags=tags,
                **parameters,
            )
        )

    def describe_session(self, cluster_id: str, session_id: str) -> dict[str, Any]:
        """Describe a session (GetSession); ``get_session`` is the Amazon provider's name of its AWS session.

        :param cluster_id: of the cluster
        :param session_id: of the session
        :return: the ``Session`` structure
        """
        return self.run(api.get_session(self.run_context, cluster_id, session_id))

    def list_sessions(
        self,
        cluster_id: str,
        *,
        states: Iterable[SessionState] | None = None,
        created_at_after: datetime | None = None,
        created_at_before: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """List the sessions of a cluster, all pages (ListSessions).

        :param cluster_id: of the cluster
        :param states: only those in one of these states; default: all
        :param created_at_after: only those that were not created before it; default: all
        :param created_at_before: only those that were not created after it; default: all
        :return: Session structures
        """
        return self.run(
            api.list_sessions(
                self.run_context,
                cluster_id,
                states=states,
                created_at_after=created_at_after,
                created_at_before=created_at_before,
            )
        )

    def terminate_session(self, cluster_id: str, session_id: str) -> dict[str, Any]:
        """Terminate a session (TerminateSession).

        :param cluster_id: of the cluster
        :param session_id: of the session
        :return: ``ClusterId``, ``SessionId`` and ``State``
        """
        return self.run(api.terminate_session(self.run_context, cluster_id, session_id))

    def get_session_endpoint(self, cluster_id: str, session_id: str) -> dict[str, Any]:
        """Get where a session is reached, with a new token (GetSessionEndpoint).

        :param cluster_id: of the cluster
        :param session_id: of the session
        :return: ``Endpoint``, and as far as the service gives them ``AuthToken``, ``AuthTokenExpirationTime`` and
            ``Credentials``; these are secrets: whoever has them runs code with the session's role
        """
        return self.run(api.get_session_endpoint(self.run_context, cluster_id, session_id))

    def add_job_flow_steps(
        self,
        *,
        cluster_id: str,
        steps: Sequence[Structure],
        execution_role_arn: str | None = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Add steps to a cluster (AddJobFlowSteps).

        The operation takes no client token: where a request may have had its effect it is not repeated, and
        :class:`~airflow_emrs_ext.exceptions.ServiceUnavailable` says so. Of what is added here no task's retry knows;
        :class:`~airflow_emrs_ext.operators.ec2_step.EmrOnEc2AddStepOperator` finds what it has added.

        :param cluster_id: of the cluster, which is STARTING, BOOTSTRAPPING, RUNNING or WAITING
        :param steps: in the API's own form: ``[{"Name": …, "ActionOnFailure": …, "HadoopJarStep": {…}}]``
        :param execution_role_arn: ARN of the IAM role that they run with; default: the cluster's instance profile
        :param parameters: further members of the request in snake case, in the API's own form
        :return: ``StepIds``, in the order of the steps
        """
        return self.run(
            api.add_job_flow_steps(
                self.run_context,
                cluster_id=cluster_id,
                steps=steps,
                execution_role_arn=execution_role_arn,
                **parameters,
            )
        )

    def describe_step(self, cluster_id: str, step_id: str) -> dict[str, Any]:
        """Describe a step (DescribeStep).

        :param cluster_id: of the cluster
        :param step_id: of the step
        :return: the ``Step`` structure
        """
        return self.run(api.describe_step(self.run_context, cluster_id, step_id))

    def list_steps(
        self,
        cluster_id: str,
        *,
        states: Iterable[StepState] | None = None,
        created_at_after: datetime | None = None,
        created_at_before: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """List the steps of a cluster, all pages, the newest first (ListSteps).

        :param cluster_id: of the cluster
        :param states: only those in one of these states; default: all
        :param created_at_after: only those that were not created before it; default: all
        :param created_at_before: only those that were not created after it; default: all
        :return: StepSummary structures, with ``ClusterId``, ``State`` and ``CreatedAt``
        """
        return self.run(
            api.list_steps(
                self.run_context,
                cluster_id,
                states=states,
                created_at_after=created_at_after,
                created_at_before=created_at_before,
            )
        )

    def cancel_steps(
        self, cluster_id: str, step_ids: Sequence[str], *, step_cancellation_option: str | None = None
    ) -> list[dict[str, Any]]:
        """Cancel steps (CancelSteps); who asks has to look at the status of each, which may be FAILED.

        :param cluster_id: of the cluster
        :param step_ids: of the steps
        :param step_cancellation_option: how running ones are ended, ``SEND_INTERRUPT`` or ``TERMINATE_PROCESS``;
            default: the service's, ``SEND_INTERRUPT``
        :return: for each step its ``StepId``, ``Status`` and ``Reason``
        """
        return self.run(
            api.cancel_steps(self.run_context, cluster_id, step_ids, step_cancellation_option=step_cancellation_option)
        )
