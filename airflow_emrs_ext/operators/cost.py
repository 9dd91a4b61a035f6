"""An operator that adds up what a DAG run is billed for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_emrs_ext._compat import Context
from airflow_emrs_ext.aws.ownership_tags import TaskIdentity, owner, owner_tags
from airflow_emrs_ext.core import cost, settings
from airflow_emrs_ext.core.values import list_of
from airflow_emrs_ext.exceptions import ConfigurationError
from airflow_emrs_ext.operators._base.connection import aws_template_fields, passed_on
from airflow_emrs_ext.operators._base.operator import EmrServerlessOperator
from airflow_emrs_ext.operators._base.parameters import id_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from airflow_emrs_ext.core.effects import Effects, RunContext
    from airflow_emrs_ext.operators._base.airflow_args import OperatorArgs
    from airflow_emrs_ext.resources import EndableKind
    from airflow_emrs_ext.shared.states import State

# How far the clocks of Airflow and of the service may be apart.
_SKEW = timedelta(minutes=5)

# What tags name that is the same for each task of a DAG run.
_OF_DAG_RUN = ("dag_id", "run_id", "deployment")


class EmrServerlessCostOperator(EmrServerlessOperator):
    """Add up what the job runs and sessions of this DAG run are billed for, those of failed and mapped tries included.

    They are found by their tags (``[emrs_ext] default_tags``), with the operator's own connection and Region. Give the
    task ``trigger_rule="all_done"`` and let it come last: the service tells the figures of what is over. Costs one
    GetJobRun or GetSession for each job run and session that the applications have started since the DAG run began.

    :param application_ids: which applications to look at, ids or results that contain one; default: all
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
    :raises ConfigurationError: ``[emrs_ext] default_tags`` is off
    :return: :class:`~airflow_emrs_ext.results.CostResult`
    """

    template_fields: Sequence[str] = aws_template_fields("application_ids")

    def __init__(
        self,
        *,
        application_ids: Iterable[Any] | None = None,
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

    def act(self, context: Context) -> dict[str, Any]:
        """Look at each application in turn, and add up."""
        from airflow_emrs_ext.resources import billable_in, price_facts

        if not settings.default_tags():
            raise ConfigurationError("Nothing can be found by its tags: set [emrs_ext] default_tags to True.")
        ctx = replace(self.hook.run_context, log=self.log)
        identity = TaskIdentity.of(context)
        began = context["dag_run"].start_date or context["ti"].start_date
        parts: list[dict[str, Any]] = []
        for application_id in self._application_ids():
            application = self.hook.get_application(application_id)
            for kind in billable_in("application_id"):
                found = self.hook.run(_started_by(ctx, kind, application_id, identity, began - _SKEW))
                parts += [_part(kind, {**facts, **price_facts(application, facts)}) for facts in found]
        summed = {**cost.total(parts), "parts": parts}
        if summed["unbilled"]:
            self.log.warning("%d of %d have no figures yet", summed["unbilled"], len(parts))
        self.log.info("%d job runs and sessions of %s: %s", len(parts), identity.run_id, cost.in_words(summed))
        return summed

    def _application_ids(self) -> list[str]:
        if self.application_ids is not None:
            return [id_of(given, "application_id") for given in list_of(self.application_ids, "application_ids")]
        return [str(one["id"]) for one in self.hook.list_applications()]


def _started_by(
    ctx: RunContext, kind: EndableKind[State], application_id: str, identity: TaskIdentity, began: datetime
) -> Effects[list[dict[str, Any]]]:
    """What the tasks of a DAG run have started on an application since it began."""
    from airflow_emrs_ext.aws.dispatch import listing_of
    from airflow_emrs_ext.aws.waiting import look

    wanted = _of_dag_run(identity.tags)
    found = []
    for entry in (yield from listing_of(kind)(ctx, application_id, created_at_after=began)):
        facts = (yield from look(kind, kind.ids_of(entry), ctx)).facts
        if _of_dag_run(facts["tags"]) == wanted:
            found.append(facts)
    return found


def _of_dag_run(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that are the same for each task of a DAG run."""
    return {name: value for name, value in owner_tags(tags).items() if name.rpartition(":")[2] in _OF_DAG_RUN}


def _part(kind: EndableKind[State], facts: dict[str, Any]) -> dict[str, Any]:
    task = owner(facts["tags"])
    return {
        "task_id": None,
        **{name: value for name, value in task.items() if name not in _OF_DAG_RUN},
        "map_index": int(task.get("map_index", -1)),
        "kind": kind.key,
        **{name: facts[name] for name in (*kind.id_names, "state", "billed_resource_utilization")},
        "cost": cost.estimate(facts),
    }
