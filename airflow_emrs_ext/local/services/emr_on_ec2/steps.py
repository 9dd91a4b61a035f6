"""The operations of the API on steps, and what the end of one means for the others and for its cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from airflow_emrs_ext.local.base.collection import OwnedCollection
from airflow_emrs_ext.local.base.config import ServiceConfig
from airflow_emrs_ext.local.base.errors import ApiError, validation_error
from airflow_emrs_ext.local.base.lifecycle import Lifecycle, Listener
from airflow_emrs_ext.local.base.pagination import Spelling
from airflow_emrs_ext.local.base.queueing import Queues
from airflow_emrs_ext.local.base.views import filled
from airflow_emrs_ext.local.services.emr_on_ec2.clusters import Cluster, Clusters
from airflow_emrs_ext.local.services.emr_on_ec2.naming import INVALID, new_step_id
from airflow_emrs_ext.local.services.emr_on_ec2.releases import has_parallel_steps
from airflow_emrs_ext.local.services.emr_on_ec2.step_config import CANCEL_AND_WAIT, CONTINUE, StepConfig, read_steps
from airflow_emrs_ext.local.services.emr_on_ec2.step_walk import GRACE_SECONDS, Step, StepEnd, StepWalker
from airflow_emrs_ext.local.services.emr_on_ec2.transitions import STEP
from airflow_emrs_ext.shared.states import State
from airflow_emrs_ext.shared.states import StepState as S

MOST_ACTIVE = 256
"""How many steps of a cluster may be in no terminal state, and how many CancelSteps takes."""

_MOST_IDS = 10
_STOP_GRACE_SECONDS = 2.0
_BY_REQUEST = "Cancelled by request (CancelSteps)."
_ENDED_EARLY = (S.CANCEL_PENDING, S.CANCELLED, S.INTERRUPTED)


class Steps(OwnedCollection[Step]):
    """All steps of the account; see also :class:`~.collection.OwnedCollection`.

    :param queues: where the places to run come from
    """

    NOUN: ClassVar[str] = "Step"
    MEMBER: ClassVar[str] = "Steps"
    SPELLING: ClassVar[Spelling] = Spelling("StepStates", "", "", "", "Marker")
    LOST: ClassVar[tuple[State, ...]] = (S.CANCELLED, S.FAILED)

    _owners: Clusters
    _walker: StepWalker

    def __init__(
        self,
        config: ServiceConfig,
        listeners: list[Listener],
        owners: Clusters,
        work_dir: Path,
        walker: StepWalker,
        queues: Queues,
    ) -> None:
        super().__init__(config, listeners, owners, work_dir, walker)
        self._queues = queues

    def drivers(self) -> Iterator[Step]:
        """What drivers do for them: each has one."""
        return iter(self)

    def read(
        self, cluster: Cluster, given: Sequence[Mapping[str, Any]], execution_role_arn: str | None = None
    ) -> list[StepConfig]:
        """Check steps for a cluster.

        :raises ApiError: one is not usable, or they are too many
        """
        active = sum(1 for step in self if step.owner is cluster and not step.state.is_terminal)
        if active + len(given) > MOST_ACTIVE:
            raise validation_error(
                "Maximum number of active steps(State = 'Running', 'Pending' or 'Cancel_Pending') for cluster exceeded."
            )
        return read_steps(
            given,
            concurrency=cluster.step_concurrency,
            classifications=cluster.classifications,
            cluster_log_uri=cluster.log_uri,
            execution_role_arn=execution_role_arn,
        )

    def start(self, cluster: Cluster, configs: Sequence[StepConfig]) -> list[str]:
        """Put steps into the line of a cluster.

        :return: their ids
        """
        return [self._start(cluster, config) for config in configs]

    def cancel(self, cluster: Cluster, step_ids: Sequence[str], option: str) -> list[dict[str, Any]]:
        """CancelSteps: what has become of the request, for each step.

        :param option: ``StepCancellationOption``
        :raises ApiError: they are too many
        """
        if len(step_ids) > MOST_ACTIVE:
            raise validation_error(f"StepIds: must not have more than {MOST_ACTIVE}, not {len(step_ids)}")
        return [self._cancel(cluster, step_id, GRACE_SECONDS[option]) for step_id in step_ids]

    async def end_on(self, cluster: Cluster) -> None:
        """End the steps of a cluster that is being terminated, and return when they have ended."""
        ending = [step for step in self if step.owner is cluster and not step.state.is_terminal]
        for step in ending:
            reason = f"Cluster {cluster.id} is being terminated."
            self._walker.end(step, StepEnd(S.INTERRUPTED, reason, _STOP_GRACE_SECONDS))
        await asyncio.gather(*(step.task for step in ending if step.task), return_exceptions=True)

    def find(self, owner_id: str, resource_id: str, *, code: str = INVALID) -> Step:
        """The one of a cluster.

        :param code: the error where the operation declares another one
        :raises ApiError: there is none
        """
        cluster, step = self._owners.get(owner_id, code=code), self._by_id.get(resource_id)
        if step is None or step.owner is not cluster:
            raise ApiError(code, f"Step id '{resource_id}' is not valid.")
        return step

    def page(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of ListSteps: newest first, or those that are named in the order of their ids."""
        step_ids, cluster_id = params.get("StepIds"), params["ClusterId"]
        if not step_ids:
            return super().page(params)
        if params.get("StepStates"):
            raise validation_error("Cannot specify both StepIds and StepStates.")
        if len(step_ids) > _MOST_IDS:
            raise validation_error(f"StepIds: must not have more than {_MOST_IDS}, not {len(step_ids)}")
        return {self.MEMBER: [self.summary(self.find(cluster_id, step_id)) for step_id in step_ids]}

    def view(self, step: Step) -> dict[str, Any]:
        """The ``Step`` structure."""
        return {**self.summary(step), **filled(ExecutionRoleArn=step.config.execution_role_arn)}

    def summary(self, resource: Step) -> dict[str, Any]:
        """The ``StepSummary`` structure."""
        monitoring = (resource.config.params.get("StepMonitoringConfiguration") or {}).get("S3MonitoringConfiguration")
        return filled(
            Id=resource.id,
            Name=resource.name,
            Config=resource.config.shown(),
            ActionOnFailure=resource.config.action_on_failure,
            Status=_status(resource),
            **(monitoring or {}),
        )

    def record(self, resource: Step) -> dict[str, Any]:
        """The ``Step`` structure, and what became of it.

        Beside the members of the API: ``ClusterId``, ``jobDriver`` (its command, taken apart), ``classifications`` of
        the cluster, ``logPath`` and ``workDir``.
        """
        return {
            **self.view(resource),
            "ClusterId": resource.owner_id,
            "jobDriver": resource.config.job_driver,
            "classifications": resource.owner.classifications,
            **resource.paths(),
        }

    def _listed(self, params: Mapping[str, Any]) -> Iterator[Step]:
        return self._of(params["ClusterId"], code=INVALID)

    def _start(self, cluster: Cluster, config: StepConfig) -> str:
        step_id = new_step_id()
        step = Step(
            id=step_id,
            arn=f"{cluster.arn}/step/{step_id}",
            name=config.params["Name"],
            owner=cluster,
            config=config,
            tags={},
            life=Lifecycle(STEP, self._listeners),
            work_dir=self._work_dir / cluster.id / step_id,
            end=asyncio.get_running_loop().create_future(),
        )
        step.move(S.PENDING, "The step waits for its turn.")
        self.add(step)
        self._owners.step_added(cluster, step_id)
        step.task = asyncio.create_task(self._walk(step, self._queues.enter(cluster.id, step_id)))
        return step_id

    def _cancel(self, cluster: Cluster, step_id: str, grace_seconds: float) -> dict[str, Any]:
        step, reason = self._by_id.get(step_id), None
        if step is None or step.owner is not cluster:
            reason = f"Step id '{step_id}' is not valid."
        elif step.state.is_terminal:
            reason = f"Step {step_id} is {step.state} and cannot be cancelled."
        elif step.state is not S.PENDING and not has_parallel_steps(cluster.release):
            reason = f"Step {step_id} is {step.state}; steps that run can be cancelled from release emr-5.28.0 on."
        else:
            self._walker.end(step, StepEnd(S.CANCELLED, _BY_REQUEST, grace_seconds))
        return filled(StepId=step_id, Status="FAILED" if reason else "SUBMITTED", Reason=reason)

    async def _walk(self, step: Step, turn: asyncio.Event) -> None:
        """Not cleaned up behind when it is cancelled: the endpoint ends, and leaves everything as it is."""
        cluster = step.owner
        await self._walker.walk(step, turn)
        if step.state is S.FAILED:
            self._failed(step)
        self._queues.leave(cluster.id, step.id)
        self._owners.step_ended(cluster, step.id)

    def _failed(self, step: Step) -> None:
        """Do what ``ActionOnFailure`` of a step says, before another begins."""
        cluster, action = step.owner, step.config.action_on_failure
        cluster.has_failed_steps = True
        # With other steps beside it nothing but CONTINUE is done.
        if action == CONTINUE or cluster.step_concurrency > 1:
            return
        for other in list(self._of(cluster.id)):
            if other.state is S.PENDING:
                reason = f"Cancelled because step {step.id} failed (ActionOnFailure {action})."
                self._walker.end(other, StepEnd(S.CANCELLED, reason, 0.0))
        if action != CANCEL_AND_WAIT:
            self._owners.step_failed(cluster)


def _status(step: Step) -> dict[str, Any]:
    """The ``StepStatus`` structure."""
    life = step.life
    return filled(
        State=step.state,
        # Of the others the service says nothing here.
        StateChangeReason=filled(Message=life.details if step.state in _ENDED_EARLY else None),
        FailureDetails=_failure(step) if step.state is S.FAILED else None,
        Timeline=filled(
            CreationDateTime=step.created_at,
            StartDateTime=step.started_at,
            EndDateTime=life.changed_at if step.state.is_terminal else None,
        ),
    )


def _failure(step: Step) -> dict[str, Any]:
    """The ``FailureDetails`` structure."""
    uri = step.config.log_uri
    return filled(
        Reason="Unknown Error.",
        Message=step.life.details or None,
        LogFile=uri and f"{uri.rstrip('/')}/{step.owner_id}/steps/{step.id}/stderr.gz",
    )
