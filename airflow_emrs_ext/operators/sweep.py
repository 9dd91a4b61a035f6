"""Operators that find, and end if asked, what tasks have started and left running."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_emrs_ext._compat import Context, count_dag_runs
from airflow_emrs_ext.aws.ownership_tags import owner
from airflow_emrs_ext.core.deployment import deployment_of
from airflow_emrs_ext.core.values import list_of
from airflow_emrs_ext.exceptions import EmrError
from airflow_emrs_ext.operators._base.connection import (
    ContainersMixin,
    Ec2Mixin,
    ServerlessMixin,
    aws_template_fields,
    passed_on,
)
from airflow_emrs_ext.operators._base.operator import EmrOperator
from airflow_emrs_ext.operators._base.parameters import flag, id_of, seconds
from airflow_emrs_ext.shared.states import ApplicationState, VirtualClusterState

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.core.effects import RunContext
    from airflow_emrs_ext.operators._base.airflow_args import OperatorArgs
    from airflow_emrs_ext.resources import EndableKind, Snapshot
    from airflow_emrs_ext.shared.states import State

DagRun = Literal["active", "over", "unknown"]


class SweepingOperator(EmrOperator):
    """Base of the operators that sweep, place by place.

    What tasks start carries tags that name DAG, run and task (``[emrs_ext] default_tags``); what carries none is not
    looked at. A worker that was lost for good, or a task that was killed in a way that no code survives, leaves such
    things behind. What another Airflow has started (``[emrs_ext] deployment``) is reported, and never ended. A DAG run
    that this Airflow does not know was deleted: what it started is reported, and ended only once it is older than
    ``end_unknown_after``.

    :param end: whether to cancel, terminate or delete what is found; default: only report
    :param end_unknown_after: age, a timedelta or seconds, from which what belongs to an unknown DAG run is ended, too;
        default: never
    :param keep_streaming: leave streaming job runs alone, which are made to outlive their DAG run; default ``True``
    """

    place: ClassVar[str]
    """The id of what holds what may be left."""

    def __init__(
        self,
        *,
        end: bool | str = False,
        end_unknown_after: timedelta | float | None = None,
        keep_streaming: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.end = end
        self.end_unknown_after = end_unknown_after
        self.keep_streaming = keep_streaming

    def places(self) -> list[str]:
        """The ids of where to look."""
        raise NotImplementedError

    def act(self, context: Context) -> dict[str, Any]:
        """Look at each in turn; one that cannot be looked at does not hide the others."""
        from airflow_emrs_ext.resources import billable_in

        ctx = replace(self.hook.run_context, log=self.log)
        orphans: list[dict[str, Any]] = []
        failures: list[EmrError] = []
        for owner_id in self.places():
            for kind in billable_in(self.place):
                if kind.is_found_by_name:
                    continue  # a name tells whether it is a task's, and not which DAG run's
                try:
                    orphans += self._sweep(context, ctx, kind, owner_id)
                except EmrError as error:
                    self.log.warning("%ss of %s %s: %s", kind.name, kind.belongs_to, owner_id, error)
                    failures.append(error)
        ended = sum(orphan["ended"] for orphan in orphans)
        self.log.info("%d orphans found, %d of them ended", len(orphans), ended)
        if failures:
            raise failures[0]
        return {"orphans": orphans}

    def _sweep(self, context: Context, ctx: RunContext, kind: EndableKind[State], place: str) -> list[dict[str, Any]]:
        from airflow_emrs_ext.aws.dispatch import active
        from airflow_emrs_ext.aws.waiting import look
        from airflow_emrs_ext.workflows.lifecycle import request_end_best_effort

        orphans = []
        for entry in self.hook.run(active(ctx, kind, place)):
            ids = kind.ids_of(entry)
            found = self.hook.run(look(kind, ids, ctx))
            task = owner(found.facts["tags"])
            if not {"dag_id", "run_id", "task_id"} <= task.keys() or found.state in kind.on_the_way_out():
                continue
            if self.keep_streaming and found.facts.get("mode") == "STREAMING":
                continue
            dag_run = _dag_run(context, task)
            if dag_run == "active":
                continue
            ends = _is_own(context, task) and self._is_to_end(dag_run, found, ctx)
            self.log.info("%s %s is %s; its DAG run is %s: %s", kind.name, ids, found.state, dag_run, task)
            if ends:
                self._run(request_end_best_effort, kind=kind.key, ids=ids)
            shown = {key: found.facts[key] for key in ("name", "state", "created_at")}
            orphans.append({"kind": kind.key, **ids, **shown, "owner": task, "dag_run": dag_run, "ended": ends})
        return orphans

    def _is_to_end(self, dag_run: DagRun, found: Snapshot, ctx: RunContext) -> bool:
        if not flag(self.end, "end"):
            return False
        if dag_run == "over" or self.end_unknown_after is None:
            return dag_run == "over"
        created = datetime.fromisoformat(found.facts["created_at"]).timestamp()
        return ctx.clock() + ctx.service.ahead - created >= seconds(self.end_unknown_after, "end_unknown_after")


class EmrServerlessSweepOperator(SweepingOperator, ServerlessMixin):
    """Find the sessions and job runs whose DAG run is over, and end them if asked.

    What tasks start carries tags that name DAG, run and task (``[emrs_ext] default_tags``); what carries none is not
    looked at. A worker that was lost for good, or a task that was killed in a way that no code survives, leaves such
    things behind. What another Airflow has started (``[emrs_ext] deployment``) is reported, and never ended. A DAG run
    that this Airflow does not know was deleted: what it started is reported, and ended only once it is older than
    ``end_unknown_after``.

    :param application_ids: which applications to look at, ids or results that contain one; default: each that is
        STARTING or STARTED
    :param end: whether to cancel, terminate or delete what is found; default: only report
    :param end_unknown_after: age, a timedelta or seconds, from which what belongs to an unknown DAG run is ended, too;
        default: never
    :param keep_streaming: leave streaming job runs alone, which are made to outlive their DAG run; default ``True``
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: longest pause between two looks while waiting, in seconds; default ``[emrs_ext] waiter_delay``,
        30 s. The first looks come sooner.
    :param wait_timeout: how long to wait at most, a timedelta or seconds; default: until ``execution_timeout`` if the
        task has one, else without limit
    :param waiter_max_attempts: another way to say ``wait_timeout``, for DAGs that come from the Amazon provider: the
        limit is ``waiter_max_attempts`` times ``waiter_delay``, or 60 s without that, as there
    :param deferrable: wait in the triggerer instead of a worker; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred task of changes of state; an empty one: none;
        default ``[emrs_ext] notification_queue``
    :param end_from_trigger: let the trigger end a deferred task that succeeds, so that no worker is started; takes
        Airflow 3.3. A worker ends the task as ever, and its log says why, where anything would be lost, such as
        callbacks, listeners and outlets. Default ``False``
    :return: :class:`~airflow_emrs_ext.results.SweepResult`
    """

    place = "application_id"
    template_fields: Sequence[str] = aws_template_fields("application_ids", "end", "end_unknown_after")

    def __init__(
        self,
        *,
        application_ids: Iterable[Any] | None = None,
        end: bool | str = False,
        end_unknown_after: timedelta | float | None = None,
        keep_streaming: bool = True,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        wait_timeout: timedelta | float | None = None,
        waiter_max_attempts: int | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        super().__init__(**passed_on(locals(), "application_ids"))
        self.application_ids = application_ids

    def places(self) -> list[str]:
        """The applications."""
        if self.application_ids is not None:
            return [id_of(given, "application_id") for given in list_of(self.application_ids, "application_ids")]
        awake = [ApplicationState.STARTING, ApplicationState.STARTED]
        return [str(one["id"]) for one in self.hook.list_applications(states=awake)]


class EmrContainersSweepOperator(SweepingOperator, ContainersMixin):
    """Find the job runs and managed endpoints of EMR on EKS whose DAG run is over, and end them if asked.

    What counts as left is what counts for :class:`EmrServerlessSweepOperator`.

    :param virtual_cluster_ids: which virtual clusters to look at, ids or results that contain one; default: each that
        is RUNNING
    :param end: whether to cancel, terminate or delete what is found; default: only report
    :param end_unknown_after: age, a timedelta or seconds, from which what belongs to an unknown DAG run is ended, too;
        default: never
    :param keep_streaming: leave streaming job runs alone, which are made to outlive their DAG run; default ``True``
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: longest pause between two looks while waiting, in seconds; default ``[emrs_ext] waiter_delay``,
        30 s. The first looks come sooner.
    :param wait_timeout: how long to wait at most, a timedelta or seconds; default: until ``execution_timeout`` if the
        task has one, else without limit
    :param waiter_max_attempts: another way to say ``wait_timeout``, for DAGs that come from the Amazon provider: the
        limit is ``waiter_max_attempts`` times ``waiter_delay``, or 60 s without that, as there
    :param deferrable: wait in the triggerer instead of a worker; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred task of changes of state; an empty one: none;
        default ``[emrs_ext] notification_queue``
    :param end_from_trigger: let the trigger end a deferred task that succeeds, so that no worker is started; takes
        Airflow 3.3. A worker ends the task as ever, and its log says why, where anything would be lost, such as
        callbacks, listeners and outlets. Default ``False``
    :return: :class:`~airflow_emrs_ext.results.SweepResult`
    """

    place = "virtual_cluster_id"
    template_fields: Sequence[str] = aws_template_fields("virtual_cluster_ids", "end", "end_unknown_after")

    def __init__(
        self,
        *,
        virtual_cluster_ids: Iterable[Any] | None = None,
        end: bool | str = False,
        end_unknown_after: timedelta | float | None = None,
        keep_streaming: bool = True,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        wait_timeout: timedelta | float | None = None,
        waiter_max_attempts: int | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        super().__init__(**passed_on(locals(), "virtual_cluster_ids"))
        self.virtual_cluster_ids = virtual_cluster_ids

    def places(self) -> list[str]:
        """The virtual clusters."""
        if self.virtual_cluster_ids is not None:
            return [
                id_of(given, "virtual_cluster_id") for given in list_of(self.virtual_cluster_ids, "virtual_cluster_ids")
            ]
        return [str(one["id"]) for one in self.hook.list_virtual_clusters(states=[VirtualClusterState.RUNNING])]


class EmrOnEc2SweepOperator(SweepingOperator, Ec2Mixin):
    """Find the sessions of clusters of EMR on EC2 whose DAG run is over, and end them if asked.

    What counts as left is what counts for :class:`EmrServerlessSweepOperator`.

    :param cluster_ids: which clusters to look at, ids or results that contain one; default: each that is RUNNING or
        WAITING and has sessions enabled
    :param end: whether to cancel, terminate or delete what is found; default: only report
    :param end_unknown_after: age, a timedelta or seconds, from which what belongs to an unknown DAG run is ended, too;
        default: never
    :param keep_streaming: without effect: sessions are not streaming
    :param aws_conn_id: Airflow connection for credentials, Region and endpoint; default ``aws_default``
    :param region_name: AWS Region; default: the connection's
    :param verify: whether, or with which CA bundle, TLS certificates are verified; default: the connection's
    :param botocore_config: keyword arguments of ``botocore.config.Config``; default: the connection's
    :param waiter_delay: longest pause between two looks while waiting, in seconds; default ``[emrs_ext] waiter_delay``,
        30 s. The first looks come sooner.
    :param wait_timeout: how long to wait at most, a timedelta or seconds; default: until ``execution_timeout`` if the
        task has one, else without limit
    :param waiter_max_attempts: another way to say ``wait_timeout``, for DAGs that come from the Amazon provider: the
        limit is ``waiter_max_attempts`` times ``waiter_delay``, or 60 s without that, as there
    :param deferrable: wait in the triggerer instead of a worker; default ``[operators] default_deferrable``
    :param notification_queue: URL of the SQS queue that tells a deferred task of changes of state; an empty one: none;
        default ``[emrs_ext] notification_queue``
    :param end_from_trigger: let the trigger end a deferred task that succeeds, so that no worker is started; takes
        Airflow 3.3. A worker ends the task as ever, and its log says why, where anything would be lost, such as
        callbacks, listeners and outlets. Default ``False``
    :return: :class:`~airflow_emrs_ext.results.SweepResult`
    """

    place = "cluster_id"
    template_fields: Sequence[str] = aws_template_fields("cluster_ids", "end", "end_unknown_after")

    def __init__(
        self,
        *,
        cluster_ids: Iterable[Any] | None = None,
        end: bool | str = False,
        end_unknown_after: timedelta | float | None = None,
        keep_streaming: bool = True,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        verify: bool | str | None = None,
        botocore_config: dict[str, Any] | None = None,
        waiter_delay: float | None = None,
        wait_timeout: timedelta | float | None = None,
        waiter_max_attempts: int | None = None,
        deferrable: bool | None = None,
        notification_queue: str | None = None,
        end_from_trigger: bool = False,
        **kwargs: Unpack[OperatorArgs],
    ) -> None:
        super().__init__(**passed_on(locals(), "cluster_ids"))
        self.cluster_ids = cluster_ids

    def places(self) -> list[str]:
        """The clusters."""
        if self.cluster_ids is not None:
            return [id_of(given, "cluster_id") for given in list_of(self.cluster_ids, "cluster_ids")]
        up = [str(one["Id"]) for one in self.hook.list_clusters(cluster_states=["RUNNING", "WAITING"])]
        return [cluster_id for cluster_id in up if self.hook.describe_cluster(cluster_id).get("SessionEnabled")]


def _is_own(context: Context, task: dict[str, str]) -> bool:
    """Whether this Airflow has started it, and no other."""
    return task.get("deployment") == deployment_of(context)


def _dag_run(context: Context, task: dict[str, str]) -> DagRun:
    if not _is_own(context, task):
        return "unknown"  # its DAG runs may have the ids of this one's
    if count_dag_runs(context, task["dag_id"], task["run_id"], active=True):
        return "active"
    return "over" if count_dag_runs(context, task["dag_id"], task["run_id"]) else "unknown"
